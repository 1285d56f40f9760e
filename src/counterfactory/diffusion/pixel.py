"""Trains an unconditional diffusion model of pixels that learns its variance (Nichol & Dhariwal 2021)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMPipeline
from torch import Tensor

from counterfactory.diffusion.gaussian import (
    Chain,
    alpha_bars,
    chain,
    cosine_betas,
    hybrid_loss,
    linear_betas,
    noised,
)
from counterfactory.diffusion.pixel_network import unet
from counterfactory.diffusion.sampling import denoiser, draw_fast, open_denoiser
from counterfactory.diffusion.schedulers import noising_scheduler
from counterfactory.diffusion.trainers import ClassPixelTrainer, PixelTrainer
from counterfactory.errors import BadConfig
from counterfactory.keys import seed_for
from counterfactory.training.arrays import kept_pictures
from counterfactory.training.checkpoint import Progress
from counterfactory.training.fitting import Lesson, Rows, learn
from counterfactory.training.grid import save_grid
from counterfactory.training.pictures import to_tensor
from counterfactory.training.quality import Opinion, no_opinion, note_quality
from counterfactory.training.saving import save_half
from counterfactory.training.team import Team, together
from counterfactory.types import Dataset
from counterfactory.worker import Worker

SHOWN, STEPS = 24, 20  # pictures in the grid, and the steps that they are drawn in
ASKED = 64  # pictures that the errors are measured on


def trained(
    trainer: PixelTrainer,
    worker: Worker,
    folder: Path,
    datasets: Mapping[str, Dataset],
    opinion: Opinion = no_opinion,
) -> Mapping[str, Any]:
    """Trains to the end of the budget and keeps the state, from which a call with a larger budget goes on."""
    size = trainer.size * trainer.shrink
    pictures = kept_pictures(worker, datasets["train"], size)
    asked = kept_pictures(worker, datasets.get("validation", datasets["train"]), size)
    task = Task(trainer=trainer, worker=worker, folder=folder, pictures=pictures, asked=asked, opinion=opinion)
    return together(task, trainer.schedule.processes)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What each process of a training does: a value that travels."""

    trainer: PixelTrainer
    worker: Worker
    folder: Path
    pictures: Path
    asked: Path
    opinion: Opinion

    def __call__(self, team: Team) -> dict[str, Any]:
        device = self.worker.device
        pixels = np.load(self.pictures, mmap_mode="r")
        asked = to_tensor(shrunk(spread(np.load(self.asked, mmap_mode="r")), self.trainer.shrink)).to(device)
        links = training_chain(self.trainer, device)
        module, weights = build(self.trainer), weights_of(self.trainer, links)
        if self.worker.dtype == "float32":
            module.to(memory_format=torch.channels_last)  # a tenth to a fifth faster; in bfloat16 slower

        def loss(network: Any, rows: Rows, generator: torch.Generator) -> Tensor:
            x_BCHW = to_tensor(shrunk(pixels[rows], self.trainer.shrink)).to(device)
            error_B, bound_B = errors(network, links, x_BCHW, generator, weights, self.trainer.bound_weight)
            return (error_B + bound_B).mean()

        def show(average: Any, progress: Progress) -> dict[str, Any]:
            return self._show(average, {"images": progress.images, **measured(average, links, asked)})

        lesson = Lesson(module=module, length=len(pixels), loss=loss, show=show)
        return learn(lesson, self.trainer.schedule, self.worker, self.folder, team)

    def _show(self, network: Any, errors: Mapping[str, float]) -> dict[str, Any]:
        """Writes the weights, pictures for a person and how good they are; the folder is usable from then on."""
        noising = scheduler(self.trainer)
        save(network, noising, self.folder)
        model = denoiser(network, noising, str(network.device))
        drawn = draw_fast(model, range(SHOWN), min(STEPS, self.trainer.times))
        save_grid(drawn, 8, self.folder / "training" / "grid.png")
        numbers = {**errors, **self.opinion(drawn)}
        note_quality(self.folder, numbers)
        return numbers


def build(trainer: PixelTrainer) -> Any:
    """A network whose first weights are its start's or follow from the seed: half of what it says is noise."""
    network = network_of(trainer)
    if trainer.start:
        known = open_denoiser(trainer.start).network
        if _shapes(known) != _shapes(network):
            raise BadConfig(
                f"start: the denoiser of {trainer.start} has other shapes than `network` and `size` say; "
                "give those that it was trained with, or leave start out."
            )
        network.load_state_dict(known.state_dict())
    return network


