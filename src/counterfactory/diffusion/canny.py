"""Edges one pixel wide (Canny 1986), by the conventions of the filter whose lines ControlNets for them were shown."""

import numpy as np
from scipy import ndimage

LOW, HIGH = 100, 200  # of the sum of both derivatives' sizes: weak edges count where a strong one touches them
FLAT, STEEP = np.tan(np.pi / 8), np.tan(3 * np.pi / 8)  # directions are told apart in quarters of a half turn


def canny(picture: np.ndarray, low: int = LOW, high: int = HIGH) -> np.ndarray:
    """White lines (H, W, 3) on black of a picture (H, W, 3) of 8 bits; nothing is blurred before."""
    across, down = _steepest(picture.astype(np.int32))
    size = np.abs(across) + np.abs(down)
    thin = (size > low) & _is_crest(size, across, down)
    groups, count = ndimage.label(thin, np.ones((3, 3)))
    strong = np.unique(groups[thin & (size > high)])
    lines = np.isin(groups, strong[strong > 0]) if count else thin
    return np.repeat(np.uint8(255) * lines[..., None].astype(np.uint8), 3, -1)


def _steepest(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sobel's derivatives, at each pixel those of the colour that changes most there."""
    across, down = (  # a colour at a time: scipy would smooth over the colours too
        np.stack([ndimage.sobel(picture[..., colour], axis, mode="nearest") for colour in range(3)], -1)
        for axis in (1, 0)
    )
    most = (np.abs(across) + np.abs(down)).argmax(-1)[..., None]
    return np.take_along_axis(across, most, -1)[..., 0], np.take_along_axis(down, most, -1)[..., 0]


def _is_crest(size: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Where a pixel is steeper than its two neighbours in the direction of the slope; nothing is beyond the border."""
    wider = np.pad(size, 1)

    def beside(x: int, y: int) -> np.ndarray:
        return wider[1 + y : wider.shape[0] - 1 + y, 1 + x : wider.shape[1] - 1 + x]

    flat = np.abs(down) < FLAT * np.abs(across)
    steep = np.abs(down) > STEEP * np.abs(across)
    falls = (across < 0) != (down < 0)
    level = (size > beside(-1, 0)) & (size >= beside(1, 0))
    upright = (size > beside(0, -1)) & (size >= beside(0, 1))
    rising = (size > beside(-1, -1)) & (size > beside(1, 1))
    falling = (size > beside(1, -1)) & (size > beside(-1, 1))
    return np.select([flat, steep, falls], [level, upright, falling], rising)
