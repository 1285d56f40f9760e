"""The denoising network of Dhariwal & Nichol (2021), written plainly from its description; named as checkpoints are.

It knows nothing of diffusers and nothing of the package: a second opinion on what a converted network must say.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the published command line says of a network."""

    size: int = 16
    width: int = 32
    mult: tuple[int, ...] = (1, 2)
    layers: int = 1
    looks_at: tuple[int, ...] = (8,)
    heads: int = -1
    head_width: int = -1
    scale_shift: bool = True
    updown: bool = True
    classes: int = 0
    learns_variance: bool = True
    new_order: bool = False
    time_scale: float = 1.0

    def flags(self, *, times: int = 500, noising: str = "linear", respacing: str = "") -> str:
        """The same as a person would type it."""
        said = {
            "image_size": self.size, "num_channels": self.width, "channel_mult": ",".join(map(str, self.mult)),
            "num_res_blocks": self.layers, "attention_resolutions": ",".join(map(str, self.looks_at)),
            "num_heads": self.heads, "num_head_channels": self.head_width,
            "use_scale_shift_norm": self.scale_shift, "resblock_updown": self.updown,
            "class_cond": self.classes > 0, "learn_sigma": self.learns_variance,
            "use_new_attention_order": self.new_order, "rescale_timesteps": self.time_scale != 1,
            "diffusion_steps": times, "noise_schedule": noising,
        }  # fmt: skip
        words = " ".join(f"--{name} {value}" for name, value in said.items() if value != -1)
        return f"{words} --timestep_respacing {respacing}" if respacing else words


class Block(nn.Module):
    """A residual block that hears the time, and may halve or double the picture."""

    def __init__(self, shape: Shape, before: int, after: int, resize: str = "") -> None:
        super().__init__()
        self.resize, self.scale_shift = resize, shape.scale_shift
        self.in_layers = nn.Sequential(nn.GroupNorm(32, before), nn.SiLU(), nn.Conv2d(before, after, 3, padding=1))
        said = 2 * after if shape.scale_shift else after
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(4 * shape.width, said))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(32, after), nn.SiLU(), nn.Dropout(0), nn.Conv2d(after, after, 3, padding=1)
        )
        self.skip_connection = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        norm, activation, convolution = self.in_layers
        inner = convolution(resized(activation(norm(x)), self.resize))
        told = self.emb_layers(time)[:, :, None, None]
        norm, *rest = self.out_layers
        if self.scale_shift:
            scale, shift = told.chunk(2, 1)
            inner = norm(inner) * (1 + scale) + shift
        else:
            inner = norm(inner + told)
        for layer in rest:
            inner = layer(inner)
        return self.skip_connection(resized(x, self.resize)) + inner


def resized(x: Tensor, way: str) -> Tensor:
    if way == "down":
        return functional.avg_pool2d(x, 2)
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3) if way == "up" else x


class Looking(nn.Module):
    """Every pixel looks at every other, through several heads; one head after the other, by the definition."""

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.heads = shape.heads if shape.heads > 0 else width // shape.head_width
        self.new_order = shape.new_order
        self.norm = nn.GroupNorm(32, width)
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.proj_out = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor, _time: Tensor) -> Tensor:
        flat = x.flatten(2)
        rows = self.qkv(self.norm(flat))
        width = x.shape[1] // self.heads
        seen = []
        for head in range(self.heads):
            if self.new_order:
                starts = [third * x.shape[1] + head * width for third in range(3)]
            else:
                starts = [(3 * head + third) * width for third in range(3)]
            query, key, value = (rows[:, start : start + width] for start in starts)
            weights = (query.transpose(1, 2) @ key / math.sqrt(width)).softmax(2)
            seen.append(value @ weights.transpose(1, 2))
        return (flat + self.proj_out(torch.cat(seen, 1))).view_as(x)


class Halved(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor, _time: Tensor) -> Tensor:
        return self.op(x)


