"""Where a scene happens: pixel grid, camera, hour, and a random stream of its own for every part of the picture.

Lengths are in 64ths of the picture's side, so that a picture of another size shows the same. Since each part draws
from its own stream, changing one factor leaves what all the others drew as it was.
"""

import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array: TypeAlias = NDArray[np.floating[Any]]
RGB: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hour:
    """How a time of day looks: its sky from top to horizon, its sun or moon, and what its light does to colours."""

    zenith: Array
    skyline: Array
    orb: Array
    light: Array  # on the ground and in the air
    near: Array  # on the thing in front
    indoors: Array
    low_sun: bool = False
    dark: bool = False  # windows and lamps shine


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """Where the camera and the thing stand; follows from the seed alone, so that every counterfactual shares it."""

    horizon: float
    centre: float
    base: float
    scale: float  # half the thing's width
    turn: Array  # 2 x 2: flip, tilt, slant and aspect


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """What every surface, sky and weather may look at."""

    size: int
    view: View
    hour: Hour
    x: Array  # (1, size): pixel centres
    y: Array  # (size, 1)
    depth: Array  # (size, 1): 0 at the horizon and above, 1 at the lower edge


def stream(seed: int, part: str) -> np.random.Generator:
    """The random numbers of one part of one scene."""
    return np.random.Generator(np.random.PCG64(np.array([seed, zlib.crc32(part.encode())], np.uint32)))


def setting_of(seed: int, hour: Hour, size: int) -> Setting:
    """The setting of a scene's picture."""
    view = view_of(seed)
    x, y = _centres(size)
    depth = np.clip((y - view.horizon) / (64 - view.horizon), 0, 1)
    return Setting(size=size, view=view, hour=hour, x=x, y=y, depth=depth)


def view_of(seed: int) -> View:
    """The camera and the place of the thing, which always stands below the horizon and inside the frame."""
    random = stream(seed, "view")
    horizon = random.uniform(20, 34)
    scale = random.uniform(16.5, 27)
    lowest = max(horizon + 10, 1.82 * scale + 2)
    flip = 1 if random.random() < 0.5 else -1
    tilt, slant, aspect = random.normal(0, 0.05), random.normal(0, 0.08), random.uniform(0.9, 1.12)
    turn = [[flip * aspect * np.cos(tilt), slant - np.sin(tilt)], [flip * np.sin(tilt), np.cos(tilt)]]
    return View(
        horizon=horizon,
        scale=scale,
        base=random.uniform(min(lowest, 58), 61),
        centre=32 + random.uniform(-1, 1) * max(0, 31 - 1.1 * aspect * scale),
        turn=np.array(turn, np.float32),
    )


def smooth(random: np.random.Generator, rows: int, columns: int, size: int, width: float = 1) -> Array:
    """Noise (size, size, 1) around 0, `width` from lowest to highest, as coarse as a grid of rows and columns."""
    grid = Image.frombytes("L", (columns, rows), random.bytes(rows * columns))
    values = np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC), np.float32)
    return (values * (width / 255) - width / 2)[..., None]


def mix(picture: Array, other: Array | float, share: Array | float) -> Array:
    """The picture with a share of another over it."""
    return picture + (other - picture) * share


def tone(*rgb: float) -> Array:
    """A colour, or a light, as an array."""
    return np.array(rgb, np.float32)


@cache
def _centres(size: int) -> tuple[Array, Array]:
    line = ((np.arange(size) + 0.5) * (64 / size)).astype(np.float32)
    return line[None, :], line[:, None]
