"""What a drawing heeds besides its text: layouts through ControlNets, an image prompt through an IP-Adapter.

Every picture of a batch has its own layouts, its own image prompt and its own scales of both.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

from counterfactory.diffusion.prompts import Words
from counterfactory.diffusion.spelling import Saying
from counterfactory.errors import BadConfig, unknown
from counterfactory.types import Address, Control, Request

_followers: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What requests name, as networks take it: each is read and encoded once, whoever names it."""

    controls: Mapping[tuple[str, Address], Tensor] = field(default_factory=dict)  # (3, H, W) from 0 to 1
    image_prompts: Mapping[Address, Tensor] = field(default_factory=dict)  # what the image encoder says, (D,)
    texts: Mapping[Saying, Words] = field(default_factory=dict)  # those that are not here are read when they are needed


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """One ControlNet with a layout and a scale for each row of a batch."""

    network: Any
    hints: Tensor  # (B, C, h, w): the layouts as the network has read them, which need not be done at every step
    scales: Tensor  # (B, 1, 1, 1)
    skipped: int = 0  # first rows of the batch that follow no layout: the network need not look at them


def layouts(networks: Mapping[str, Any], requests: Sequence[Request], seen: Seen, halves: int = 2) -> list[Layout]:
    """One for each kind of control that any of the requests names; who does not name it has it at scale 0."""
    kinds = sorted({control.kind for request in requests for control in request.controls})
    return [_layout(_network(networks, kind), kind, requests, seen, halves) for kind in kinds]


def residuals(parts: Sequence[Layout], noisy: Tensor, time: Tensor, said: Mapping[str, Any]) -> dict[str, Any]:
    """What layouts add inside of the denoising network, as its own arguments; `said` is what both listen to."""
    if not parts:
        return {}
    each = [_residuals(part, noisy, time, said) for part in parts]
    down = [torch.stack(same).sum(0) for same in zip(*(levels for levels, _ in each), strict=True)]
    return {
        "down_block_additional_residuals": down,
        "mid_block_additional_residual": torch.stack([middle for _, middle in each]).sum(0),
    }


def image_prompts(unet: Any, requests: Sequence[Request], seen: Seen, halves: int = 2) -> dict[str, Any]:
    """Image prompts for the negative half of a batch, where it is drawn, and the positive, as `added_cond_kwargs`."""
    if unet.config.encoder_hid_dim_type != "ip_image_proj":
        if any(request.image_prompt for request in requests):
            raise BadConfig("image_prompt: this model has no IP-Adapter loaded that could look at it.")
        return {}
    blank = torch.zeros(unet.encoder_hid_proj.projection.image_embeds.in_features)
    named = [seen.image_prompts[r.image_prompt] if r.image_prompt else blank for r in requests]
    positive = torch.stack([embedding.to(unet.device, unet.dtype) for embedding in named])
    scales = positive.new_tensor([r.image_prompt_scale if r.image_prompt else 0.0 for r in requests])
    # the negative half sees nothing, at the same scale: so diffusers has it
    both = positive if halves == 1 else torch.cat([torch.zeros_like(positive), positive])
    return {"image_embeds": (both, scales.repeat(halves))}


def _network(networks: Mapping[str, Any], kind: str) -> Any:
    if kind not in networks:
        raise unknown("control", kind, networks)
    return networks[kind]


def _layout(network: Any, kind: str, requests: Sequence[Request], seen: Seen, halves: int) -> Layout:
    """The layout of each request, for each half of a batch; each different one is read once."""
    named = [_control(request, kind) for request in requests]
    shown = {control.image: seen.controls[kind, control.image] for control in named if control}
    places = {address: place for place, address in enumerate(shown)}
    pictures = torch.stack([*shown.values(), torch.zeros_like(next(iter(shown.values())))])
    read = network.controlnet_cond_embedding(pictures.to(network.device, network.dtype))
    hints = read[[places[control.image] if control else len(shown) for control in named]]
    scales = hints.new_tensor([control.scale if control else 0.0 for control in named])
    unasked = hints.new_tensor([0.0 if control is None or control.guided else control.scale for control in named])
    skips = halves == 2 and not unasked.any()
    both = scales if halves == 1 or skips else torch.cat([unasked, scales])
    return Layout(
        network=follower(network),
        hints=hints if skips else hints.repeat(halves, 1, 1, 1),
        scales=both[:, None, None, None],
        skipped=len(named) if skips else 0,
    )


def follower(network: Any) -> Any:
    """A ControlNet with the same weights, not copied, that takes layouts as they are once they were read."""
    if network not in _followers:
        shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
        cut = copy.deepcopy(network, shared)
        cut.controlnet_cond_embedding = nn.Identity()
        _followers[network] = cut
    return _followers[network]


def _control(request: Request, kind: str) -> Control | None:
    same = [control for control in request.controls if control.kind == kind]
    if len(same) > 1:
        raise BadConfig(f"controls: an image follows one layout of a kind, not {len(same)} of the kind {kind!r}.")
    return same[0] if same else None


def _residuals(part: Layout, noisy: Tensor, time: Tensor, said: Mapping[str, Any]) -> tuple[list[Tensor], Tensor]:
    heard = {name: _rows(each, part.skipped) for name, each in said.items()}
    added = part.network(noisy[part.skipped :], time, controlnet_cond=part.hints, **heard)
    levels = (*added.down_block_res_samples, added.mid_block_res_sample)
    *down, middle = (functional.pad(level * part.scales, (0, 0) * 3 + (part.skipped, 0)) for level in levels)
    return down, middle


def _rows(said: Any, skipped: int) -> Any:
    """What is said to a batch, without its first rows."""
    if isinstance(said, Mapping):
        return {name: _rows(each, skipped) for name, each in said.items()}
    if isinstance(said, tuple):
        return tuple(_rows(each, skipped) for each in said)
    return said[skipped:]
