"""Draws pictures with the parts of a Stable-Diffusion-shaped pipeline: the loop that every engine here runs.

Each picture has its own generator, guidance, layouts and image prompt, so it is the same whatever it is drawn beside.
Guidance is classifier-free (Ho & Salimans 2022) at any value: 1 is the prompt alone and 0 the negative prompt alone.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from counterfactory.diffusion.conditions import Seen, image_prompts, layouts, residuals
from counterfactory.diffusion.fits import opening
from counterfactory.diffusion.latents import decode, encode
from counterfactory.errors import BadConfig
from counterfactory.names import model_folder
from counterfactory.training.tokenizer import tokens
from counterfactory.types import Request

Predictor = Callable[[Tensor, Tensor], Tensor]  # latents and a time to what the scheduler takes


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What draws: networks on one device, and the scheduler whose settings count and whose state does not."""

    unet: Any
    autoencoder: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any
    controls: Mapping[str, Any] = field(default_factory=dict)  # ControlNets by the kind of layout that they follow
    image_encoder: Any = None  # where the denoising network listens to image prompts


def open_parts(name: str, device: str, dtype: torch.dtype = torch.float32) -> Parts:
    """The parts of a pipeline folder or hub id."""
    from diffusers import StableDiffusionPipeline

    pipelines: Any = StableDiffusionPipeline
    folder = model_folder(name)
    with opening(folder):
        pipeline = pipelines.from_pretrained(
            folder, use_safetensors=True, safety_checker=None, requires_safety_checker=False
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
def draw(
    parts: Parts,
    requests: Sequence[Request],
    steps: int,
    sources: Tensor | None = None,
    seen: Seen | None = None,
) -> Tensor:
    """Pictures (B, 3, H, W) from -1 to 1; with `sources`, what their one common strength makes of these pictures.

    `seen` holds the layouts and image prompts that the requests name: `seeing.see` reads them.
    """
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
    predict = _predictor(parts, scheduler, requests, seen or Seen())
    return decode(parts.autoencoder, _denoised(predict, scheduler, z_BCHW, times, generators))


def _predictor(parts: Parts, scheduler: Any, requests: Sequence[Request], seen: Seen) -> Predictor:
    """The guided prediction of latents at a time, with all that the requests ask to be heeded."""
    texts = _encoded(parts, [r.negative_prompt for r in requests] + [r.prompt for r in requests])
    guidance = texts.new_tensor([request.guidance for request in requests])[:, None, None, None]
    asked, prompts = layouts(parts.controls, requests, seen), image_prompts(parts.unet, requests, seen)

    def predict(z_BCHW: Tensor, time: Tensor) -> Tensor:
        twice = scheduler.scale_model_input(torch.cat([z_BCHW, z_BCHW]), time)
        added = residuals(asked, twice, time, texts)
        said = parts.unet(twice, time, encoder_hidden_states=texts, **added, **prompts).sample
        without, with_prompt = said.chunk(2)
        guided: Tensor = without + guidance * (with_prompt - without)
        return guided

    return predict


def _denoised(
    predict: Predictor, scheduler: Any, z_BCHW: Tensor, times: Tensor, generators: Sequence[torch.Generator]
) -> Tensor:
    """Latents without their noise, step by step."""
    takes_generators = "generator" in inspect.signature(scheduler.step).parameters
    own = {"generator": list(generators)} if takes_generators else {}
    for time in times:
        z_BCHW = scheduler.step(predict(z_BCHW, time), time, z_BCHW, **own).prev_sample
    return z_BCHW


def picture_size(parts: Parts, request: Request) -> tuple[int, int]:
    """Width and height of a requested picture: the model's own unless the request says otherwise."""
    factor = size_factor(parts)
    width, height = request.size or (parts.unet.config.sample_size * factor,) * 2
    if width % factor or height % factor:
        raise BadConfig(f"size: {width} x {height} is not a multiple of {factor} pixels, which this model works in.")
    return width, height


def size_factor(parts: Parts) -> int:
    """How many times smaller latents are than pictures."""
    levels = len(parts.autoencoder.config.block_out_channels)
    return int(2 ** (levels - 1))


def _noise(parts: Parts, request: Request, generator: torch.Generator) -> Tensor:
    """A picture's own noise (1, C, h, w), drawn on the processor so that every device begins alike."""
    factor, (width, height) = size_factor(parts), picture_size(parts, request)
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
