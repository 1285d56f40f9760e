"""Adapts a text-to-image model to classes, in two stages (Lomurno et al. 2024): see `adapted.AdaptationTrainer`.

Both minimise E |noise - e(z_t, t, c(y))|^2, or the same of the velocity where the model predicts that: the first stage
over the class encoder c, the second over the network e. Unlike the published way, a share of the labels is left unsaid.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterfactory.diffusion.adapted import CLASS_ENCODER, LORA, UNET, AdaptationTrainer, epochs, whole_epoch
from counterfactory.diffusion.class_encoder import (
    NO_CLASS,
    ClassEncoder,
    Settings,
    listed,
    load_class_encoder,
    save_class_encoder,
)
from counterfactory.diffusion.class_pixels import left_out
from counterfactory.diffusion.drawing import Parts
from counterfactory.diffusion.foundation import Noising, guess, learning_size, open_frozen, rows_by_class
from counterfactory.diffusion.latents import drawn_from, kept_moments
from counterfactory.diffusion.lora import learning_lora, save_lora
from counterfactory.diffusion.pixel import spread_times
from counterfactory.diffusion.prompts import Words, heard, named
from counterfactory.diffusion.seeing import with_classes
from counterfactory.diffusion.spelling import Saying
from counterfactory.diffusion.trace import traced
from counterfactory.errors import BadConfig
from counterfactory.keys import seed_for
from counterfactory.names import model_folder
from counterfactory.training.fitting import Lesson, Rows, learn
from counterfactory.training.saving import save_half
from counterfactory.training.schedule import Schedule
from counterfactory.training.team import Team, together
from counterfactory.types import Dataset
from counterfactory.worker import Worker

AT_ONCE = 64  # names that the text encoder is given together


def trained(
    trainer: AdaptationTrainer, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]
) -> Mapping[str, Any]:
    """Trains to the last epoch and keeps the state, from which a call with more epochs goes on."""
    dataset = datasets["train"]
    started = _started(trainer, worker, dataset.classes)
    size = learning_size(trainer.base, trainer.size or started)
    rows = sorted(row for own in rows_by_class(dataset) for row in own)
    task = Task(
        trainer=trainer,
        worker=worker,
        folder=folder,
        moments=kept_moments(worker, dataset, str(model_folder(trainer.base) / "vae"), size),
        rows=np.array(rows),
        labels=np.array([dataset.samples[row].target for row in rows]),
        classes=dataset.classes,
        size=size,
    )
    return together(task, trainer.schedule.processes)


def _started(trainer: AdaptationTrainer, worker: Worker, classes: tuple[str, ...]) -> int | None:
    """The size of the pictures that the start learnt from, where there is a start; it must know the same classes."""
    if trainer.start is None:
        return None
    folder = trainer.start.folder(worker)
    known = load_class_encoder(folder / CLASS_ENCODER).settings
    if known.classes != classes:
        raise BadConfig(
            f"start: {folder} was adapted to {listed(known.classes)}, and the data have {listed(classes)}; "
            "give the same classes in the same order, or adapt anew."
        )
    if trainer.size not in {None, known.size}:
        raise BadConfig(
            f"size: {folder} learnt from pictures of {known.size} pixels, not {trainer.size}; leave it out."
        )
    return known.size


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What each process of a training does: a value that travels."""

    trainer: AdaptationTrainer
    worker: Worker
    folder: Path
    moments: Path
    rows: np.ndarray  # that are learnt from, of the moments
    labels: np.ndarray  # of these rows
    classes: tuple[str, ...]
    size: int

    def __call__(self, team: Team) -> dict[str, Any]:
        parts, noising = self._opened()
        moments = np.load(self.moments, mmap_mode="r")
        if self.trainer.stage == "encoder":
            channels = parts.autoencoder.config.latent_channels
            parts.classes.trace = traced(moments, self.rows, self.labels, channels) if self.trainer.trace else None
        pupil = _pupil(self.trainer, parts)
        if self.trainer.gradient_checkpointing:
            parts.unet.enable_gradient_checkpointing()
        data = Data(parts=parts, noising=noising, moments=moments, rows=self.rows, labels=self.labels, size=self.size)
        lesson = Lesson(
            module=pupil.module,
            length=len(self.rows),
            loss=lambda _, rows, generator: data.loss(rows, self.trainer.unsaid, generator),  # it is a part of `parts`
            passed=lambda average, epoch: self._passed(pupil, average, epoch),
            show=lambda _average, _progress: {"epochs": epochs(self.folder)},
        )
        return learn(lesson, self._schedule(), self.worker, self.folder, team)

    def _schedule(self) -> Schedule:
        """The trainer's; no step goes through the data more than once, so that every epoch has an end."""
        said = self.trainer.schedule
        most = max(1, len(self.rows) // said.processes)
        return said.model_copy(update={"batch_size": min(said.batch_size, most)})

    def _opened(self) -> tuple[Parts, Noising]:
        """The model with a class encoder, as they begin."""
        trainer = self.trainer
        parts, noising = open_frozen(trainer.base, self.worker)
        if trainer.start:
            return with_classes(parts, trainer.start.folder(self.worker), fused=not trainer.rank), noising
        return replace(parts, classes=begun(parts, trainer, self.classes, self.size).to(self.worker.device)), noising

    def _passed(self, pupil: "Pupil", average: Any, epoch: int) -> None:
        """Keeps an epoch that is due, with all that a drawing by it needs."""
        last, start = self.trainer.schedule.epochs or 0, self.trainer.start
        if epoch > last or (epoch % self.trainer.every and epoch != last):
            return
        with whole_epoch(self.folder, epoch) as folder:
            pupil.save(average, folder)
            kept = [start.folder(self.worker) / part for part in pupil.keeps] if start else []
            for part in filter(Path.exists, kept):
                shutil.copytree(part, folder / part.name)


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """Pictures as what the autoencoder says of them, their labels, and the model that draws them."""

    parts: Parts
    noising: Noising
    moments: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    size: int

    def loss(self, rows: Rows, unsaid: float, generator: torch.Generator) -> Tensor:
        """How far the model is off with pictures of which it is told the class; of a share not even that."""
        device = generator.device
        said = torch.from_numpy(self.moments[self.rows[rows]]).to(device).float()
        x_BCHW = drawn_from(said, self.parts.autoencoder.config.latent_channels, generator)
        labels = left_out(torch.from_numpy(self.labels[rows]), unsaid, NO_CLASS, generator)
        words = named(self.parts.classes, labels, torch.float32)
        times = spread_times(len(rows), len(self.noising.signal), generator)
        noise = torch.randn(x_BCHW.shape, generator=generator, device=device)
        noised = self.noising.laid(x_BCHW, noise, times, torch.stack([one.each for one in words]))
        return noised.loss(guess(self.parts, noised, words, self.size))


@dataclass(frozen=True, kw_only=True, eq=False)
class Pupil:
    """What learns in a stage."""

    module: nn.Module
    save: Callable[[Any, Path], None]  # the average of it, in an epoch's folder
    keeps: tuple[str, ...]  # the parts of the start that stay as they were


def _pupil(trainer: AdaptationTrainer, parts: Parts) -> Pupil:
    if trainer.stage == "encoder":
        return Pupil(
            module=parts.classes.requires_grad_(True),
            save=lambda average, folder: save_class_encoder(average, folder / CLASS_ENCODER),
            keeps=(UNET, LORA),
        )
    if trainer.rank:
        return Pupil(
            module=learning_lora(parts.unet, trainer.rank, trainer.schedule.seed),
            save=lambda average, folder: save_lora(parts.unet, average, folder / LORA),
            keeps=(CLASS_ENCODER, UNET),
        )
    return Pupil(
        module=parts.unet.requires_grad_(True),
        save=lambda average, folder: save_half(average, folder / UNET),
        keeps=(CLASS_ENCODER,),
    )


@torch.no_grad()
def begun(parts: Parts, trainer: AdaptationTrainer, classes: tuple[str, ...], size: int) -> ClassEncoder:
    """A new class encoder: a table begins as what the model's own text encoder makes of the classes' names."""
    texts = [Saying(name) for name in (*classes, "")]
    words = [
        said
        for start in range(0, len(texts), AT_ONCE)
        for said in heard(parts.readers, texts[start : start + AT_ONCE], torch.float32)
    ]
    if parts.zero_unsaid:
        words[-1] = words[-1].unsaid()
    settings = Settings(
        classes=classes,
        shape=trainer.shape,
        tokens=trainer.tokens,
        width=words[0].each.shape[1],
        summary=0 if words[0].whole is None else len(words[0].whole),
        size=size,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("adaptation", trainer.schedule.seed))
        encoder = ClassEncoder(settings)
    if trainer.shape == "table":
        encoder.table.weight.copy_(torch.stack([_shortened(said, trainer.tokens) for said in words]))
    return encoder


def _shortened(said: Words, tokens: int) -> Tensor:
    """The first tokens of a text, and the mean of all that follow; numbers of the text as a whole come last."""
    places = said.each[[min(place, len(said.each) - 1) for place in range(tokens)]].clone()
    places[-1] = said.each[tokens - 1 :].mean(0) if tokens <= len(said.each) else places[-1]
    return torch.cat([places.flatten(), *([] if said.whole is None else [said.whole])])
