"""Trains a diffusion model of pixels that draws classes, and with no class anything, so that guidance has a zero.

The network says the velocity (Salimans & Ho 2022), which tells of the picture however much noise is on it.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from counterfactory.diffusion.adapted import epoch_folder, epochs, whole_epoch
from counterfactory.diffusion.foundation import Noising, rows_by_class
from counterfactory.diffusion.pixel import ASKED, network_of, save, spread_times
from counterfactory.diffusion.pixel_painting import CLASSES, PixelParts, draw_pixels, halvings, with_margin
from counterfactory.diffusion.placing import quicken
from counterfactory.diffusion.schedulers import noising_scheduler, scheduler_like
from counterfactory.diffusion.trainers import ClassPixelTrainer
from counterfactory.training.arrays import kept_pictures
from counterfactory.training.checkpoint import Progress
from counterfactory.training.fitting import Lesson, Rows, learn
from counterfactory.training.grid import save_grid
from counterfactory.training.pictures import to_tensor
from counterfactory.training.quality import Opinion, no_opinion, note_quality
from counterfactory.training.team import Team, together
from counterfactory.types import Dataset, Request
from counterfactory.worker import Worker

SHOWN, STEPS, GUIDANCE = 24, 20, 1.5  # pictures in the grid, and how they are drawn


def trained(
    trainer: ClassPixelTrainer,
    worker: Worker,
    folder: Path,
    datasets: Mapping[str, Dataset],
    opinion: Opinion = no_opinion,
) -> Mapping[str, Any]:
    """Trains to the end of the budget and keeps the state, from which a call with a larger budget goes on."""
    train = datasets["train"]
    asked = datasets.get("validation", train)
    rows = sorted(row for own in rows_by_class(train) for row in own)
    task = Task(
        trainer=trainer,
        worker=worker,
        folder=folder,
        classes=train.classes,
        known=material(worker, train, rows, trainer.size),
        asked=material(worker, asked, range(min(ASKED, len(asked))), trainer.size),
        opinion=opinion,
    )
    return together(task, trainer.schedule.processes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Pictures on disk, the rows that count, and the number of each one's class: a value that travels."""

    pictures: Path
    rows: np.ndarray
    labels: np.ndarray


def material(worker: Worker, dataset: Dataset, rows: Sequence[int], size: int) -> Material:
    """Some rows of a data set of one class in each picture."""
    labels = np.array([dataset.samples[row].target for row in rows], np.int64)
    return Material(pictures=kept_pictures(worker, dataset, size), rows=np.array(rows), labels=labels)


