"""Reads the pictures that requests name, and gives a pipeline the networks that look at them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterfactory.diffusion.adapters import load_adapter
from counterfactory.diffusion.attention import prompted
from counterfactory.diffusion.conditions import Seen
from counterfactory.diffusion.controls import control_pictures
from counterfactory.diffusion.drawing import Parts, picture_size
from counterfactory.diffusion.fits import refuse_other_network
from counterfactory.diffusion.image_encoder import ENCODER, embedded, load_image_encoder
from counterfactory.errors import BadConfig
from counterfactory.names import model_folder
from counterfactory.pixels import Pixels
from counterfactory.types import Address, Request


def with_controls(parts: Parts, names: Mapping[str, str]) -> Parts:
    """The parts and ControlNets (folders or hub ids by the kind of layout) on the same device."""
    from diffusers import ControlNetModel

    networks: Any = ControlNetModel
    unet = parts.unet
    loaded = {kind: networks.from_pretrained(model_folder(name), use_safetensors=True) for kind, name in names.items()}
    for kind, one in loaded.items():
        refuse_other_network(names[kind], unet.config, one.config)
    controls = {kind: one.to(unet.device, unet.dtype).eval().requires_grad_(False) for kind, one in loaded.items()}
    return replace(parts, controls={**parts.controls, **controls})


def with_image_prompts(parts: Parts, name: str) -> Parts:
    """The parts, where the denoising network listens to image prompts through an IP-Adapter (a folder or hub id)."""
    adapter = load_adapter(name, parts.unet)
    encoder = load_image_encoder(str(model_folder(name) / ENCODER), str(parts.unet.device))
    return replace(parts, unet=prompted(parts.unet, adapter), image_encoder=encoder)


def see(parts: Parts, requests: Sequence[Request], pixels: Pixels) -> Seen:
    """All layouts and image prompts that requests of one size name, each read and encoded once."""
    kinds = dict.fromkeys(control.kind for request in requests for control in request.controls)
    controls = {pair: one for kind in kinds for pair, one in _layouts(parts, kind, requests, pixels).items()}
    return Seen(controls=controls, image_prompts=_image_prompts(parts, requests, pixels))


def _layouts(parts: Parts, kind: str, requests: Sequence[Request], pixels: Pixels) -> dict[tuple[str, Address], Any]:
    sizes = {picture_size(parts, request) for request in requests}
    if len(sizes) > 1:
        raise BadConfig(f"size: pictures drawn together share one size, not {sorted(sizes)}.")
    named = list(dict.fromkeys(c.image for request in requests for c in request.controls if c.kind == kind))
    return {(kind, a): one for a, one in zip(named, control_pictures(kind, named, pixels, sizes.pop()), strict=True)}


def _image_prompts(parts: Parts, requests: Sequence[Request], pixels: Pixels) -> dict[Address, Any]:
    named = list(dict.fromkeys(r.image_prompt for r in requests if r.image_prompt))
    if not named or parts.image_encoder is None:
        return {}  # drawing says what is missing
    # pictures of any shape: each is prepared in its own, as its encoder wants it
    said = [embedded(parts.image_encoder, np.asarray(pixels.image(address))[None]) for address in named]
    return {address: one[0] for address, one in zip(named, said, strict=True)}
