"""What a drawing heeds besides its text: layouts through ControlNets, an image prompt through an IP-Adapter.

Every picture of a batch has its own layouts, its own image prompt and its own scales of both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from counterfactory.errors import BadConfig, unknown
from counterfactory.types import Address, Control, Request


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """The pictures that requests name, as networks take them: each is read and encoded once, whoever names it."""

    controls: Mapping[tuple[str, Address], Tensor] = field(default_factory=dict)  # (3, H, W) from 0 to 1
    image_prompts: Mapping[Address, Tensor] = field(default_factory=dict)  # what the image encoder says, (D,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """One ControlNet with a layout and a scale for each row of a batch."""

    network: Any
    pictures: Tensor  # (B, 3, H, W)
    scales: Tensor  # (B, 1, 1, 1)


def layouts(networks: Mapping[str, Any], requests: Sequence[Request], seen: Seen) -> list[Layout]:
    """One for each kind of control that any of the requests names; who does not name it has it at scale 0."""
    kinds = sorted({control.kind for request in requests for control in request.controls})
    return [_layout(_network(networks, kind), kind, requests, seen) for kind in kinds]


def residuals(parts: Sequence[Layout], noisy: Tensor, time: Tensor, texts: Tensor) -> dict[str, Any]:
    """What layouts add inside of the denoising network, as its own arguments."""
    if not parts:
        return {}
    each = [_residuals(part, noisy, time, texts) for part in parts]
    down = [torch.stack(same).sum(0) for same in zip(*(levels for levels, _ in each), strict=True)]
    return {
        "down_block_additional_residuals": down,
        "mid_block_additional_residual": torch.stack([middle for _, middle in each]).sum(0),
    }


def image_prompts(unet: Any, requests: Sequence[Request], seen: Seen) -> dict[str, Any]:
    """Image prompts for the negative and then the positive half of a batch, as the denoising network's arguments."""
    if unet.config.encoder_hid_dim_type != "ip_image_proj":
        if any(request.image_prompt for request in requests):
            raise BadConfig("image_prompt: this model has no IP-Adapter loaded that could look at it.")
        return {}
    blank = torch.zeros(unet.encoder_hid_proj.projection.image_embeds.in_features)
    named = [seen.image_prompts[r.image_prompt] if r.image_prompt else blank for r in requests]
    positive = torch.stack([embedding.to(unet.device, unet.dtype) for embedding in named])
    scales = positive.new_tensor([r.image_prompt_scale if r.image_prompt else 0.0 for r in requests])
    # the negative half sees nothing, at the same scale: so diffusers has it
    both = torch.cat([torch.zeros_like(positive), positive])
    return {"added_cond_kwargs": {"image_embeds": (both, scales.repeat(2))}}


def _network(networks: Mapping[str, Any], kind: str) -> Any:
    if kind not in networks:
        raise unknown("control", kind, networks)
    return networks[kind]


def _layout(network: Any, kind: str, requests: Sequence[Request], seen: Seen) -> Layout:
    """The layout of each request, twice: for the negative and for the positive half of a batch."""
    named = [_control(request, kind) for request in requests]
    shown = {control.image: seen.controls[kind, control.image] for control in named if control}
    blank = torch.zeros_like(next(iter(shown.values())))
    pictures = torch.stack([shown[control.image] if control else blank for control in named])
    pictures = pictures.to(network.device, network.dtype)
    scales = pictures.new_tensor([control.scale if control else 0.0 for control in named])
    return Layout(network=network, pictures=pictures.repeat(2, 1, 1, 1), scales=scales.repeat(2)[:, None, None, None])


def _control(request: Request, kind: str) -> Control | None:
    same = [control for control in request.controls if control.kind == kind]
    if len(same) > 1:
        raise BadConfig(f"controls: an image follows one layout of a kind, not {len(same)} of the kind {kind!r}.")
    return same[0] if same else None


def _residuals(part: Layout, noisy: Tensor, time: Tensor, texts: Tensor) -> tuple[list[Tensor], Tensor]:
    said = part.network(noisy, time, encoder_hidden_states=texts, controlnet_cond=part.pictures)
    return [level * part.scales for level in said.down_block_res_samples], said.mid_block_res_sample * part.scales
