"""What drawing does to pictures, laid on true ones: a judge that learns from them reads drawn ones as well."""

import math

import torch
from torch import Tensor
from torch.nn import functional

SCALE, SHIFT = 0.08, 0.1  # at most: of the size, and of half a side
BLOCK = 8  # pixels whose frequencies are rounded together


def worn(x_BCHW: Tensor, mask_BHW: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures from -1 to 1 and their masks: half mirrored, half moved, some blurred, coarse, noisy or compressed."""
    both_BCHW = _moved(torch.cat([x_BCHW, mask_BHW[:, None]], 1), generator)
    x_BCHW, mask_BHW = both_BCHW[:, :3], both_BCHW[:, 3]
    x_BCHW = x_BCHW.lerp(_blurred(x_BCHW), _amount(x_BCHW, 0.4, generator))
    x_BCHW = x_BCHW.lerp(_coarse(x_BCHW), _amount(x_BCHW, 0.2, generator))
    noise = torch.randn(x_BCHW.shape, generator=generator, device=x_BCHW.device)
    x_BCHW = x_BCHW + 0.08 * _amount(x_BCHW, 0.4, generator) * noise
    x_BCHW = x_BCHW.lerp(_rounded(x_BCHW, 0.1), _amount(x_BCHW, 0.2, generator))
    brightness = 0.06 * (torch.rand((len(x_BCHW), 3, 1, 1), generator=generator, device=x_BCHW.device) - 0.5)
    return (x_BCHW + brightness).clamp(-1, 1), mask_BHW


def _moved(x_BCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Half of them mirrored, and half a little nearer or farther and aside."""
    shape, device = (len(x_BCHW),), x_BCHW.device
    mirrored = torch.rand(shape, generator=generator, device=device).sub(0.5).sign()
    moves = torch.rand(shape, generator=generator, device=device) < 0.5
    scale, down, right = moves * (2 * torch.rand((3, *shape), generator=generator, device=device) - 1)
    nothing = torch.zeros(shape, device=device)
    rows = (mirrored * (1 + SCALE * scale), nothing, SHIFT * right), (nothing, 1 + SCALE * scale, SHIFT * down)
    matrix = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = functional.affine_grid(matrix, list(x_BCHW.shape), align_corners=False)
    return functional.grid_sample(x_BCHW, grid, padding_mode="reflection", align_corners=False)


def _amount(x_BCHW: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """How strongly each picture is changed, from 0 to 1: nothing for all but a share."""
    chosen, strength = torch.rand((2, len(x_BCHW), 1, 1, 1), generator=generator, device=x_BCHW.device)
    amount: Tensor = (chosen < share) * strength
    return amount


def _blurred(x_BCHW: Tensor) -> Tensor:
    """Means over 1, 2, 1 pixels, twice across and twice down."""
    bell = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=x_BCHW.device).div(16).repeat(3, 1, 1, 1)
    padded = functional.pad(x_BCHW, (2, 2, 2, 2), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, bell, groups=3), bell.transpose(2, 3), groups=3)


def _coarse(x_BCHW: Tensor) -> Tensor:
    """What is left of a picture at half its size."""
    return functional.interpolate(functional.avg_pool2d(x_BCHW, 2), scale_factor=2.0, mode="bilinear")


def _rounded(x_BCHW: Tensor, step: float) -> Tensor:
    """What a JPEG does: the frequencies of every block in steps that grow with them."""
    place = torch.arange(BLOCK, device=x_BCHW.device)
    waves = torch.cos(math.pi / BLOCK * (place[None] + 0.5) * place[:, None]) * math.sqrt(2 / BLOCK)
    waves[0] /= math.sqrt(2)
    steps = step * (1 + place[:, None] + place[None]) / 2
    batch, channels, height, width = x_BCHW.shape
    blocks = x_BCHW.reshape(batch, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(3, 4)
    back = waves.T @ ((waves @ blocks @ waves.T / steps).round() * steps) @ waves
    return back.transpose(3, 4).reshape(x_BCHW.shape)
