"""How the zoo's judge learns: from all of Diorama, worn a little as drawn pictures are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor
from torch.nn import functional

from counterfactory.data.diorama.place import drawn_both
from counterfactory.keys import dataset_key, seed_for
from counterfactory.training.arrays import array_path, kept_rows
from counterfactory.training.checkpoint import Progress
from counterfactory.training.fitting import Lesson, Rows, learn
from counterfactory.training.pictures import to_tensor
from counterfactory.training.quality import note_quality
from counterfactory.training.schedule import Count, Schedule
from counterfactory.training.team import Team, together
from counterfactory.types import Dataset, Sample
from counterfactory.worker import Worker
from counterfactory.zoo.judge import FACTORS, SIZE, Judge, read
from counterfactory.zoo.judge_network import JudgeNetwork, save
from counterfactory.zoo.order import Order
from counterfactory.zoo.wear import worn
from counterfactory.zoo.world import every_scene

SCENES, FRESH = 40_000, 2_200  # to learn from, and to measure on
CLASS_WEIGHT = 2.0  # of the one factor that is hard to tell
MASK_WEIGHT = 6.0  # a mean over many pixels that are easy, and few at the edge that are not


class JudgeTrainer(BaseModel, frozen=True, extra="forbid"):
    """The judge's shape and its course."""

    schedule: Schedule = Schedule(images=150_000, batch_size=16, learning_rate=2e-3, weight_decay=1e-2, smoothing=0.997)
    channels: tuple[Count, Count, Count] = (16, 48, 96)  # of sixteen: what processors are quick with


def trained(order: Order, worker: Worker) -> dict[str, Any]:
    """Learns and is measured on scenes that it has not seen; a call with more time goes on from there."""
    data = every_scene("train", order.scenes or SCENES)
    fresh = every_scene("validation", min(len(data), FRESH))
    task = Task(
        trainer=order.within(JudgeTrainer()),
        worker=worker,
        folder=order.folder,
        data=Scenes(path=kept_scenes(worker, data), answers=answers_of(data)),
        fresh=Scenes(path=kept_scenes(worker, fresh), answers=answers_of(fresh)),
    )
    return together(task, order.processes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenes:
    """Pictures with their masks as a fourth channel, in a file, and each factor's value by number."""

    path: Path
    answers: np.ndarray  # (N, factors)

    def rows(self, rows: Rows | slice) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (B, 3, H, W) from -1 to 1, masks (B, H, W) and answers (B, factors)."""
        pixels = np.load(self.path, mmap_mode="r")[rows]
        mask = torch.tensor(pixels[..., 3]).float().div(255)
        return to_tensor(pixels[..., :3]), mask, torch.from_numpy(self.answers[rows])


@dataclass(frozen=True, kw_only=True)
class Task:
    """What each process of a training does: a value that travels."""

    trainer: JudgeTrainer
    worker: Worker
    folder: Path
    data: Scenes
    fresh: Scenes

    def __call__(self, team: Team) -> dict[str, Any]:
        lesson = Lesson(module=build(self.trainer), length=len(self.data.answers), loss=self._loss, show=self._show)
        return learn(lesson, self.trainer.schedule, self.worker, self.folder, team)

    def _loss(self, module: Any, rows: Rows, generator: torch.Generator) -> Tensor:
        """The surprise at each factor's true value and at the object's mask."""
        x_BCHW, mask_BHW, answers = (part.to(generator.device) for part in self.data.rows(rows))
        x_BCHW, mask_BHW = worn(x_BCHW, mask_BHW, generator)
        logits, found_BHW = module(x_BCHW.contiguous(memory_format=torch.channels_last))
        loss = MASK_WEIGHT * functional.binary_cross_entropy_with_logits(found_BHW.float(), mask_BHW.clamp(0, 1))
        for factor, right in zip(FACTORS, answers.T, strict=True):
            weight = CLASS_WEIGHT if factor == "class" else 1.0
            loss = loss + weight * functional.cross_entropy(logits[factor].float(), right)
        return loss

    def _show(self, average: Any, progress: Progress) -> dict[str, Any]:
        """Writes the weights, and how they read scenes that they were not learnt from."""
        said = {"channels": self.trainer.channels, "factors": FACTORS}
        save(average, said, self.folder)
        numbers = {"images": progress.images, **measured(Judge(network=average, device=self.worker.device), self.fresh)}
        note_quality(self.folder, numbers)
        return numbers


def build(trainer: JudgeTrainer) -> Any:
    """A network whose first weights follow from the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("judge", trainer.schedule.seed))
        network: Any = JudgeNetwork(trainer.channels, {factor: len(values) for factor, values in FACTORS.items()})
    return network.to(memory_format=torch.channels_last)


def measured(judge: Judge, scenes: Scenes) -> dict[str, Any]:
    """The share of each factor that is read right, how well masks overlap, and which classes are taken for which."""
    x_BCHW, mask_BHW, answers = scenes.rows(slice(None))
    reading = read(judge, x_BCHW)
    found = {factor: probabilities.argmax(1) for factor, probabilities in reading.probabilities.items()}
    right = dict(zip(FACTORS, answers.T, strict=True))
    numbers: dict[str, Any] = {
        factor: round(float((found[factor] == right[factor]).float().mean()), 4) for factor in FACTORS
    }
    numbers["mask_iou"] = round(overlap(reading.mask > 0.5, mask_BHW > 0.5), 4)
    numbers["confused"] = _confused(found["class"], right["class"])
    return numbers


def overlap(one_BHW: Tensor, other_BHW: Tensor) -> float:
    """The mean intersection over union of masks."""
    both, either = (one_BHW & other_BHW).sum((1, 2)), (one_BHW | other_BHW).sum((1, 2))
    return float((both / either.clamp(min=1)).mean())


def _confused(found: Tensor, right: Tensor) -> dict[str, int]:
    """How often each class was taken for each other one, the most frequent mistakes first."""
    classes = FACTORS["class"]
    wrong = [(int(b), int(a)) for a, b in zip(found, right, strict=True) if a != b]
    counts = sorted(((wrong.count(pair), pair) for pair in set(wrong)), reverse=True)
    return {f"{classes[true]} as {classes[taken]}": count for count, (true, taken) in counts}


def kept_scenes(worker: Worker, dataset: Dataset) -> Path:
    """The array (N, 64, 64, 4) of all pictures and masks, drawn once for a workspace."""
    path = array_path(worker, "scenes", dataset_key(dataset), SIZE)
    shape = (len(dataset), SIZE, SIZE, 4)
    return kept_rows(path, shape, np.uint8, lambda start, stop: _drawn(dataset.samples[start:stop]))


def _drawn(samples: tuple[Sample, ...]) -> np.ndarray:
    pairs = (drawn_both(sample.image.place) for sample in samples)
    return np.stack([np.dstack([np.asarray(image), np.asarray(mask)]) for image, mask in pairs])


def answers_of(dataset: Dataset) -> np.ndarray:
    """Each factor's value by number (N, factors)."""
    said: list[Mapping[str, Any]] = [sample.attributes for sample in dataset.samples]
    return np.array([[values.index(row[factor]) for factor, values in FACTORS.items()] for row in said])
