"""Draws pictures with the parts of a Stable-Diffusion-shaped pipeline: the loop that every engine here runs.

Each picture has its own generator and its own guidance, so it is the same whatever it is drawn beside. Guidance is
classifier-free (Ho & Salimans 2022) at any value: 1 is the prompt alone and 0 the negative prompt alone.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from counterfactory.diffusion.latents import decode, encode
from counterfactory.errors import BadConfig
from counterfactory.names import model_folder
from counterfactory.training.tokenizer import tokens
from counterfactory.types import Request


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What draws: networks on one device, and the scheduler whose settings count and whose state does not."""

    unet: Any
    autoencoder: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any


def open_parts(name: str, device: str, dtype: torch.dtype = torch.float32) -> Parts:
    """The parts of a pipeline folder or hub id."""
    from diffusers import StableDiffusionPipeline

    pipelines: Any = StableDiffusionPipeline
    pipeline = pipelines.from_pretrained(
        model_folder(name), use_safetensors=True, safety_checker=None, requires_safety_checker=False
    )
    networks = [pipeline.unet, pipeline.vae, pipeline.text_encoder]
    unet, autoencoder, text_encoder = (n.to(device, dtype).eval().requires_grad_(False) for n in networks)
    return Parts(
        unet=unet,
        autoencoder=autoencoder,
        text_encoder=text_encoder,
        tokenizer=pipeline.tokenizer,
        scheduler=pipeline.scheduler,
    )


@torch.no_grad()
def draw(parts: Parts, requests: Sequence[Request], steps: int, sources: Tensor | None = None) -> Tensor:
    """Pictures (B, 3, H, W) from -1 to 1; with `sources`, what their one common strength makes of these pictures."""
    generators = [torch.Generator().manual_seed(request.seed) for request in requests]
    scheduler = type(parts.scheduler).from_config(parts.scheduler.config)
    scheduler.set_timesteps(steps, device=parts.unet.device)
    noise = torch.cat([_noise(parts, request, own) for request, own in zip(requests, generators, strict=True)])
    if sources is None:
        z_BCHW = noise * scheduler.init_noise_sigma
        times = scheduler.timesteps
    else:
        times = _last(scheduler, steps, requests)
        known = encode(parts.autoencoder, sources.to(noise)).to(noise)
        z_BCHW = scheduler.add_noise(known, noise, times[:1].repeat(len(requests))) if len(times) else known
    return decode(parts.autoencoder, _denoised(parts, scheduler, z_BCHW, times, requests, generators))


def _denoised(
    parts: Parts, scheduler: Any, z_BCHW: Tensor, times: Tensor, requests: Sequence[Request], generators: Sequence[Any]
) -> Tensor:
    """Latents without their noise, step by step."""
    texts = _encoded(parts, [r.negative_prompt for r in requests] + [r.prompt for r in requests])
    guidance = z_BCHW.new_tensor([request.guidance for request in requests])[:, None, None, None]
    takes_generators = "generator" in inspect.signature(scheduler.step).parameters
    own = {"generator": list(generators)} if takes_generators else {}
    for time in times:
        twice = scheduler.scale_model_input(torch.cat([z_BCHW, z_BCHW]), time)
        without, with_prompt = parts.unet(twice, time, encoder_hidden_states=texts).sample.chunk(2)
        guided = without + guidance * (with_prompt - without)
        z_BCHW = scheduler.step(guided, time, z_BCHW, **own).prev_sample
    return z_BCHW


def _noise(parts: Parts, request: Request, generator: torch.Generator) -> Tensor:
    """A picture's own noise (1, C, h, w), drawn on the processor so that every device begins alike."""
    factor = 2 ** (len(parts.autoencoder.config.block_out_channels) - 1)
    width, height = request.size or (parts.unet.config.sample_size * factor,) * 2
    if width % factor or height % factor:
        raise BadConfig(f"size: {width} x {height} is not a multiple of {factor} pixels, which this model works in.")
    shape = (1, parts.unet.config.in_channels, height // factor, width // factor)
    return torch.randn(shape, generator=generator).to(parts.unet.device, parts.unet.dtype)


def _last(scheduler: Any, steps: int, requests: Sequence[Request]) -> Tensor:
    """The times that are left when a drawing starts from a picture: all at strength 1, none at 0 (Meng et al. 2022)."""
    strengths = {request.strength for request in requests}
    strength = next(iter(strengths))
    if len(strengths) > 1 or strength is None or not 0 <= strength <= 1:
        raise BadConfig(
            f"strength: pictures drawn together share one strength from 0 to 1, not {sorted(map(str, strengths))}."
        )
    start = (steps - min(int(steps * strength), steps)) * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    times: Tensor = scheduler.timesteps[start:]
    return times


def _encoded(parts: Parts, texts: Sequence[str]) -> Tensor:
    """What the text encoder makes of texts; equal ones are encoded once."""
    different = list(dict.fromkeys(texts))
    numbers = tokens(parts.tokenizer, different).to(parts.text_encoder.device)
    encoded = parts.text_encoder(numbers)[0].to(parts.unet.dtype)
    chosen: Tensor = encoded[[different.index(text) for text in texts]]
    return chosen