def _shapes(network: Any) -> dict[str, str]:
    """What a network's folder says of it; a list that was a tuple before it was written is no other shape."""
    kept = {name: value for name, value in network.config.items() if not name.startswith("_")}
    return {name: str(tuple(value) if isinstance(value, list) else value) for name, value in kept.items()}


def network_of(trainer: PixelTrainer | ClassPixelTrainer, **more: int) -> Any:
    """A trainer's network with what is not the same in all of them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("pixel", trainer.schedule.seed))
        return unet(trainer.network, trainer.size, **more)


def scheduler(trainer: PixelTrainer) -> Any:
    """How noise was laid on, as diffusers says it; its steps are spaced as guided-diffusion spaces them."""
    return noising_scheduler(trainer.noising, trainer.times, variance_type="learned_range", timestep_spacing="linspace")


def training_chain(trainer: PixelTrainer, device: str) -> Chain:
    """All steps that are learnt."""
    betas = {"linear": linear_betas, "cosine": cosine_betas}[trainer.noising](trainer.times)
    return chain(alpha_bars(betas), range(trainer.times), device)


def spread(pictures: np.ndarray) -> np.ndarray:
    """Pictures from the first to the last, as many as errors are measured on: folders are read class after class."""
    rows = np.linspace(0, len(pictures) - 1, min(len(pictures), ASKED)).round().astype(int)
    chosen: np.ndarray = pictures[rows]
    return chosen


def shrunk(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Pictures (B, H, W, 3) whose every pixel is the mean of a square of them."""
    if factor == 1:
        return pixels
    count, height, width, channels = pixels.shape
    squares = pixels.reshape(count, height // factor, factor, width // factor, factor, channels)
    means: np.ndarray = squares.mean((2, 4)).round().astype(np.uint8)
    return means


def weights_of(trainer: PixelTrainer, links: Chain) -> Tensor:
    """How often an error of the noise counts at each time.

    As one of the velocity (Salimans & Ho 2022), 1 / alpha-bar times, where there is mostly noise, and in the measure
    in which signal over noise exceeds a bound less where there is mostly signal (Hang et al. 2023, eq. 8).
    """
    power = links.signal.square()
    signal = power / links.noise.square()
    seldom = (trainer.most_signal / signal).clamp(max=1) if trainer.most_signal else torch.ones_like(power)
    return seldom * power.reciprocal().clamp(max=trainer.weight_of_noise)


def errors(
    network: Any,
    links: Chain,
    x_BCHW: Tensor,
    generator: torch.Generator,
    weights: Tensor | None = None,
    bound_weight: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Of each picture, both parts of the hybrid loss at a time of its own; each time has its weight."""
    step_B = spread_times(len(x_BCHW), len(links), generator)
    noise = torch.randn(x_BCHW.shape, generator=generator, device=x_BCHW.device)
    output = network(noised(links, x_BCHW, noise, step_B), links.times[step_B]).sample.float()
    error_B, bound_B = hybrid_loss(links, output, x_BCHW, noise, step_B, bound_weight)
    return error_B if weights is None else error_B * weights[step_B], bound_B


def spread_times(count: int, times: int, generator: torch.Generator) -> Tensor:
    """A time for each picture of a batch: each as likely as any other, all together some of every part.

    As in Kingma et al. 2021, appendix I.1.
    """
    within = torch.rand(count, generator=generator, device=generator.device)
    parts = torch.arange(count, device=generator.device) + within
    return (parts * (times / count)).long().clamp(max=times - 1)


@torch.no_grad()
def measured(network: Any, links: Chain, x_BCHW: Tensor) -> dict[str, float]:
    """Both parts of the loss, with the same noise at every call."""
    error_B, bound_B = errors(network, links, x_BCHW, torch.Generator(x_BCHW.device).manual_seed(0))
    return {"noise_error": round(float(error_B.mean()), 6), "bound": round(float(bound_B.mean()), 6)}


def save(network: Any, noising: Any, folder: Path) -> None:
    """Writes the folder of a `DDPMPipeline` in half precision."""
    pipelines: Any = DDPMPipeline
    folder.mkdir(parents=True, exist_ok=True)
    pipelines(unet=network, scheduler=noising).save_config(folder)
    save_half(network, folder / "unet")
    noising.save_pretrained(folder / "scheduler")
