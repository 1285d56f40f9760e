"""The operations that RandAugment and TrivialAugment choose from, drawn image by image on whole batches."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import kornia
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

COLOURS = ("brightness", "colour", "contrast", "sharpness", "posterize", "solarize", "autocontrast", "equalize")
MOVES = ("shear x", "shear y", "shift x", "shift y", "turn")
OPERATIONS = ("nothing", *MOVES, *COLOURS)
GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """What an operation does at full strength."""

    shear: float
    shift: float  # as a share of half the side
    turn: float  # radians
    blend: float  # how far brightness, colour, contrast and sharpness leave 1
    bits: float  # that posterize takes away


RANDAUGMENT = Ranges(shear=0.3, shift=0.9, turn=math.radians(30), blend=0.9, bits=4)
TRIVIALAUGMENT = Ranges(shear=0.99, shift=1.0, turn=math.radians(135), blend=0.99, bits=6)


def randaugment(x_BCHW: Tensor, generator: np.random.Generator, count: int = 2, strength: float = 9 / 30) -> Tensor:
    """`count` operations one after the other, all at one strength."""
    for _ in range(count):
        chosen = generator.integers(0, len(OPERATIONS), len(x_BCHW))
        x_BCHW = operated(x_BCHW, chosen, strength * _signs(len(x_BCHW), generator), RANDAUGMENT)
    return x_BCHW


def trivialaugment(x_BCHW: Tensor, generator: np.random.Generator) -> Tensor:
    """One operation an image at one of 31 strengths."""
    chosen = generator.integers(0, len(OPERATIONS), len(x_BCHW))
    strengths = generator.integers(0, 31, len(x_BCHW)) / 30
    return operated(x_BCHW, chosen, strengths * _signs(len(x_BCHW), generator), TRIVIALAUGMENT)


def operated(x: Tensor, chosen: NDArray[np.int64], amounts: NDArray[np.float64], ranges: Ranges) -> Tensor:
    """Each image with its operation; an amount from -1 to 1 is a strength and a direction, where there are two."""
    x = _moved(x, chosen, amounts, ranges)
    for number in np.unique(chosen[chosen > len(MOVES)]):
        rows = np.flatnonzero(chosen == number)
        here = torch.from_numpy(rows).to(x.device)
        x[here] = _coloured(OPERATIONS[number], x[here], torch.from_numpy(amounts[rows]).to(x.device, x.dtype), ranges)
    return x


def _signs(count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    return np.where(generator.random(count) < 0.5, -1.0, 1.0)


def _moved(x: Tensor, chosen: NDArray[np.int64], amounts: NDArray[np.float64], ranges: Ranges) -> Tensor:
    """Sheared, shifted or turned, in one warp; what comes in from outside is grey."""
    rows = np.flatnonzero((chosen > 0) & (chosen <= len(MOVES)))
    x = x.clone()
    if not len(rows):
        return x
    matrix = np.stack([_window(OPERATIONS[chosen[row]], amounts[row], ranges) for row in rows])
    here = torch.from_numpy(rows).to(x.device)
    grid = functional.affine_grid(
        torch.from_numpy(matrix).to(x.device, x.dtype), list(x[here].shape), align_corners=False
    )
    x[here] = functional.grid_sample(x[here] - 0.5, grid, align_corners=False) + 0.5
    return x


def _window(name: str, amount: float, ranges: Ranges) -> NDArray[np.float64]:
    matrix = np.eye(2, 3)
    if name == "turn":
        angle = amount * ranges.turn
        matrix[:, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    else:
        row = 0 if name.endswith("x") else 1
        column, reach = (1 - row, ranges.shear) if name.startswith("shear") else (2, ranges.shift)
        matrix[row, column] = amount * reach
    return matrix


def _coloured(name: str, x: Tensor, amount: Tensor, ranges: Ranges) -> Tensor:
    """One colour operation on images of which each has its amount (B,)."""
    strength = amount.abs()
    if name == "posterize":
        return kornia.enhance.posterize(x, (8 - (strength * ranges.bits).round()).to(torch.int32))
    if name == "solarize":
        return torch.where(x >= (1 - strength).view(-1, 1, 1, 1), 1 - x, x)
    if name == "equalize":
        return kornia.enhance.equalize(x)
    if name == "autocontrast":
        low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return torch.where(high > low, (x - low) / (high - low).clamp_min(1e-6), x)
    factor = (1 + amount * ranges.blend).view(-1, 1, 1, 1)
    return torch.lerp(PLAINEST[name](x), x, factor).clamp(0, 1)


def _grey(x: Tensor) -> Tensor:
    return (x * torch.tensor(GREY, device=x.device, dtype=x.dtype).view(1, 3, 1, 1)).sum(1, keepdim=True).expand_as(x)


def _level(x: Tensor) -> Tensor:
    return _grey(x).mean((1, 2, 3), keepdim=True).expand_as(x)


def _smooth(x: Tensor) -> Tensor:
    """A 3 x 3 mean whose middle counts five times, as in PIL's SMOOTH."""
    kernel = torch.ones(3, 1, 3, 3, device=x.device, dtype=x.dtype)
    kernel[:, :, 1, 1] = 5
    return functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), kernel / 13, groups=3)


PLAINEST: dict[str, Callable[[Tensor], Tensor]] = {  # what each blend goes towards
    "brightness": torch.zeros_like,
    "colour": _grey,
    "contrast": _level,
    "sharpness": _smooth,
}
