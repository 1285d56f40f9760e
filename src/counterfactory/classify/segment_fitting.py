"""Trains a UPerNet (Xiao et al. 2018) on a small residual network: the class of every pixel of a picture."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import update_bn
from transformers import ResNetConfig, UperNetConfig, UperNetForSemanticSegmentation

from counterfactory.classify.masks import VOID, class_mask, mask_classes
from counterfactory.classify.pictures import normalised
from counterfactory.classify.preparation import Preparation, read_preparation, write_preparation
from counterfactory.classify.segment_train import SegmentTrainer
from counterfactory.classify.segmenter import open_segmenter, sized
from counterfactory.classify.targets import matched
from counterfactory.errors import BadData
from counterfactory.keys import dataset_key, seed_for
from counterfactory.names import model_folder
from counterfactory.pixels import Pixels
from counterfactory.training.arrays import array_path, kept_rows
from counterfactory.training.checkpoint import Progress
from counterfactory.training.fitting import Lesson, Rows, learn
from counterfactory.training.loading import quiet
from counterfactory.training.quality import note_quality
from counterfactory.training.saving import save_half
from counterfactory.training.team import Team, together
from counterfactory.types import Dataset, Sample
from counterfactory.worker import Worker

SHIFT = 8  # at most one part in so many of a side, up, down or aside
BRIGHTNESS, CONTRAST = 0.1, 0.2  # at most, of each colour
POOLED = [1, 2, 4]  # parts of a side over which the coarsest features are brought together
ASKED = 256  # pictures that a checkpoint is measured on
MEASURED = 1024  # pictures that normalisation is measured with
AT_ONCE = 64  # of them


def trained(
    trainer: SegmentTrainer, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]
) -> Mapping[str, Any]:
    """Trains to the end of the budget and keeps the state, from which a call with a larger budget goes on."""
    data, fresh = datasets["train"], datasets.get("validation")
    if not data.samples:
        raise BadData(f"The split {data.split!r} has no images.")
    folder.mkdir(parents=True, exist_ok=True)
    preparation = _preparation(trainer)
    task = Task(
        trainer=trainer,
        worker=worker,
        folder=folder,
        classes=mask_classes(data),
        preparation=preparation,
        data=_kept(worker, data, preparation.size),
        fresh=_kept(worker, fresh, preparation.size) if fresh is not None and fresh.samples else None,
    )
    return together(task, trainer.schedule.processes)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pictures and the class of each of their pixels, in two files."""

    pictures: Path
    masks: Path

    def __len__(self) -> int:
        return len(np.load(self.masks, mmap_mode="r"))

    def rows(self, rows: Rows | slice) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, H, W) from 0 to 1 and classes (B, H, W)."""
        pixels, classes = (torch.tensor(np.load(path, mmap_mode="r")[rows]) for path in (self.pictures, self.masks))
        return pixels.permute(0, 3, 1, 2).float().div(255), classes.long()


@dataclass(frozen=True, kw_only=True)
class Task:
    """What each process of a training does: a value that travels."""

    trainer: SegmentTrainer
    worker: Worker
    folder: Path
    classes: tuple[str, ...]
    preparation: Preparation
    data: Pairs
    fresh: Pairs | None

    def __call__(self, team: Team) -> dict[str, Any]:
        module = build(self.trainer, self.classes)
        lesson = Lesson(module=module, length=len(self.data), loss=self._loss, show=self._show)
        return learn(lesson, self.trainer.schedule, self.worker, self.folder, team)

    def _loss(self, module: Any, rows: Rows, generator: torch.Generator) -> Tensor:
        """The surprise at the true class of each pixel."""
        x_BCHW, classes_BHW = (part.to(generator.device) for part in self.data.rows(rows))
        x_BCHW, classes_BHW = moved(x_BCHW, classes_BHW, generator)
        logits = sized(module(normalised(lit(x_BCHW, generator), self.preparation)).logits, classes_BHW.shape[1:])
        return functional.cross_entropy(logits.float(), classes_BHW, ignore_index=VOID)

    def _show(self, average: Any, progress: Progress) -> dict[str, Any]:
        """Writes the weights, and how well they know pictures that they were not learnt from."""
        module = copy.deepcopy(average)
        # What normalises was measured with other weights than the average's: it is measured again.
        update_bn((x_BCHW for x_BCHW, _ in self._batches(self.data, MEASURED)), module)
        with quiet():
            save_half(module.eval(), self.folder)
        write_preparation(self.preparation, self.folder)
        numbers: dict[str, Any] = {"images": progress.images}
        if self.fresh is not None:
            numbers["pixels_right"] = _right(module, self._batches(self.fresh, ASKED))
        note_quality(self.folder, numbers)
        return numbers

    def _batches(self, pairs: Pairs, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The first pairs, as the network wants them."""
        for start in range(0, min(len(pairs), number), AT_ONCE):
            x_BCHW, classes_BHW = pairs.rows(slice(start, min(start + AT_ONCE, number)))
            yield normalised(x_BCHW.to(self.worker.device), self.preparation), classes_BHW.to(self.worker.device)


