"""Draws from a diffusion model of pixels that has learnt its variance. Each picture has its own source of noise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from counterfactory.diffusion.flags import kept_flags
from counterfactory.diffusion.gaussian import (
    Chain,
    alpha_bars,
    at,
    chain,
    clean_of,
    log_variance,
    noise_of,
    posterior_mean,
)
from counterfactory.diffusion.respacing import spaced
from counterfactory.errors import BadConfig
from counterfactory.names import model_folder
from counterfactory.training.loading import loading


@dataclass(frozen=True, kw_only=True, eq=False)
class Denoiser:
    """A network that tells noise and variance, how noise was laid on when it learnt, and what it draws."""

    network: Any
    power: Tensor  # alpha-bar at each time
    shape: tuple[int, int, int]  # of a picture
    device: str = "cpu"
    dtype: torch.dtype = torch.float32  # of the network; pictures between two steps have at least 32 bits
    spacing: str = ""  # the times that are visited unless someone says; all of them

    @property
    def wide(self) -> torch.dtype:
        """The number format of everything but the network."""
        return torch.promote_types(self.dtype, torch.float32)

    def chain(self, steps: int | str | None = None) -> Chain:
        """So many steps from noise to picture, as many as it learnt or fewer; or as guided-diffusion spaces them."""
        visited = spaced(len(self.power), self.spacing if steps is None else steps)
        return chain(self.power, visited, self.device, self.wide)


@dataclass(frozen=True, kw_only=True, eq=False)
class Guess:
    """What a network makes of noisy pictures: the clean ones, and where those one step back lie."""

    clean: Tensor
    mean: Tensor
    log_variance: Tensor


def open_denoiser(name: str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Denoiser:
    """The denoiser in a `DDPMPipeline` folder or hub id."""
    from diffusers import DDPMScheduler

    from counterfactory.diffusion.pixel_network import open_network

    schedulers: Any = DDPMScheduler  # untyped in diffusers
    folder = model_folder(name)
    with loading(folder, "a diffusion model of pixels"):
        scheduler = schedulers.from_pretrained(str(folder), subfolder="scheduler")
        network = open_network(folder, dtype)
    _refuse_others(name, network.config, scheduler.config)
    flags = kept_flags(folder)
    opened = denoiser(network.to(device).eval().requires_grad_(False), scheduler, device, dtype)
    return replace(opened, spacing=flags.timestep_respacing) if flags else opened


def denoiser(network: Any, scheduler: Any, device: str, dtype: torch.dtype = torch.float32) -> Denoiser:
    """The denoiser that diffusers' own parts amount to."""
    height, width = _sides(network.config)
    return Denoiser(
        network=network,
        power=alpha_bars(scheduler.betas),
        shape=(network.config.in_channels, height, width),
        device=device,
        dtype=dtype,
    )


@torch.no_grad()
def draw(model: Denoiser, seeds: Sequence[int], steps: int) -> Tensor:
    """Pictures (B, C, H, W) from -1 to 1, each from its own seed, by so many random steps (DDPM, algorithm 2)."""
    links, sources = model.chain(steps), _sources(seeds)
    x_BCHW = fresh_noise(model, sources)
    for number in reversed(range(steps)):
        step_B = torch.full((len(seeds),), number, device=model.device)
        x_BCHW = step_back(guess(model, links, x_BCHW, step_B), fresh_noise(model, sources), step_B)
    return x_BCHW.clamp(-1, 1)


@torch.no_grad()
def draw_fast(model: Denoiser, seeds: Sequence[int], steps: int) -> Tensor:
    """The same by steps in which nothing is random but the beginning (DDIM, eq. 12 without noise)."""
    links = model.chain(steps)
    x_BCHW = fresh_noise(model, _sources(seeds))
    for number in reversed(range(steps)):
        step_B = torch.full((len(seeds),), number, device=model.device)
        clean_BCHW = guess(model, links, x_BCHW, step_B).clean
        x_BCHW = leap_back(links, x_BCHW, clean_BCHW, step_B)
    return x_BCHW.clamp(-1, 1)


def guess(model: Denoiser, links: Chain, x_BCHW: Tensor, step_B: Tensor) -> Guess:
    """What the network makes of noisy pictures; no clean pixel is beyond what a pixel can be."""
    said = model.network(x_BCHW.to(model.dtype), links.times[step_B]).sample
    noise, share = said.to(x_BCHW).chunk(2, 1)
    clean = clean_of(links, x_BCHW, noise, step_B).clamp(-1, 1)
    return Guess(
        clean=clean,
        mean=posterior_mean(links, x_BCHW, clean, step_B),
        log_variance=log_variance(links, share, step_B),
    )


def step_back(guessed: Guess, noise_BCHW: Tensor, step_B: Tensor) -> Tensor:
    """Pictures one step cleaner; the last step takes the mean (DDPM, algorithm 2)."""
    going_on = (step_B > 0).to(noise_BCHW)[:, None, None, None]
    return guessed.mean + going_on * (0.5 * guessed.log_variance).exp() * noise_BCHW


def leap_back(links: Chain, x_BCHW: Tensor, clean_BCHW: Tensor, step_B: Tensor) -> Tensor:
    """Pictures one step cleaner without new noise: what a clean picture has in them is what stays (DDIM, eq. 12)."""
    noise = noise_of(links, x_BCHW, clean_BCHW, step_B)
    earlier_B = (step_B - 1).clamp(min=0)
    nearer = at(links.signal, earlier_B) * clean_BCHW + at(links.noise, earlier_B) * noise
    return torch.where((step_B > 0)[:, None, None, None], nearer, clean_BCHW)


def fresh_noise(model: Denoiser, sources: Sequence[torch.Generator]) -> Tensor:
    """One picture of noise from each source, drawn on the processor so that every device draws alike."""
    drawn = [torch.randn(model.shape, generator=source) for source in sources]
    return torch.stack(drawn).to(model.device, model.wide)


def _sources(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _sides(network: Any) -> list[int]:
    """Height and width of a network's pictures."""
    size = network.sample_size
    return [size, size] if isinstance(size, int) else list(size or [])


def _refuse_others(name: str, network: Any, scheduler: Any) -> None:
    """This part draws from one family of models, and says so of another."""
    if network.num_class_embeds:
        raise BadConfig(
            f"{name} was trained with {network.num_class_embeds} classes (class_cond) and draws nothing without one; "
            "explanations take a model that was trained without."
        )
    if network.in_channels != 3:
        raise BadConfig(f"{name} draws pictures of {network.in_channels} channels; expected colours, which are 3.")
    least, sides = 2 ** (len(network.block_out_channels) - 1), _sides(network)
    if len(sides) != 2 or any(side % least for side in sides):
        raise BadConfig(
            f"{name} says {network.sample_size} for the size of its pictures (`sample_size` in unet/config.json); "
            f"expected a side, or height and width, that its levels halve evenly: multiples of {least}."
        )
    seen = (network.out_channels == 2 * network.in_channels, scheduler.variance_type, scheduler.prediction_type)
    if seen != (True, "learned_range", "epsilon"):
        raise BadConfig(
            f"{name}: a network with {network.in_channels} channels in and {network.out_channels} out, variance "
            f"{scheduler.variance_type!r} and prediction {scheduler.prediction_type!r}; expected twice as many out "
            "as in, 'learned_range' and 'epsilon', as guided-diffusion trains them."
        )
