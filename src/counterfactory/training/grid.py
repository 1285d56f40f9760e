"""Pictures side by side in one file, for a person to look at."""

import os
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from counterfactory.training.pictures import to_pixels

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
