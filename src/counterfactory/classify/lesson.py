"""Data, network and draw of one training, brought together on a device."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from counterfactory.classify import material
from counterfactory.classify.draw import Draw, loss_weights, plan
from counterfactory.classify.networks import Network, build
from counterfactory.classify.pictures import open_pictures
from counterfactory.classify.targets import targets_of
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.errors import BadData
from counterfactory.types import Dataset, Task
from counterfactory.worker import Hear, Tell, Worker

PASSES, FEWEST, MOST = 40, 200, 3000  # over the data, and steps, where nobody says how long to train
EVALUATIONS, APART = 8, 25  # of a training, and steps between two at least, where nobody says how often
JUDGES = 2000  # validation images at most: as many tell a best state as surely as all, at every evaluation


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """Everything that the loop needs and does not change."""

    trainer: ClassifierTrainer
    task: Task
    total: int
    evaluate_every: int
    draw: Draw
    weights: Tensor
    material: material.Material
    answers: Tensor | None  # the validation targets
    network: Network
    accelerator: Any
    tell: Tell  # how far it is
    hear: Hear  # how good it is


def prepared(
    trainer: ClassifierTrainer, worker: Worker, datasets: Mapping[str, Dataset], unfinished: Path, accelerator: Any
) -> Lesson:
    """Data and network brought together on the worker's device."""
    train, validation = datasets["train"], datasets.get("validation")
    if validation is not None and (validation.classes, validation.task) != (train.classes, train.task):
        raise BadData(f"Training has {train.task} {train.classes}, validation {validation.task} {validation.classes}.")
    numbers = targets_of(train)
    draw = plan(train, numbers, trainer.seed, trainer.balanced, trainer.synthetic_probability)
    total = _total(trainer, len(draw.sources))
    side = trainer.sized(train, worker).size
    network = build(trainer.model, train.classes, train.task, (side, side) if side else None)
    network.to(worker.device, torch.channels_last)
    wanted = _on(worker, numbers, train)
    pictures = open_pictures(train, network.preparation, worker)
    judges = _judges(validation) if validation is not None else None
    asked = open_pictures(judges, network.preparation, worker) if judges is not None else None
    with accelerator.autocast():
        if network.features is None:
            fed = material.from_pixels(trainer, network, pictures, wanted, asked)
        else:
            kept = unfinished / "features.safetensors"
            fed = material.from_features(trainer, network, pictures, wanted, asked, kept)
    return Lesson(
        trainer=trainer,
        task=train.task,
        total=total,
        evaluate_every=_evaluate_every(trainer, total, len(draw.sources)),
        draw=draw,
        weights=torch.from_numpy(loss_weights(train, draw)).to(worker.device),
        material=fed,
        answers=_on(worker, targets_of(judges), judges).rows() if judges is not None else None,
        network=network,
        accelerator=accelerator,
        tell=worker.tell,
        hear=worker.hear,
    )


def _judges(validation: Dataset) -> Dataset:
    """The validation images that are asked: all, or so many by their content, whatever their order."""
    if len(validation) <= JUDGES:
        return validation
    by_content = sorted(validation.samples, key=lambda sample: sample.image.digest)
    return replace(validation, samples=tuple(by_content[:JUDGES]), weights=None)


def _on(worker: Worker, numbers: NDArray[Any], dataset: Dataset) -> material.Targets:
    return material.Targets(values=torch.from_numpy(numbers).to(worker.device), classes=len(dataset.classes))


def _total(trainer: ClassifierTrainer, sources: int) -> int:
    """How many steps; synthetic images do not make a training longer, so that with and without them can be compared."""
    if trainer.epochs is not None:
        return trainer.epochs * _a_pass(trainer, sources)
    return trainer.steps or min(max(PASSES * _a_pass(trainer, sources), FEWEST), MOST)


def _evaluate_every(trainer: ClassifierTrainer, total: int, sources: int) -> int:
    """Steps between two evaluations; a rate that waits for a plateau counts in passes."""
    if trainer.plateau is not None:
        return trainer.evaluate_every or _a_pass(trainer, sources)
    return trainer.evaluate_every or max(APART, math.ceil(total / EVALUATIONS))


def _a_pass(trainer: ClassifierTrainer, sources: int) -> int:
    return math.ceil(sources / trainer.batch_size)
