"""The colours of a thing: its factor's colour in lighter and darker tones, and what stays the same in every colour."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from counterfactory.data.diorama.pen import WINDOW_LIGHT, Pen
from counterfactory.data.diorama.setting import RGB

PALETTE: dict[str, RGB] = {
    "red": (206, 34, 36),
    "orange": (242, 128, 22),
    "yellow": (246, 218, 48),
    "green": (40, 152, 58),
    "blue": (38, 84, 214),
    "purple": (140, 56, 184),
    "white": (240, 240, 240),
    "black": (42, 42, 48),
}
GLASS: RGB = (172, 208, 228)
TYRE: RGB = (30, 30, 33)
STEEL: RGB = (168, 170, 176)
DARK: RGB = (40, 38, 42)
WOOD: RGB = (116, 80, 50)
CREAM: RGB = (244, 236, 214)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    """The tones of one thing; `glass` is the hour's."""

    base: RGB
    glass: RGB

    @property
    def is_dark(self) -> bool:
        return sum(self.base) < 210

    @property
    def is_light(self) -> bool:
        return sum(self.base) > 600

    def shade(self, share: float = 0.25) -> RGB:
        """A tone that reads as shadow; on a dark thing it is a little lighter, since darker would not be seen."""
        return (
            _towards(self.base, (118, 118, 130), share * 0.7) if self.is_dark else _towards(self.base, (0, 0, 0), share)
        )

    def tint(self, share: float = 0.3) -> RGB:
        """A lighter tone; on a light thing a little darker."""
        return (
            _towards(self.base, (150, 150, 165), share * 0.6)
            if self.is_light
            else _towards(self.base, (255, 255, 255), share)
        )

    @property
    def mark(self) -> RGB:
        """A tone for eyes and lines that shows on the base."""
        return (236, 222, 150) if self.is_dark else (24, 22, 24)


Drawing: TypeAlias = Callable[[Pen, Paint, np.random.Generator], None]


def paint_for(colour: str, random: np.random.Generator, dark: bool) -> Paint:
    """The paint of one thing: its colour, a little off as in life."""
    off = np.array(PALETTE[colour]) * random.uniform(0.92, 1.06) + random.uniform(-9, 9, 3)
    red, green, blue = (int(value) for value in np.clip(off, 0, 255))
    return Paint(base=(red, green, blue), glass=WINDOW_LIGHT if dark else GLASS)


def darker(colour: RGB, share: float) -> RGB:
    """A fixed colour in shadow."""
    return _towards(colour, (0, 0, 0), share)


def _towards(colour: RGB, other: RGB, share: float) -> RGB:
    red, green, blue = (int(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return (red, green, blue)
