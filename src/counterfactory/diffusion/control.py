"""Trains a ControlNet: drawings of a frozen text-to-image model learn to follow edges or masks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel
from torch import Tensor

from counterfactory.diffusion.controls import from_bytes, mask_colours, soft_edges
from counterfactory.diffusion.drawing import Parts, draw, size_factor
from counterfactory.diffusion.foundation import Base, Material, kept_material, open_base
from counterfactory.diffusion.latent import GUIDANCE, SHOWN, STEPS
from counterfactory.diffusion.seeing import see
from counterfactory.diffusion.trainers import ControlTrainer
from counterfactory.errors import BadConfig, BadData
from counterfactory.keys import dataset_key, seed_for
from counterfactory.training.arrays import array_path, kept_pictures, kept_rows
from counterfactory.training.checkpoint import Progress
from counterfactory.training.fitting import Lesson, Rows, learn
from counterfactory.training.grid import save_grid
from counterfactory.training.quality import Opinion, no_opinion, note_quality
from counterfactory.training.saving import save_half
from counterfactory.training.team import Team, together
from counterfactory.types import Control, Dataset, Request, Sample
from counterfactory.worker import Worker

COLUMNS = 8  # of the grid: a layout, what is drawn on it, the next layout


def trained(
    trainer: ControlTrainer,
    worker: Worker,
    folder: Path,
    datasets: Mapping[str, Dataset],
    opinion: Opinion = no_opinion,
) -> Mapping[str, Any]:
    """Trains to the end of the budget and keeps the state, from which a call with a larger budget goes on."""
    dataset = datasets["train"]
    shown = datasets.get("validation", dataset).samples[:SHOWN]
    pictures = kept_controls(worker, dataset, trainer.control, trainer.size)
    material = kept_material(worker, dataset, trainer.base, trainer.size, folder / "training")
    asked = tuple(_request(trainer.control, sample, seed) for seed, sample in enumerate(shown))
    task = Task(
        trainer=trainer,
        worker=worker,
        folder=folder,
        material=material,
        pictures=pictures,
        asked=asked,
        opinion=opinion,
    )
    return together(task, trainer.schedule.processes)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What each process of a training does: a value that travels."""

    trainer: ControlTrainer
    worker: Worker
    folder: Path
    material: Material
    pictures: Path
    asked: tuple[Request, ...]
    opinion: Opinion

    def __call__(self, team: Team) -> dict[str, Any]:
        base = open_base(self.trainer.base, self.material, self.worker)
        data = Data(base=base, pictures=np.load(self.pictures, mmap_mode="r"), trainer=self.trainer)
        module: Any = build(self.trainer, base.parts)
        if self.worker.dtype == "float32":
            module.to(memory_format=torch.channels_last)

        def show(average: Any, progress: Progress) -> dict[str, Any]:
            return self._show(average, base.parts, progress)

        lesson = Lesson(module=module, length=len(data.pictures), loss=data.loss, show=show)
        return learn(lesson, self.trainer.schedule, self.worker, self.folder, team)

    def _show(self, module: Any, parts: Parts, progress: Progress) -> dict[str, Any]:
        """The folder is usable from the first checkpoint on; a person sees each layout and what is drawn on it."""
        save_half(module, self.folder)
        parts = replace(parts, controls={self.trainer.control: module})
        seen = see(parts, self.asked, self.worker.pixels)
        layouts = torch.stack([seen.controls[c.kind, c.image] for asked in self.asked for c in asked.controls])
        drawn = draw(parts, self.asked, STEPS, seen=seen)
        both = torch.stack([layouts.to(drawn) * 2 - 1, drawn], 1).flatten(0, 1)
        save_grid(both, COLUMNS, self.folder / "training" / "grid.png")
        numbers = {"images": progress.images, **self.opinion(drawn)}
        note_quality(self.folder, numbers)
        return numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """The frozen model's material, and what the layouts of its pictures are made from."""

    base: Base
    pictures: np.ndarray  # to find edges in, or masks in colours
    trainer: ControlTrainer

    def loss(self, module: Any, rows: Rows, generator: torch.Generator) -> Tensor:
        """How far the frozen model is off when the module adds what it makes of the layouts (Zhang et al. 2023)."""
        noised = self.base.noised(rows, self.trainer.unsaid, generator)
        down, middle = module(
            noised.latents,
            noised.times,
            encoder_hidden_states=noised.text,
            controlnet_cond=self._layouts(rows).to(noised.latents.device),
            return_dict=False,
        )
        predicted = self.base.parts.unet(
            noised.latents,
            noised.times,
            encoder_hidden_states=noised.text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
        return noised.loss(predicted)

    def _layouts(self, rows: Rows) -> Tensor:
        shown = from_bytes(self.pictures[rows])
        return soft_edges(shown) if self.trainer.control == "edges" else shown


def build(trainer: ControlTrainer, parts: Parts) -> Any:
    """A ControlNet that begins as the frozen network's own first half, without attention where none is asked for."""
    _check(trainer, parts)
    networks: Any = ControlNetModel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("control", trainer.schedule.seed))
        whole = networks.from_unet(parts.unet, conditioning_embedding_out_channels=trainer.hints)
        if trainer.attends is None:
            return whole.requires_grad_(True)
        kinds = ["CrossAttnDownBlock2D" if looks else "DownBlock2D" for looks in trainer.attends]
        module = networks.from_config(
            whole.config, down_block_types=kinds, mid_block_type="UNetMidBlock2D", _use_default_values=[]
        )
    known = whole.state_dict()
    module.load_state_dict({name: known[name] for name in module.state_dict()})
    return module


def kept_controls(worker: Worker, dataset: Dataset, control: str, size: int) -> Path:
    """The array (N, size, size, 3) that layouts are made from: pictures for edges, coloured masks for masks."""
    if control == "edges":
        return kept_pictures(worker, dataset, size)
    masks = [sample.mask for sample in dataset.samples if sample.mask]
    if len(masks) < len(dataset):
        raise BadData(f"{len(dataset) - len(masks)} of {len(dataset)} images have no mask; a layout cannot be learnt.")
    lies_in_blobs = any(mask.place.startswith("blob") for mask in masks)
    pixels = worker.pixels if lies_in_blobs else replace(worker.pixels, blobs=None)  # kept here and not there too
    path = array_path(worker, "masks", dataset_key(dataset), size)
    shape = (len(dataset), size, size, 3)
    return kept_rows(path, shape, np.uint8, lambda start, stop: mask_colours(masks[start:stop], pixels, (size, size)))


def _request(control: str, sample: Sample, seed: int) -> Request:
    """A drawing after a sample's words and layout."""
    layout = sample.mask if control == "masks" else sample.image
    controls = (Control(kind=control, image=layout),) if layout else ()
    return Request(prompt=sample.caption or "", seed=seed, guidance=GUIDANCE, controls=controls)


def _check(trainer: ControlTrainer, parts: Parts) -> None:
    factor, shrinks = size_factor(parts), 2 ** (len(trainer.hints) - 1)
    if shrinks != factor:
        raise BadConfig(
            f"hints: {len(trainer.hints)} numbers shrink a layout {shrinks} times, and {trainer.base} draws in latents "
            f"{factor} times smaller than its pictures; give {factor.bit_length()} of them."
        )
    levels = len(parts.unet.config.down_block_types)
    if trainer.attends is not None and len(trainer.attends) != levels:
        raise BadConfig(f"attends: {len(trainer.attends)} values for the {levels} levels of {trainer.base}.")
