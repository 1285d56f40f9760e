"""The weathers: what each does to the sky, to the ground and to the air in front of everything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from counterfactory.data.diorama.setting import Array, Setting, mix, smooth, tone

Painting = Callable[[Array, Setting, np.random.Generator], Array]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weather:
    """A weather's sky, and what it does to the bare ground, to all behind the thing, and to the whole picture."""

    overcast: float  # how far the sky gives way to grey
    grey: Array
    cloud: Array
    cloudy: float
    ground: Painting
    behind: Painting
    air: Painting


def untouched(picture: Array, _setting: Setting, _random: np.random.Generator) -> Array:
    """Clear weather."""
    return picture


def wet(picture: Array, setting: Setting, random: np.random.Generator) -> Array:
    """Rain darkens the ground and leaves puddles that mirror the grey sky."""
    puddles = np.clip(smooth(random, 12, 5, setting.size, 1.6) - 0.25, 0, 0.5) * setting.depth[..., None]
    return mix(picture * 0.82, tone(132, 144, 160), puddles)


def dusted(picture: Array, setting: Setting, random: np.random.Generator) -> Array:
    """Snow lies in patches; what is beneath can still be told."""
    patches = np.clip(0.16 + smooth(random, 10, 8, setting.size, 1.3), 0, 0.75)
    return mix(picture, tone(236, 240, 248), patches)


def streaks(picture: Array, setting: Setting, random: np.random.Generator) -> Array:
    """Slanting streaks of rain in dimmer air."""
    slant, count = random.uniform(-0.35, 0.35), int(random.integers(60, 95))
    start = random.uniform(-8, 64, (count, 2))
    end = start + random.uniform(5, 10, (count, 1)) * (slant, 1)
    share = _drawn(setting, [(a, b, c, d) for (a, b), (c, d) in zip(start, end, strict=True)], width=0.55)
    return mix(picture * 0.9, tone(202, 214, 232) * (setting.hour.light * 0.55 + 0.45), share * 0.75)


def flakes(picture: Array, setting: Setting, random: np.random.Generator) -> Array:
    """Falling flakes, near ones larger."""
    count = int(random.integers(55, 90))
    at, radius = random.uniform(0, 64, (count, 2)), random.uniform(0.45, 1.15, (count, 1))
    share = _drawn(setting, [tuple(box) for box in np.concatenate([at - radius, at + radius], 1)])
    return mix(picture, tone(250, 251, 255) * (setting.hour.light * 0.45 + 0.55), share * 0.95)


def far_mist(picture: Array, setting: Setting, random: np.random.Generator) -> Array:
    """Fog that hides the distance, in drifts."""
    thick = random.uniform(0.72, 0.82) * (1 - 0.9 * setting.depth[..., None] ** 0.7)
    return _veiled(picture, setting, thick + smooth(random, 4, 5, setting.size, 0.2))


def near_mist(picture: Array, setting: Setting, random: np.random.Generator) -> Array:
    """A thinner veil before the thing."""
    return _veiled(picture, setting, random.uniform(0.22, 0.3) + smooth(random, 4, 4, setting.size, 0.12))


def _veiled(picture: Array, setting: Setting, share: Array) -> Array:
    return mix(picture, tone(206, 209, 213) * (setting.hour.light * 0.9 + 0.05), np.clip(share, 0, 0.85))


def _drawn(setting: Setting, marks: list[tuple[float, ...]], width: float | None = None) -> Array:
    """Lines of a width, or else ellipses, as shares (size, size, 1) with soft edges."""
    unit = setting.size * 2 / 64
    layer = Image.new("L", (setting.size * 2, setting.size * 2))
    pencil = ImageDraw.Draw(layer)
    for mark in marks:
        flat = [value * unit for value in mark]
        if width is None:
            pencil.ellipse(flat, fill=255)
        else:
            pencil.line(flat, fill=230, width=max(1, round(width * unit)))
    return np.asarray(layer.reduce(2), np.float32)[..., None] / 255


WEATHERS: Mapping[str, Weather] = {
    "clear": Weather(
        overcast=0,
        grey=tone(0, 0, 0),
        cloud=tone(255, 255, 255),
        cloudy=1,
        ground=untouched,
        behind=untouched,
        air=untouched,
    ),
    "rain": Weather(
        overcast=0.74,
        grey=tone(118, 128, 144),
        cloud=tone(92, 98, 112),
        cloudy=1,
        ground=wet,
        behind=untouched,
        air=streaks,
    ),
    "snow": Weather(
        overcast=0.6,
        grey=tone(186, 194, 206),
        cloud=tone(150, 158, 172),
        cloudy=0.8,
        ground=dusted,
        behind=untouched,
        air=flakes,
    ),
    "fog": Weather(
        overcast=0.65,
        grey=tone(196, 200, 205),
        cloud=tone(196, 200, 205),
        cloudy=0,
        ground=untouched,
        behind=far_mist,
        air=near_mist,
    ),
}
