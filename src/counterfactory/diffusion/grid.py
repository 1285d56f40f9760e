"""Pictures side by side in one file, for a person to look at."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

GAP = 2


def save_grid(x_BCHW: Tensor, columns: int, path: Path) -> None:
    """Writes pictures from -1 to 1, row by row, at twice their size."""
    pixels = to_pixels(x_BCHW)
    rows = -(-len(pixels) // columns)
    height, width = pixels.shape[1] + GAP, pixels.shape[2] + GAP
    sheet = np.full((rows * height + GAP, columns * width + GAP, 3), 255, np.uint8)
    for number, picture in enumerate(pixels):
        down, right = number // columns * height + GAP, number % columns * width + GAP
        sheet[down : down + picture.shape[0], right : right + picture.shape[1]] = picture
    image = Image.fromarray(sheet)
    part = path.with_suffix(".part")
    image.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST).save(part, "PNG")
    os.replace(part, path)


def to_pixels(x_BCHW: Tensor) -> np.ndarray:
    """Pictures from -1 to 1 as (B, H, W, 3) of 8 bits, rounded and not cut."""
    scaled = x_BCHW.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    return scaled.permute(0, 2, 3, 1).to("cpu", torch.uint8).numpy()
