"""Classic augmentation of one batch: colours from 0 to 1 in, the same out, every image changed by its own draw.

`standard`: mirrored half the time, then zoom 0.85 to 1.2, turn up to 10 degrees, shift up to a tenth of a side
(reflected at the edges), brightness x 0.7 to 1.3 and +- 0.1, saturation x 0.5 to 1.4, each colour channel +- 0.06.
`randaugment` (Cubuk et al. 2020): mirrored, shifted, then two random operations at strength 9 of 30.
`trivialaugment` (Mueller and Hutter 2021): mirrored, shifted, then one operation at any strength of its wide ranges.
`cutmix` (Yun et al. 2019) and `mixup` (Zhang et al. 2018): standard, then half of the batches mixed with themselves.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from counterfactory.classify import operations
from counterfactory.classify.train import Augmentation

MIXES = frozenset({"cutmix", "mixup"})
MIXED = 0.5  # the share of batches that are mixed
SPREAD = {"cutmix": 1.0, "mixup": 0.4}  # of the Beta distribution that the mixing weight is drawn from
TURN = math.radians(10)


def augment(name: Augmentation, x_BCHW: Tensor, generator: np.random.Generator) -> Tensor:
    """One batch, each image changed for itself."""
    if name == "none":
        return x_BCHW
    if name == "randaugment":
        return operations.randaugment(_mirrored_and_shifted(x_BCHW, generator), generator)
    if name == "trivialaugment":
        return operations.trivialaugment(_mirrored_and_shifted(x_BCHW, generator), generator)
    return _standard(x_BCHW, generator)


def mix(name: Augmentation, x_BCHW: Tensor, t_BC: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One batch and its targets, images mixed with each other where the augmentation is a mixing one."""
    if name not in MIXES or generator.random() >= MIXED:
        return x_BCHW, t_BC
    kept = float(generator.beta(SPREAD[name], SPREAD[name]))
    order = torch.from_numpy(generator.permutation(len(x_BCHW))).to(x_BCHW.device)
    if name == "mixup":
        return torch.lerp(x_BCHW[order], x_BCHW, kept), torch.lerp(t_BC[order], t_BC, kept)
    rows, columns = _box(x_BCHW.shape[2:], kept, generator)
    pasted = x_BCHW.clone()
    pasted[:, :, rows, columns] = x_BCHW[order][:, :, rows, columns]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return pasted, torch.lerp(t_BC, t_BC[order], area / (x_BCHW.shape[2] * x_BCHW.shape[3]))


def _standard(x: Tensor, generator: np.random.Generator) -> Tensor:
    n = len(x)
    mirrored = np.where(generator.random(n) < 0.5, -1.0, 1.0)
    side = generator.uniform(1 / 1.2, 1 / 0.85, n)  # of the window that is looked at
    angle = generator.uniform(-TURN, TURN, n)
    matrix = np.zeros((n, 2, 3))
    matrix[:, 0, 0], matrix[:, 0, 1] = mirrored * side * np.cos(angle), -side * np.sin(angle)
    matrix[:, 1, 0], matrix[:, 1, 1] = mirrored * side * np.sin(angle), side * np.cos(angle)
    matrix[:, :, 2] = generator.uniform(-0.2, 0.2, (n, 2))  # the whole side is 2
    return _jittered(warp(x, matrix), generator)


def _jittered(x: Tensor, generator: np.random.Generator) -> Tensor:
    """One matrix and one offset an image: gain (saturation x + (1 - saturation) grey) + offset."""
    n = len(x)
    gain = generator.uniform(0.7, 1.3, (n, 1, 1))
    saturation = generator.uniform(0.5, 1.4, (n, 1, 1))
    offset = generator.uniform(-0.1, 0.1, (n, 1)) + generator.uniform(-0.06, 0.06, (n, 3))
    matrix = gain * (saturation * np.eye(3) + (1 - saturation) / 3)
    mixed = torch.baddbmm(_on(x, offset)[:, :, None], _on(x, matrix), x.flatten(2))
    return mixed.clamp_(0, 1).view(x.shape)


def _mirrored_and_shifted(x: Tensor, generator: np.random.Generator) -> Tensor:
    n = len(x)
    matrix = np.zeros((n, 2, 3))
    matrix[:, 0, 0], matrix[:, 1, 1] = np.where(generator.random(n) < 0.5, -1.0, 1.0), 1.0
    matrix[:, :, 2] = generator.uniform(-0.25, 0.25, (n, 2))
    return warp(x, matrix)


def warp(x: Tensor, matrix: NDArray[np.float64]) -> Tensor:
    """Images seen through affine windows (B, 2, 3), reflected beyond their edges."""
    grid = functional.affine_grid(_on(x, matrix), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _box(shape: torch.Size, kept: float, generator: np.random.Generator) -> tuple[slice, slice]:
    """A window with the image's own form and about `1 - kept` of its area, cut off at the edges."""
    sides = []
    for length in shape:
        half = length * math.sqrt(1 - kept) / 2
        middle = generator.uniform(0, length)
        sides.append(slice(max(0, round(middle - half)), min(length, round(middle + half))))
    return sides[0], sides[1]


def _on(x: Tensor, numbers: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(numbers).to(x.device, x.dtype)
