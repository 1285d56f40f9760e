"""Draws the things that drive, swim and fly; each function draws one, seen from its side and facing right."""

import numpy as np

from counterfactory.data.diorama.paint import CREAM, DARK, STEEL, TYRE, WOOD, Drawing, Paint
from counterfactory.data.diorama.pen import LAMP, Pen


def car(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    """A low body on two wheels with a sloping cabin: saloon, estate or pick-up."""
    belt, roof, wheel = random.uniform(0.48, 0.58), random.uniform(0.86, 1.0), random.uniform(0.19, 0.24)
    cabin = (
        [(-0.66, belt), (-0.4, roof), (0.26, roof), (0.6, belt)],
        [(-0.93, belt), (-0.82, roof), (0.22, roof), (0.56, belt)],
        [(-0.16, belt), (-0.08, roof), (0.36, roof), (0.62, belt)],
    )[random.integers(3)]
    pen.polygon(cabin, paint.shade(0.12))
    middle = sum(x for x, _ in cabin) / 4
    pen.polygon([(middle + (x - middle) * 0.82, belt + (y - belt) * 0.8) for x, y in cabin], paint.glass)
    pen.box(middle - 0.03, belt, middle + 0.04, roof, paint.shade(0.12))
    pen.polygon([(-1, 0.2), (-1, belt - 0.08), (-0.9, belt), (0.74, belt), (0.96, belt - 0.1), (1, 0.2)], paint.base)
    pen.box(-1, 0.14, 1, 0.26, paint.shade(0.35))
    pen.stroke([(middle, belt - 0.04), (middle, 0.28)], 0.025, paint.shade(0.3))
    pen.ellipse(0.92, belt - 0.16, 0.07, 0.06, LAMP)
    pen.box(-1, belt - 0.22, -0.92, belt - 0.1, (150, 20, 24))
    for x in (-0.57, 0.57):
        _wheel(pen, x, wheel)


def bus(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    """A long box with a row of windows and a door; some have two decks."""
    decks = 2 if random.random() < 0.35 else 1
    roof = random.uniform(1.5, 1.62) if decks == 2 else random.uniform(1.02, 1.2)
    pen.box(-1, 0.14, 1, roof, paint.base)
    pen.box(-1, roof - 0.06, 1, roof, paint.tint(0.35))
    pen.box(-1, 0.14, 1, 0.27, paint.shade(0.3))
    windows, left, right = int(random.integers(4, 6)), -0.93, 0.6
    step = (right - left) / windows
    for deck in range(decks):
        top = roof - 0.14 - deck * 0.58
        for window in range(windows):
            pen.box(left + window * step, top - 0.34, left + (window + 0.8) * step, top, paint.glass)
        pen.box(0.86, top - 0.36, 1, top, paint.glass)
    pen.box(0.63, 0.2, 0.81, roof - 0.14 - (decks - 1) * 0.58, paint.glass)
    pen.box(0.71, 0.2, 0.73, roof - 0.14 - (decks - 1) * 0.58, paint.shade(0.4))
    pen.ellipse(0.94, 0.36, 0.05, 0.05, LAMP)
    for x in (-0.6, 0.4):
        _wheel(pen, x, 0.18)


def boat(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    """A hull with pointed bow, under sail or with a cabin and a funnel."""
    deck, keel = random.uniform(0.44, 0.52), random.uniform(0.58, 0.72)
    (_sails if random.random() < 0.6 else _cabin)(pen, paint, random, deck)
    pen.polygon([(-0.94, deck), (1, deck + 0.08), (keel, 0.02), (-keel, 0.02)], paint.base)
    pen.polygon([(-keel - 0.1, 0.16), (keel + 0.14, 0.17), (keel, 0.02), (-keel, 0.02)], paint.shade(0.4))
    pen.stroke([(-0.94, deck), (1, deck + 0.08)], 0.06, paint.tint(0.5))


def plane(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    """An airliner on its wheels: long body, tail fin, swept wing, a row of round windows."""
    axis, thick, nose = random.uniform(0.6, 0.7), random.uniform(0.17, 0.21), random.uniform(0.9, 0.97)
    for x in (0.58, -0.16):
        pen.stroke([(x, axis - thick + 0.05), (x, 0.08)], 0.05, DARK)
        pen.ellipse(x, 0.09, 0.09, 0.09, TYRE)
    pen.polygon([(0.16, axis), (-0.3, axis + 0.6), (-0.48, axis + 0.6), (-0.2, axis)], paint.shade(0.45))
    pen.polygon([(-0.52, axis), (-0.76, axis + 0.74), (-0.98, axis + 0.74), (-0.9, axis)], paint.shade(0.25))
    pen.blob(
        [
            (-0.99, axis + 0.12),
            (-0.6, axis + thick),
            (0.5, axis + thick),
            (nose - 0.06, axis + 0.04),
            (nose, axis - 0.07),
            (0.6, axis - thick),
            (-0.4, axis - thick),
        ],
        paint.base,
    )
    pen.blob(
        [(-0.7, axis - 0.05), (nose - 0.04, axis - 0.08), (0.6, axis - thick), (-0.4, axis - thick)], paint.shade(0.2)
    )
    pen.polygon([(0.66, axis + 0.04), (0.68, axis + 0.14), (0.76, axis + 0.12), (0.86, axis + 0.03)], paint.glass)
    for window in range(int(random.integers(4, 6))):
        pen.ellipse(0.5 - 0.2 * window, axis + 0.06, 0.055, 0.055, paint.glass)
    pen.polygon(
        [(-0.7, axis + 0.08), (-0.88, axis - 0.06), (-1.06, axis - 0.06), (-0.92, axis + 0.08)], paint.shade(0.45)
    )
    pen.polygon([(0.3, axis - 0.06), (-0.3, axis - 0.5), (-0.54, axis - 0.5), (-0.2, axis - 0.06)], paint.shade(0.4))
    pen.ellipse(0.06, axis - 0.32, 0.17, 0.09, STEEL)
    pen.ellipse(0.2, axis - 0.32, 0.04, 0.09, DARK)


def _wheel(pen: Pen, x: float, radius: float) -> None:
    pen.ellipse(x, radius, radius, radius, TYRE)
    pen.ellipse(x, radius, radius * 0.52, radius * 0.52, STEEL)


def _sails(pen: Pen, paint: Paint, random: np.random.Generator, deck: float) -> None:
    """A mast, a main sail, a jib and a pennant in the boat's colour."""
    cloth = (CREAM, (232, 214, 178), (246, 246, 250))[random.integers(3)]
    top = random.uniform(1.6, 1.75)
    pen.stroke([(0, deck), (0, top)], 0.055, WOOD)
    pen.polygon([(0.07, top - 0.08), (0.07, deck + 0.14), (0.74, deck + 0.14)], cloth)
    jib = (int(cloth[0] * 0.86), int(cloth[1] * 0.86), int(cloth[2] * 0.88))
    pen.polygon([(-0.07, top - 0.22), (-0.07, deck + 0.14), (-0.56, deck + 0.14)], jib)
    pen.polygon([(0, top + 0.02), (-0.24, top - 0.06), (0, top - 0.14)], paint.base)


def _cabin(pen: Pen, paint: Paint, random: np.random.Generator, deck: float) -> None:
    """A white cabin with windows, a roof and a funnel."""
    top = deck + random.uniform(0.44, 0.54)
    funnel = random.uniform(-0.42, -0.2)
    pen.box(funnel - 0.1, top, funnel + 0.1, top + 0.38, paint.base)
    pen.box(funnel - 0.1, top + 0.28, funnel + 0.1, top + 0.38, DARK)
    pen.box(-0.58, deck - 0.04, 0.3, top, CREAM)
    for x in (-0.46, -0.18, 0.08):
        pen.box(x, top - 0.3, x + 0.17, top - 0.1, paint.glass)
    pen.box(-0.64, top - 0.02, 0.36, top + 0.07, paint.shade(0.2))


VEHICLES: dict[str, Drawing] = {"car": car, "bus": bus, "boat": boat, "plane": plane}
