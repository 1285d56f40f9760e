"""Trains the autoencoder whose latents everything else is drawn in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor
from torch.nn import functional

from counterfactory.diffusion.trainers import AutoencoderTrainer
from counterfactory.keys import seed_for
from counterfactory.training.arrays import kept_pictures
from counterfactory.training.checkpoint import Progress
from counterfactory.training.fitting import Lesson, Rows, learn
from counterfactory.training.grid import save_grid
from counterfactory.training.pictures import to_tensor
from counterfactory.training.quality import note_quality
from counterfactory.training.saving import save_half
from counterfactory.training.team import Team, together
from counterfactory.types import Dataset
from counterfactory.worker import Worker

NOISE = 0.03  # on the latents, so that what a diffusion model leaves undone does no harm
BOUND = 2.5  # latents beyond this are pulled back: the decoder cuts off at 3
SHOWN = 16  # pictures in the grid
ASKED = 64  # pictures that the quality is measured on


def trained(
    trainer: AutoencoderTrainer, worker: Worker, folder: Path, datasets: Mapping[str, Dataset]
) -> Mapping[str, Any]:
    """Trains to the end of the budget and keeps the state, from which a call with a larger budget goes on."""
    pictures = kept_pictures(worker, datasets["train"], trainer.size)
    asked = kept_pictures(worker, datasets.get("validation", datasets["train"]), trainer.size)
    task = Task(trainer=trainer, worker=worker, folder=folder, pictures=pictures, asked=asked)
    return together(task, trainer.schedule.processes)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What each process of a training does: a value that travels."""

    trainer: AutoencoderTrainer
    worker: Worker
    folder: Path
    pictures: Path
    asked: Path

    def __call__(self, team: Team) -> dict[str, Any]:
        pixels = np.load(self.pictures, mmap_mode="r")
        asked = to_tensor(np.load(self.asked, mmap_mode="r")[:ASKED]).to(self.worker.device)
        lesson = Lesson(
            module=build(self.trainer),
            length=len(pixels),
            loss=lambda module, rows, generator: _loss(
                module, _crops(pixels, rows, self.trainer, generator), generator
            ),
            show=lambda average, progress: _show(average, progress, asked, self.folder),
        )
        return learn(lesson, self.trainer.schedule, self.worker, self.folder, team)


def build(trainer: AutoencoderTrainer) -> Any:
    """A network whose first weights follow from the seed alone."""
    levels = len(trainer.channels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("autoencoder", trainer.schedule.seed))
        network: Any = AutoencoderTiny  # untyped in diffusers
        return network(
            encoder_block_out_channels=trainer.channels,
            decoder_block_out_channels=trainer.channels,
            num_encoder_blocks=(*[1] * (levels - 1), 2),
            num_decoder_blocks=(2, *[1] * (levels - 1)),
            latent_channels=trainer.latent_channels,
            upsampling_scaling_factor=2,
        ).to(memory_format=torch.channels_last)


@torch.no_grad()
def psnr(module: Any, x_BCHW: Tensor) -> float:
    """The mean peak signal-to-noise ratio of pictures that went through the autoencoder, in dB."""
    error = ((_decoded(module, x_BCHW) - x_BCHW) / 2).pow(2).mean((1, 2, 3))
    return float((-10 * error.log10()).mean())


@torch.no_grad()
def save(module: Any, x_BCHW: Tensor, folder: Path) -> float:
    """Writes the autoencoder in half precision; its scaling factor makes latents of such pictures unit-sized."""
    scale = round(1 / float(module.encode(x_BCHW).latents.pow(2).mean().sqrt()), 4)
    module.register_to_config(scaling_factor=scale)
    save_half(module, folder)
    return scale


def _crops(pixels: np.ndarray, rows: Rows, trainer: AutoencoderTrainer, generator: torch.Generator) -> Tensor:
    """A part of each picture, the same part of all, which lies on the grid of the latents; half of them mirrored."""
    factor = 2 ** (len(trainer.channels) - 1)
    room = (trainer.size - trainer.crop) // factor + 1
    down, right, mirrored = torch.randint(0, room * 2, (3,), generator=generator, device=generator.device).tolist()
    top, left = down % room * factor, right % room * factor
    x_BCHW = to_tensor(pixels[rows, top : top + trainer.crop, left : left + trainer.crop]).to(generator.device)
    return x_BCHW.flip(3) if mirrored % 2 else x_BCHW


def _loss(module: Any, x_BCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Absolute, squared and edge errors of what comes back through slightly noisy latents."""
    z_BCHW = module.encode(x_BCHW).latents.float()
    noise = torch.randn(z_BCHW.shape, generator=generator, device=z_BCHW.device)
    y_BCHW = module.decode(z_BCHW + NOISE * noise).sample.float()
    edges = sum((a - b).abs().mean() for a, b in zip(_edges(y_BCHW), _edges(x_BCHW), strict=True))
    far = functional.relu(z_BCHW.abs() - BOUND).mean()
    loss: Tensor = (y_BCHW - x_BCHW).abs().mean() + 2 * functional.mse_loss(y_BCHW, x_BCHW) + 0.5 * edges + 1e-3 * far
    return loss


def _edges(x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    return x_BCHW[..., 1:, :] - x_BCHW[..., :-1, :], x_BCHW[..., :, 1:] - x_BCHW[..., :, :-1]


def _decoded(module: Any, x_BCHW: Tensor) -> Tensor:
    parts = [module.decode(module.encode(x).latents).sample for x in torch.split(x_BCHW, 32)]
    return torch.cat(parts).float().clamp(-1, 1)


@torch.no_grad()
def _show(module: Any, progress: Progress, asked: Tensor, folder: Path) -> dict[str, Any]:
    """Writes the weights, pictures for a person and how good they are; the folder is usable from the first time on."""
    numbers = {"images": progress.images, "psnr": psnr(module, asked), "scaling_factor": save(module, asked, folder)}
    some = asked[:SHOWN]
    save_grid(torch.cat([some, _decoded(module, some)]), SHOWN // 2, folder / "training" / "grid.png")
    note_quality(folder, numbers)
    return numbers
