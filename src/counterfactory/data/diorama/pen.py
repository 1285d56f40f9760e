"""Draws shapes onto a fine canvas in the thing's own coordinates; knows nothing of what they mean.

x runs from -1 (left) to 1 (right), y from 0 (the ground) up to about 1.8.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from counterfactory.data.diorama.setting import RGB, Array, View

FINE = 4  # canvas pixels a picture pixel, each way
WINDOW_LIGHT: RGB = (255, 214, 120)
LAMP: RGB = (255, 246, 190)
SHINING = frozenset({WINDOW_LIGHT, LAMP})  # at night these give light instead of needing it

Points = Sequence[tuple[float, float]] | Array

_ANGLES = np.linspace(0, 2 * np.pi, 28, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1).astype(np.float32)
_STEPS = np.linspace(0, 1, 6, endpoint=False, dtype=np.float32)
_SPLINE = np.stack(  # Catmull-Rom weights of four neighbours at each step
    [
        -_STEPS + 2 * _STEPS**2 - _STEPS**3,
        2 - 5 * _STEPS**2 + 3 * _STEPS**3,
        _STEPS + 4 * _STEPS**2 - 3 * _STEPS**3,
        _STEPS**3 - _STEPS**2,
    ],
    1,
) * np.float32(0.5)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pen:
    """A canvas with the view's transformation; `glow` is kept at night only and holds what shines."""

    canvas: Image.Image
    ink: ImageDraw.ImageDraw
    glow: Image.Image | None
    glow_ink: ImageDraw.ImageDraw | None
    turn: Array
    origin: Array
    unit: float  # canvas pixels a length of 1

    def polygon(self, points: Points, colour: RGB) -> None:
        """A filled polygon."""
        self._fill((np.asarray(points, np.float32) @ self.turn + self.origin).ravel().tolist(), colour)

    def box(self, left: float, bottom: float, right: float, top: float, colour: RGB) -> None:
        """A filled rectangle."""
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], colour)

    def ellipse(self, x: float, y: float, across: float, up: float, colour: RGB) -> None:
        """A filled ellipse with its two radii."""
        self.polygon(_CIRCLE * (across, up) + (x, y), colour)

    def blob(self, points: Points, colour: RGB) -> None:
        """A filled shape with a smooth outline through the points."""
        around = np.asarray(points, np.float32)
        self.polygon(_smooth(np.concatenate([around[-1:], around, around[:2]])), colour)

    def stroke(self, points: Points, width: float, colour: RGB) -> None:
        """A smooth line through the points, with round ends."""
        along = np.asarray(points, np.float32)
        if len(along) > 2:
            along = np.concatenate([_smooth(np.concatenate([along[:1], along, along[-1:]])), along[-1:]])
        line = along @ self.turn + self.origin
        wide = max(1.0, width * self.unit)
        self._line(line.ravel().tolist(), wide, colour)
        if wide > 4:
            for x, y in (line[0], line[-1]):
                self._fill((_CIRCLE * (wide / 2) + (x, y)).ravel().tolist(), colour)

    def _fill(self, flat: list[float], colour: RGB) -> None:
        self.ink.polygon(flat, fill=(*colour, 255))
        if self.glow_ink is not None:
            self.glow_ink.polygon(flat, fill=255 if colour in SHINING else 0)

    def _line(self, flat: list[float], wide: float, colour: RGB) -> None:
        self.ink.line(flat, fill=(*colour, 255), width=round(wide), joint="curve")
        if self.glow_ink is not None:
            self.glow_ink.line(flat, fill=0, width=round(wide))


def pen_for(view: View, size: int, dark: bool) -> Pen:
    """A pen on an empty canvas for a picture of that size."""
    canvas = Image.new("RGBX", (size * FINE, size * FINE))  # four plain channels: RGBA would be divided by its alpha
    glow = Image.new("L", canvas.size) if dark else None
    unit = size * FINE / 64
    mirror = np.array([[1, 0], [0, -1]], np.float32)  # the thing's y goes up, a canvas's down
    return Pen(
        canvas=canvas,
        ink=ImageDraw.Draw(canvas),
        glow=glow,
        glow_ink=ImageDraw.Draw(glow) if glow is not None else None,
        turn=mirror @ view.turn.T * np.float32(view.scale * unit),
        origin=np.array([view.centre * unit, view.base * unit], np.float32),
        unit=view.scale * unit,
    )


def _smooth(points: Array) -> Array:
    """A curve through all points but the first and the last, which only lead it in and out."""
    neighbours = np.stack([points[:-3], points[1:-2], points[2:-1], points[3:]])
    curve: Array = np.einsum("sk,knd->nsd", _SPLINE, neighbours).reshape(-1, 2)
    return curve