@dataclass(frozen=True, eq=False)
class Opened:
    """The same on a device, with margins where the network needs them."""

    material: Material
    pixels: np.ndarray
    factor: int
    device: str

    def of(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Pictures and labels of some of the rows that count."""
        x_BCHW = to_tensor(self.pixels[self.material.rows[rows]]).to(self.device)
        return with_margin(x_BCHW, self.factor), torch.from_numpy(self.material.labels[rows]).to(self.device)


def opened(material: Material, factor: int, device: str) -> Opened:
    """Pictures stay on disk until they are asked for."""
    return Opened(material, np.load(material.pictures, mmap_mode="r"), factor, device)


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What each process of a training does: a value that travels."""

    trainer: ClassPixelTrainer
    worker: Worker
    folder: Path
    classes: tuple[str, ...]
    known: Material
    asked: Material
    opinion: Opinion

    def __call__(self, team: Team) -> dict[str, Any]:
        trainer, device = self.trainer, self.worker.device
        module, noising = build(trainer, len(self.classes)), open_noising(trainer, device)
        quicken(self.worker, module)
        known, asked = (opened(one, halvings(module), device) for one in (self.known, self.asked))
        judged = asked.of(np.arange(len(self.asked.rows)))

        def loss(network: nn.Module, rows: Rows, generator: torch.Generator) -> Tensor:
            x_BCHW, label_B = known.of(rows)
            said_B = left_out(label_B, trainer.unsaid, len(self.classes), generator)
            return errors(network, noising, flipped(x_BCHW, trainer.flip, generator), said_B, generator).mean()

        def show(average: Any, progress: Progress) -> dict[str, Any]:
            if trainer.every and schedule.over(length).done(progress.images, progress.seconds) >= 1:
                self._keep(average, -(-progress.images // length))  # what it ends with, in whichever epoch
            return self._show(average, {"images": progress.images, "error": measured(average, noising, *judged)})

        length = len(self.known.rows)
        lesson = Lesson(module=module, length=length, loss=loss, show=show, passed=self._passed)
        course = trainer.schedule
        schedule = course.model_copy(update={"batch_size": min(course.batch_size, length)})
        return learn(lesson, schedule, self.worker, self.folder, team)

    def _show(self, network: Any, numbers: Mapping[str, float]) -> dict[str, Any]:
        """Writes the weights, pictures for a person and how good they are; the folder is usable from then on."""
        self._save(network, self.folder)
        own = scheduler_like(scheduler(self.trainer), "dpm++")
        count, size = len(self.classes), (self.trainer.size, self.trainer.size)
        parts = PixelParts(network=network, scheduler=own, classes=count, nothing=count)
        asked = [Request(prompt="", label=seed % count, seed=seed, guidance=GUIDANCE) for seed in range(SHOWN)]
        drawn = draw_pixels(parts, asked, size, STEPS)
        save_grid(drawn, 8, self.folder / "training" / "grid.png")
        said = {**numbers, **self.opinion(drawn)}
        note_quality(self.folder, said)
        return said

    def _passed(self, network: nn.Module, epoch: int) -> None:
        """Keeps an epoch that is due."""
        if self.trainer.every and not epoch % self.trainer.every:
            self._keep(network, epoch)
            for other in epochs(self.folder):  # the end of an earlier sitting is no end any more
                if other % self.trainer.every:
                    shutil.rmtree(epoch_folder(self.folder, other))

    def _keep(self, network: Any, epoch: int) -> None:
        with whole_epoch(self.folder, epoch) as folder:
            self._save(network, folder)

    def _save(self, network: Any, folder: Path) -> None:
        save(network, scheduler(self.trainer), folder)
        (folder / CLASSES).write_text(json.dumps(self.classes) + "\n", encoding="utf-8")


def build(trainer: ClassPixelTrainer, classes: int) -> Any:
    """A network that knows so many classes, and after them what is of none."""
    return network_of(trainer, out_channels=3, num_class_embeds=classes + 1)


def scheduler(trainer: ClassPixelTrainer) -> Any:
    """How noise was laid on, as diffusers says it; drawing begins where nothing is left of a picture."""
    return noising_scheduler(
        trainer.noising, trainer.times, prediction_type="v_prediction", timestep_spacing="trailing"
    )


def open_noising(trainer: ClassPixelTrainer, device: str) -> Noising:
    """The same, to learn with."""
    return Noising(signal=scheduler(trainer).alphas_cumprod.to(device), predicts_velocity=True)


def flipped(x_BCHW: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Pictures of which a share is mirrored."""
    turned = torch.rand(len(x_BCHW), generator=generator, device=x_BCHW.device) < share
    return torch.where(turned[:, None, None, None], x_BCHW.flip(-1), x_BCHW)


def left_out(label_B: Tensor, share: float, nothing: int, generator: torch.Generator) -> Tensor:
    """Labels of which a share says nothing (Ho & Salimans 2022)."""
    silent = torch.rand(len(label_B), generator=generator, device=generator.device) < share
    return label_B.to(generator.device).masked_fill(silent, nothing)


def errors(network: Any, noising: Noising, x_BCHW: Tensor, said_B: Tensor, generator: torch.Generator) -> Tensor:
    """Of each picture, how far the velocity is off at a time of its own."""
    time_B = spread_times(len(x_BCHW), len(noising.signal), generator)
    noise = torch.randn(x_BCHW.shape, generator=generator, device=x_BCHW.device)
    noised = noising.laid(x_BCHW, noise, time_B, said_B)
    return noised.each(network(noised.latents, time_B, class_labels=said_B).sample)


@torch.no_grad()
def measured(network: Any, noising: Noising, x_BCHW: Tensor, label_B: Tensor) -> float:
    """The loss on pictures that are not learnt from, with the same noise at every call."""
    generator = torch.Generator(x_BCHW.device).manual_seed(0)
    return round(float(errors(network, noising, x_BCHW, label_B.to(x_BCHW.device), generator).mean()), 6)
