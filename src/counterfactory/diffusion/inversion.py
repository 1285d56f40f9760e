"""Learns words: vectors for each class that a frozen text-to-image model hears in its prompts (Gal et al. 2023).

Classes that learn together do not touch each other: no gradient is shortened by another's, and the optimizer works
number by number. Each group of classes is a training of its own, which a call after a killed one finds done or goes on.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterfactory.diffusion.drawing import Parts
from counterfactory.diffusion.foundation import learning_size, open_frozen, rows_by_class
from counterfactory.diffusion.latents import kept_latents
from counterfactory.diffusion.spelling import Saying, loses_a_token
from counterfactory.diffusion.studying import Study, Subject
from counterfactory.diffusion.tokens import class_tokens, save_tokens
from counterfactory.diffusion.trainers import InversionTrainer
from counterfactory.errors import BadConfig
from counterfactory.keys import key
from counterfactory.names import model_folder
from counterfactory.training.fitting import Lesson, Site, train
from counterfactory.training.schedule import Schedule
from counterfactory.training.team import Team, together
from counterfactory.types import Dataset
from counterfactory.worker import Worker, is_out_of_memory, let_memory_go

UNBOUND = float("inf")


def trained(
    trainer: InversionTrainer, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]
) -> Mapping[str, Any]:
    """Trains to the end of the budget and keeps the state, from which a call with a larger budget goes on."""
    dataset, size = datasets["train"], learning_size(trainer.base, trainer.size)
    subjects, autoencoder = _subjects(dataset), str(model_folder(trainer.base) / "vae")
    latents = kept_latents(worker, dataset, autoencoder, size)
    mirrored = kept_latents(worker, dataset, autoencoder, size, mirrored=True) if trainer.flip else latents
    task = Task(
        trainer=trainer, worker=worker, folder=folder, subjects=subjects, latents=(latents, mirrored), size=size
    )
    return together(task, trainer.schedule.processes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Learnt:
    """What came of a class: vectors (V, D) for each text encoder, and its loss before and after."""

    vectors: tuple[Tensor, ...]
    loss: list[float]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Task:
    """What each process of a training does: a value that travels."""

    trainer: InversionTrainer
    worker: Worker
    folder: Path
    subjects: tuple[Subject, ...]
    latents: tuple[Path, Path]  # of the pictures as they are, and mirrored
    size: int

    def __call__(self, team: Team) -> dict[str, Any]:
        """All classes, a group at a time, with networks that are loaded once."""
        parts, noising = open_frozen(self.trainer.base, self.worker)
        _refuse_misfits(self.trainer, parts)
        arrays = [np.load(path, mmap_mode="r") for path in self.latents]
        study = Study(parts=parts, noising=noising, latents=arrays, trainer=self.trainer, size=self.size)
        learnt: dict[str, Learnt] = {}
        for start in range(0, len(self.subjects), self.trainer.classes_at_once):
            group = self.subjects[start : start + self.trainer.classes_at_once]
            learnt |= self._taught(replace(study, subjects=group), team)
            self.worker.tell(start + len(group), len(self.subjects))
        if not team.leads:
            return {}
        tokens = {subject.name: subject.token for subject in self.subjects}
        save_tokens(self.folder, {token: learnt[name].vectors for name, token in tokens.items()}, tokens)
        seconds = sum(one.seconds for one in learnt.values())
        return {"seconds": seconds, "loss": {name: one.loss for name, one in learnt.items()}}

    def _taught(self, study: Study, team: Team) -> dict[str, Learnt]:
        """The classes of a study by name, half as many at once where there is no room for all."""
        try:
            return self._tried(study, team)
        except (RuntimeError, MemoryError) as error:
            if len(study.subjects) == 1 or team.size > 1 or not is_out_of_memory(error):
                raise
        let_memory_go(self.worker.device)  # out here the error lets go of what it held
        half = len(study.subjects) // 2
        groups = (study.subjects[:half], study.subjects[half:])
        return {
            name: one for group in groups for name, one in self._taught(replace(study, subjects=group), team).items()
        }

    def _tried(self, study: Study, team: Team) -> dict[str, Learnt]:
        names = [subject.name for subject in study.subjects]
        folder = self.folder / "training" / key(names)
        lesson = Lesson(module=study.begun(), length=self.trainer.schedule.batch_size, loss=study.loss, longest=UNBOUND)
        site = Site(folder=folder, device=self.worker.device, dtype=self.worker.dtype, team=team)
        average, progress = train(lesson, _schedule(self.trainer, len(names)), site)
        if not team.leads:
            return {}
        losses = _losses(study, average, folder / f"loss-{progress.step}.json")
        return {
            name: Learnt(
                vectors=tuple(vectors[number].detach().cpu() for vectors in average.parameters()),
                loss=losses[number],
                seconds=progress.seconds / len(names),
            )
            for number, name in enumerate(names)
        }


def _schedule(trainer: InversionTrainer, classes: int) -> Schedule:
    """The schedule of a group: a budget of time is each class's own."""
    said = trainer.schedule
    factor = said.batch_size * said.processes if trainer.scale_rate else 1
    seconds = said.seconds and said.seconds * classes
    return said.model_copy(update={"learning_rate": said.learning_rate * factor, "seconds": seconds})


def _losses(study: Study, average: Any, note: Path) -> list[list[float]]:
    """Of each class before and after, written down so that a later call need not look again."""
    if not note.exists():
        both = zip(study.judged(study.begun()), study.judged(average), strict=True)
        part = note.with_suffix(".part")
        part.write_text(json.dumps(list(both)))
        os.replace(part, note)
    losses: list[list[float]] = json.loads(note.read_text())
    return losses


def _subjects(dataset: Dataset) -> tuple[Subject, ...]:
    """The classes of a data set with their rows."""
    tokens, rows = class_tokens(dataset.classes), rows_by_class(dataset)
    return tuple(
        Subject(name=name, token=tokens[name], rows=tuple(own)) for name, own in zip(dataset.classes, rows, strict=True)
    )


def _refuse_misfits(trainer: InversionTrainer, parts: Parts) -> None:
    """Templates in which the word would be cut off."""
    token = "<token>"  # noqa: S105
    for reader in parts.readers:
        probe = replace(reader, learnt={token: torch.zeros(trainer.vectors, 1)})
        for template in trainer.templates:
            if loses_a_token(probe, Saying(template.replace("{}", token))):
                raise BadConfig(
                    f"templates: {template!r} with a word of {trainer.vectors} vectors is longer than the "
                    f"{reader.tokenizer.model_max_length} tokens that {trainer.base} reads."
                )