def build(trainer: SegmentTrainer, classes: tuple[str, ...]) -> Any:
    """The network that it starts from: a checkpoint, or a new one whose first weights follow from the seed alone."""
    if trainer.start is not None:
        segmenter = open_segmenter(model_folder(trainer.start), "cpu", torch.float32)
        matched(segmenter.classes or (), classes)
        return segmenter.module.train().requires_grad_(True).to(memory_format=torch.channels_last)
    shape: Any = ResNetConfig  # which stages are given out is no field in its own types
    eyes = shape(
        embedding_size=trainer.widths[0],
        hidden_sizes=list(trainer.widths),
        depths=[1] * len(trainer.widths),
        layer_type="basic",
        out_features=[f"stage{number}" for number in range(1, len(trainer.widths) + 1)],
    )
    config = UperNetConfig(
        backbone_config=eyes,
        hidden_size=trainer.neck,
        pool_scales=POOLED,
        use_auxiliary_head=False,
        id2label=dict(enumerate(classes)),
        label2id={name: number for number, name in enumerate(classes)},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("segmenter", trainer.schedule.seed))
        network: Any = UperNetForSemanticSegmentation(config)
    return network.to(memory_format=torch.channels_last)


def moved(x_BCHW: Tensor, classes_BHW: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures and masks together: half of them mirrored, all shifted a little, reflected at the edges."""
    batch, height, width = classes_BHW.shape
    down_B, aside_B = (_between(-(side // SHIFT), side // SHIFT, batch, generator) for side in (height, width))
    y_BH = _reflected(torch.arange(height, device=x_BCHW.device) + down_B[:, None], height)
    x_BW = _reflected(torch.arange(width, device=x_BCHW.device) + aside_B[:, None], width)
    x_BW = torch.where(_between(0, 1, batch, generator)[:, None] == 1, x_BW.flip(1), x_BW)
    at = (torch.arange(batch, device=x_BCHW.device)[:, None, None], y_BH[:, :, None], x_BW[:, None, :])
    return x_BCHW.permute(0, 2, 3, 1)[at].permute(0, 3, 1, 2), classes_BHW[at]


def lit(x_BCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures from 0 to 1, each a little brighter or darker, weaker or stronger in its colours."""
    gain, offset = torch.rand((2, len(x_BCHW), 3, 1, 1), generator=generator, device=x_BCHW.device).sub(0.5).mul(2)
    lit_BCHW: Tensor = (x_BCHW - 0.5) * (1 + CONTRAST * gain) + 0.5 + BRIGHTNESS * offset
    return lit_BCHW.clamp(0, 1)


def _between(lowest: int, highest: int, number: int, generator: torch.Generator) -> Tensor:
    return torch.randint(lowest, highest + 1, (number,), generator=generator, device=generator.device)


def _reflected(places: Tensor, length: int) -> Tensor:
    """Places beyond either end of a row, seen in a mirror there."""
    places = places.abs()
    return torch.where(places < length, places, 2 * (length - 1) - places)


@torch.no_grad()
def _right(module: Any, batches: Iterator[tuple[Tensor, Tensor]]) -> float:
    """The share of pixels whose class is found."""
    right = known = 0
    for x_BCHW, classes_BHW in batches:
        found = sized(module(x_BCHW).logits, classes_BHW.shape[1:]).argmax(1)
        right += int(((found == classes_BHW) & (classes_BHW != VOID)).sum())
        known += int((classes_BHW != VOID).sum())
    return right / max(known, 1)


def _preparation(trainer: SegmentTrainer) -> Preparation:
    if trainer.start is not None:
        return read_preparation(model_folder(trainer.start))
    return Preparation(size=(trainer.size, trainer.size))


def _kept(worker: Worker, dataset: Dataset, size: tuple[int, int]) -> Pairs:
    """A data set's pictures and masks as arrays, made once for a workspace."""
    width, height = size
    shape, classes, pixels = (len(dataset), height, width), mask_classes(dataset), _pixels(worker, dataset)
    pictures = kept_rows(
        array_path(worker, "pictures", dataset_key(dataset), size), (*shape, 3), np.uint8,
        lambda start, stop: pixels.arrays([sample.image for sample in dataset.samples[start:stop]], size),
    )  # fmt: skip
    masks = kept_rows(
        array_path(worker, "masks", dataset_key(dataset), size), shape, np.uint8,
        lambda start, stop: np.stack([_mask(sample, pixels, classes, size) for sample in dataset.samples[start:stop]]),
    )  # fmt: skip
    return Pairs(pictures=pictures, masks=masks)


def _pixels(worker: Worker, dataset: Dataset) -> Pixels:
    """Rendered pictures are kept in the arrays: none needs a blob of its own beside them."""
    kept = any(sample.image.place.startswith("blob") for sample in dataset.samples)
    return worker.pixels if kept else replace(worker.pixels, blobs=None)


def _mask(sample: Sample, pixels: Pixels, classes: tuple[str, ...], size: tuple[int, int]) -> np.ndarray:
    mask = Image.fromarray(class_mask(sample, pixels, classes).astype(np.uint8))
    return np.asarray(mask.resize(size, Image.Resampling.NEAREST))
