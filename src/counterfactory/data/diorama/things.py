"""Draws what stands: buildings, trees, cups and chairs; each function draws one."""

import numpy as np

from counterfactory.data.diorama.paint import CREAM, DARK, WOOD, Drawing, Paint, darker
from counterfactory.data.diorama.pen import Pen

ROOFS = ((122, 66, 50), (92, 86, 90), (74, 56, 48), (146, 98, 66))
BARK = (134, 94, 58)
DRINKS = ((88, 52, 30), (168, 108, 52), (70, 40, 24))
STEAM = (236, 238, 244)


def house(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    """Walls in its colour under a roof, with a door, two windows and often a chimney."""
    half, eaves, rise = random.uniform(0.66, 0.88), random.uniform(0.78, 0.98), random.uniform(0.5, 0.68)
    roof = ROOFS[random.integers(len(ROOFS))]
    if random.random() < 0.6:
        x = random.choice([-1, 1]) * half * 0.5
        pen.box(x - 0.1, eaves, x + 0.1, eaves + rise, darker(roof, 0.3))
    pen.box(-half, 0, half, eaves, paint.base)
    pen.box(half * 0.78, 0, half, eaves, paint.shade(0.16))
    left, right = -half - 0.12, half + 0.12
    ridge = ([(0, eaves + rise)], [(-half * 0.55, eaves + rise), (half * 0.55, eaves + rise)])[random.integers(2)]
    pen.polygon([(left, eaves - 0.04), *ridge, (right, eaves - 0.04)], roof)
    pen.stroke([(left, eaves - 0.03), (right, eaves - 0.03)], 0.05, darker(roof, 0.35))
    door = random.uniform(-0.12, 0.12)
    pen.box(door - 0.15, 0, door + 0.15, 0.52, darker(roof, 0.45))
    pen.ellipse(door + 0.08, 0.25, 0.03, 0.03, (232, 200, 96))
    for x in (-half * 0.62, half * 0.62):
        _window(pen, paint, x, 0.52, 0.15)


def tree(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    """A brown trunk with a crown in its colour: round, fir, poplar or in three tufts."""
    trunk = random.uniform(0.1, 0.14)
    bark = darker(BARK, random.uniform(0, 0.25))
    pen.polygon(
        [(-trunk * 1.6, 0), (-trunk, 0.2), (-trunk * 0.8, 1), (trunk * 0.8, 1), (trunk, 0.2), (trunk * 1.6, 0)], bark
    )
    (_round, _fir, _poplar, _tufts)[random.integers(4)](pen, paint, random)


def cup(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    """A mug, a beaker or a tea cup on its saucer: a handle, a rim, something to drink, often steam."""
    shape = random.integers(3)
    top = (random.uniform(0.95, 1.1), random.uniform(1.1, 1.2), random.uniform(0.72, 0.82))[shape]
    half = (random.uniform(0.5, 0.56), random.uniform(0.44, 0.5), random.uniform(0.6, 0.66))[shape]
    foot = half * (0.92, 0.74, 0.55)[shape]
    low = 0.08
    if shape == 2:
        pen.ellipse(0, 0.08, 0.92, 0.12, paint.shade(0.25))
        pen.ellipse(0, 0.11, 0.72, 0.08, paint.tint(0.2))
        low = 0.13
    middle, loop = (top + low) / 2 + 0.04, (top - low) * 0.3
    bend = np.linspace(-1.6, 1.6, 6)
    pen.stroke(
        np.stack([half * 0.86 + loop * 1.1 * np.cos(bend), middle + loop * np.sin(bend)], 1), 0.12, paint.shade(0.2)
    )
    pen.polygon([(-half, top), (half, top), (foot, low), (-foot, low)], paint.base)
    pen.ellipse(0, low, foot, 0.08, paint.base)
    pen.polygon([(half * 0.5, top), (half, top), (foot, low), (foot * 0.5, low - 0.06)], paint.shade(0.22))
    pen.polygon(
        [(-half * 0.82, top - 0.1), (-half * 0.62, top - 0.1), (-foot * 0.62, low), (-foot * 0.82, low)],
        paint.tint(0.4),
    )
    pen.ellipse(0, top, half, 0.14, paint.tint(0.25))
    pen.ellipse(0, top - 0.01, half * 0.86, 0.1, DRINKS[random.integers(len(DRINKS))])
    if random.random() < 0.6:
        for x in (-0.16, 0.12):
            pen.stroke(
                [(x, top + 0.12), (x + 0.08, top + 0.28), (x - 0.02, top + 0.42), (x + 0.06, top + 0.56)], 0.05, STEAM
            )


def chair(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    """A wooden chair with slats or a full back, or an armchair."""
    if random.integers(3) == 2:
        _armchair(pen, paint, random)
        return
    half, seat, top = random.uniform(0.46, 0.54), random.uniform(0.64, 0.74), random.uniform(1.5, 1.7)
    for x in (-half + 0.12, half - 0.12):
        pen.box(x - 0.06, 0.16, x + 0.06, seat, paint.shade(0.5))
    if random.random() < 0.5:
        for x in (-half, half - 0.13):
            pen.box(x, seat, x + 0.13, top, paint.shade(0.15))
        for slat in range(3):
            y = top - 0.08 - 0.28 * slat
            pen.box(-half, y - 0.15, half, y, paint.base)
    else:
        pen.blob([(-half, seat), (-half, top - 0.1), (0, top + 0.03), (half, top - 0.1), (half, seat)], paint.base)
        pen.blob(
            [
                (-half * 0.66, seat + 0.1),
                (-half * 0.66, top - 0.22),
                (half * 0.66, top - 0.22),
                (half * 0.66, seat + 0.1),
            ],
            paint.shade(0.25),
        )
    pen.polygon(
        [
            (-half - 0.14, seat - 0.12),
            (-half + 0.03, seat + 0.12),
            (half - 0.03, seat + 0.12),
            (half + 0.14, seat - 0.12),
        ],
        paint.tint(0.22),
    )
    pen.box(-half - 0.14, seat - 0.22, half + 0.14, seat - 0.12, paint.shade(0.2))
    for x in (-half - 0.12, half):
        pen.box(x, 0, x + 0.13, seat - 0.2, paint.base)


def windmill(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    """A tapering tower in its colour with a cap and four broad sails, turned as the wind left them."""
    top, foot, neck = random.uniform(0.96, 1.04), random.uniform(0.44, 0.54), random.uniform(0.25, 0.31)
    pen.polygon([(-foot, 0), (-neck, top), (neck, top), (foot, 0)], paint.base)
    pen.polygon([(foot * 0.35, 0), (neck * 0.35, top), (neck, top), (foot, 0)], paint.shade(0.22))
    pen.box(-0.14, 0, 0.14, 0.36, DARK)
    _window(pen, paint, 0, 0.58, 0.09)
    pen.blob(
        [(-neck - 0.08, top), (-neck * 0.7, top + 0.22), (0, top + 0.32), (neck * 0.7, top + 0.22), (neck + 0.08, top)],
        ROOFS[random.integers(len(ROOFS))],
    )
    hub, start, reach = np.array([0, top + 0.08]), random.uniform(0.2, 1.37), random.uniform(0.68, 0.74)
    for sail in range(4):
        angle = start + sail * np.pi / 2
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        corners = [(0.2, 0.0), (0.24, 0.2), (1.0, 0.24), (1.0, 0.0)]
        pen.polygon(np.array([hub + along * out * reach + across * side for out, side in corners]), CREAM)
        pen.stroke(np.array([hub, hub + along * reach]), 0.06, darker(WOOD, 0.35))
        for out in (0.45, 0.72, 1.0):
            pen.stroke(np.array([hub + along * out * reach, hub + along * out * reach + across * 0.22]), 0.03, WOOD)
    pen.ellipse(0, top + 0.08, 0.09, 0.09, DARK)


def _window(pen: Pen, paint: Paint, x: float, y: float, half: float) -> None:
    """A framed window around a point."""
    pen.box(x - half - 0.04, y - half - 0.04, x + half + 0.04, y + half + 0.04, CREAM)
    pen.box(x - half, y - half, x + half, y + half, paint.glass)
    pen.box(x - 0.02, y - half, x + 0.02, y + half, CREAM)


def _round(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    pen.ellipse(0, 1.16, 0.6, 0.48, paint.shade(0.16))
    for lump in range(6):
        angle, tone = (
            lump * 1.05 + random.uniform(-0.3, 0.3),
            (paint.base, paint.shade(0.16), paint.tint(0.12))[lump % 3],
        )
        pen.ellipse(
            0.38 * np.cos(angle),
            1.2 + 0.28 * np.sin(angle),
            random.uniform(0.24, 0.34),
            random.uniform(0.22, 0.3),
            tone,
        )
    pen.ellipse(-0.06, 1.2, 0.3, 0.26, paint.tint(0.1))


def _fir(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    tiers = int(random.integers(3, 5))
    for tier in range(tiers):
        foot, half = 0.36 + tier * 1.1 / tiers, 0.74 * (1 - tier / (tiers + 0.8))
        tone = paint.shade(0.3 - 0.3 * tier / tiers)
        pen.polygon([(-half, foot), (0, min(foot + 0.72, 1.75)), (half, foot)], tone)


def _poplar(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    half, flame = random.uniform(0.38, 0.46), np.array([(0, 1.0), (0.7, 0.3), (0.9, -0.3), (0.5, -0.85)])
    outline = np.concatenate([flame, flame[:0:-1] * (-1, 1)])
    pen.blob(outline * (half, 0.7) + (0, 1.06), paint.shade(0.2))
    pen.blob(outline * (half * 0.7, 0.58) + (-0.05, 1.1), paint.base)
    for x, y in ((-0.16, 0.86), (0.06, 1.06), (-0.12, 1.26)):
        pen.stroke([(x - 0.08, y - 0.06), (x, y + 0.12)], 0.07, paint.tint(0.25))


def _tufts(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    for x, y in ((-0.46, 1.08), (0.46, 1.12), (0, 1.42)):
        pen.stroke([(0, 0.6), (x, y)], 0.09, WOOD)
    for x, y in ((-0.46, 1.1), (0.46, 1.14), (0, 1.42)):
        pen.ellipse(x, y, 0.4, random.uniform(0.28, 0.33), paint.shade(random.uniform(0, 0.15)))
        pen.ellipse(x - 0.06, y + 0.08, 0.22, 0.15, paint.tint(0.16))


def _armchair(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    half, top = random.uniform(0.58, 0.66), random.uniform(1.34, 1.46)
    for x in (-half, half):
        pen.box(x - 0.06, 0, x + 0.06, 0.2, WOOD)
    pen.blob([(-half, 0.2), (-half, top - 0.1), (0, top), (half, top - 0.1), (half, 0.2)], paint.base)
    pen.box(-half + 0.12, 0.56, half - 0.12, top - 0.16, paint.shade(0.3))
    pen.box(-half, 0.16, half, 0.4, paint.shade(0.38))
    cushion = 0.62 + random.uniform(0, 0.06)
    pen.blob(
        [(-half + 0.08, 0.4), (-half + 0.08, cushion), (half - 0.08, cushion), (half - 0.08, 0.4)], paint.tint(0.35)
    )
    for side in (-1, 1):
        pen.box(side * half - 0.15, 0.14, side * half + 0.15, 0.8, paint.shade(0.1))
        pen.ellipse(side * half, 0.82, 0.18, 0.14, paint.tint(0.25))


THINGS: dict[str, Drawing] = {"house": house, "tree": tree, "cup": cup, "chair": chair, "windmill": windmill}
