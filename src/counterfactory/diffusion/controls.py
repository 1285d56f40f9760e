"""Layouts that a drawing can follow, as pictures: an image's edges, a segmentation mask in colours, or any picture."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from counterfactory.diffusion.canny import canny
from counterfactory.pixels import Pixels
from counterfactory.types import Address

DETAIL = 80  # a picture is blurred by this part of its side first, so that edges mean the same at every size
STRONGEST = 0.98  # of a picture's pixels have a weaker edge than what counts as white
FAINTEST = 0.05  # what counts as white is no less than this, or a plain surface would show its grain


def control_pictures(kind: str, addresses: Sequence[Address], pixels: Pixels, size: tuple[int, int]) -> Tensor:
    """Layouts (B, 3, H, W) from 0 to 1, read from where they lie.

    Of the kinds `edges` and `canny` they are found in images, of the kind `masks` they are masks in colours. A layout
    of any other kind is the picture itself, as `layout.Layout` or anyone else has made it.
    """
    if kind == "masks":
        return from_bytes(mask_colours(addresses, pixels, size))
    pictures = pixels.arrays(addresses, size)
    if kind == "canny":
        return from_bytes(np.stack([canny(picture) for picture in pictures]))
    return soft_edges(from_bytes(pictures)) if kind == "edges" else from_bytes(pictures)


def soft_edges(x_BCHW: Tensor) -> Tensor:
    """How steep pictures from 0 to 1 are, in whichever colour is steepest, from nothing to their own strongest edges.

    By its own edges, because fog and night make all of them faint and leave the layout as it is. In steps of 8 bits,
    so that edges kept as a file are the same ones.
    """
    blurred = _blurred(x_BCHW, min(x_BCHW.shape[-2:]) / DETAIL)
    wider = functional.pad(blurred, (1, 1, 1, 1), mode="replicate")
    across = wider[..., 1:-1, 2:] - wider[..., 1:-1, :-2]
    down = wider[..., 2:, 1:-1] - wider[..., :-2, 1:-1]
    steep = (across.square() + down.square()).sqrt().amax(1, keepdim=True)
    rank = round(STRONGEST * steep[0].numel())
    white = steep.flatten(1).kthvalue(rank).values.clamp(min=FAINTEST)[:, None, None, None]
    return (steep / white).clamp(max=1).mul(255).round().div(255).expand(-1, 3, -1, -1)


def mask_colours(addresses: Sequence[Address], pixels: Pixels, size: tuple[int, int]) -> np.ndarray:
    """Masks as pictures (B, H, W, 3) of 8 bits: a colour for each number."""
    masks = [pixels.stored(address).resize(size, Image.Resampling.NEAREST) for address in addresses]
    colours: np.ndarray = palette()[np.stack([_numbers(np.asarray(mask)) for mask in masks])]
    return colours


def hole(mask: Address, pixels: Pixels, size: tuple[int, int], keeps_masked: bool = False) -> np.ndarray:
    """What is drawn anew of an image (H, W): where its mask has any number but 0, or where it has 0."""
    numbers = _numbers(np.asarray(pixels.stored(mask).resize(size, Image.Resampling.NEAREST)))
    drawn_anew: np.ndarray = (numbers == 0) if keeps_masked else (numbers != 0)
    return drawn_anew


def palette() -> np.ndarray:
    """256 colours (256, 3) far from each other: black for 0 and white for 255.

    The bits of a number go to red, green and blue in turn, the lowest to the brightest share of each, as PASCAL VOC
    colours its classes; ours are stretched to the whole range.
    """
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    shares = [np.array([4, 2, 1]), np.array([4, 2, 1]), np.array([2, 1])]
    columns = [bits[:, turn::3] @ share * 255 // share.sum() for turn, share in enumerate(shares)]
    return np.stack(columns, 1).astype(np.uint8)


def from_bytes(pixels: np.ndarray) -> Tensor:
    """Pictures (B, H, W, 3) of 8 bits as a tensor (B, 3, H, W) from 0 to 1, which is what ControlNets are shown."""
    return torch.tensor(pixels).permute(0, 3, 1, 2).float().div(255)


def _numbers(mask: np.ndarray) -> np.ndarray:
    """A number from 0 to 255 a pixel: a mask of three equal colours says it thrice, and larger ones begin anew."""
    return (mask if mask.ndim == 2 else mask[..., 0]).astype(np.int64) % 256


def _blurred(x_BCHW: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, a line and then a column at a time."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=x_BCHW.device, dtype=x_BCHW.dtype)
    line = torch.exp(-offsets.square() / (2 * sigma * sigma))
    line = (line / line.sum()).expand(x_BCHW.shape[1], 1, 1, -1)
    wider = functional.pad(x_BCHW, (radius,) * 4, mode="replicate")
    across = functional.conv2d(wider, line, groups=x_BCHW.shape[1])
    return functional.conv2d(across, line.transpose(2, 3), groups=x_BCHW.shape[1])