class Doubled(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, _time: Tensor) -> Tensor:
        return self.conv(resized(x, "up"))


class First(nn.Conv2d):
    def forward(self, x: Tensor, _time: Tensor) -> Tensor:
        return super().forward(x)


class Reference(nn.Module):
    """Down through the levels, a middle, and up again with what each step down has left."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.time_embed = nn.Sequential(
            nn.Linear(shape.width, 4 * shape.width), nn.SiLU(), nn.Linear(4 * shape.width, 4 * shape.width)
        )
        if shape.classes:
            self.label_emb = nn.Embedding(shape.classes, 4 * shape.width)
        left = [shape.width]
        self.input_blocks = nn.ModuleList([nn.ModuleList([First(3, shape.width, 3, padding=1)]), *self._down(left)])
        deep = left[-1]
        self.middle_block = nn.ModuleList([Block(shape, deep, deep), Looking(shape, deep), Block(shape, deep, deep)])
        self.output_blocks = nn.ModuleList(self._up(left))
        said = 6 if shape.learns_variance else 3
        self.out = nn.Sequential(nn.GroupNorm(32, shape.width), nn.SiLU(), nn.Conv2d(shape.width, said, 3, padding=1))

    def _down(self, left: list[int]) -> Iterator[nn.ModuleList]:
        shape, width = self.shape, self.shape.width
        for level, factor in enumerate(shape.mult):
            for _ in range(shape.layers):
                here = [Block(shape, width, factor * shape.width)]
                width = factor * shape.width
                here += [Looking(shape, width)] if shape.size // 2**level in shape.looks_at else []
                left.append(width)
                yield nn.ModuleList(here)
            if level + 1 < len(shape.mult):
                left.append(width)
                yield nn.ModuleList([Block(shape, width, width, "down") if shape.updown else Halved(width)])

    def _up(self, left: list[int]) -> Iterator[nn.ModuleList]:
        shape, width, waiting = self.shape, left[-1], list(left)
        for level, factor in reversed(list(enumerate(shape.mult))):
            for turn in range(shape.layers + 1):
                here = [Block(shape, width + waiting.pop(), factor * shape.width)]
                width = factor * shape.width
                here += [Looking(shape, width)] if shape.size // 2**level in shape.looks_at else []
                if level and turn == shape.layers:
                    here.append(Block(shape, width, width, "up") if shape.updown else Doubled(width))
                yield nn.ModuleList(here)

    def forward(self, x: Tensor, times: Tensor, labels: Tensor | None = None) -> Tensor:
        told = self.time_embed(waves(times.float() * self.shape.time_scale, self.shape.width).to(x.dtype))
        if labels is not None:
            told = told + self.label_emb(labels)
        left = []
        for block in self.input_blocks:
            x = through(block, x, told)
            left.append(x)
        x = through(self.middle_block, x, told)
        for block in self.output_blocks:
            x = through(block, torch.cat([x, left.pop()], 1), told)
        return self.out(x)


def through(parts: nn.ModuleList, x: Tensor, told: Tensor) -> Tensor:
    for part in parts:
        x = part(x, told)
    return x


def waves(times: Tensor, width: int) -> Tensor:
    """Cosines and sines of the times, from fast to slow, in single precision as published."""
    half = width // 2
    angles = times[:, None] * torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
    return torch.cat([angles.cos(), angles.sin()], 1)


@cache
def reference(shape: Shape, seed: int = 0, dtype: torch.dtype = torch.float32) -> Reference:
    """A network with random numbers everywhere: no layer is without effect, as fresh ones would be."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Reference(shape).to(dtype)
        for name, parameter in network.named_parameters():
            is_norm = parameter.ndim == 1 and name.endswith("weight")
            scale = 0.2 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
            nn.init.normal_(parameter, 1.0 if is_norm else 0.0, scale)
    return network.eval().requires_grad_(False)
