"""Draws the animals; each function draws one, facing right."""

import numpy as np

from counterfactory.data.diorama.paint import Drawing, Paint
from counterfactory.data.diorama.pen import Pen

PINK = (228, 142, 150)


def dog(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    """Seen from the side: long snout, hanging ear, tail up, a collar."""
    long, leg = random.uniform(0.84, 1.04), random.uniform(0.36, 0.5)
    rear, back = -0.12 - long / 2, leg + random.uniform(0.38, 0.46)
    front = rear + long
    for x in (rear + 0.14, front - 0.2):
        _leg(pen, x, leg, paint.shade(0.38))
    pen.stroke([(rear, back - 0.1), (rear - 0.2, back + 0.08), (rear - 0.2, back + 0.4)], 0.13, paint.shade(0.12))
    trunk = [(rear - 0.1, back - 0.14), (rear + 0.08, back), (front - 0.1, back - 0.02), (front + 0.14, back + 0.1)]
    belly = [(front + 0.2, back - 0.14), (front + 0.04, leg - 0.06), (rear + long / 2, leg + 0.04), (rear, leg)]
    pen.blob(trunk + belly, paint.base)
    for x in (rear - 0.03, front - 0.02):
        _leg(pen, x, leg, paint.base)
    x, y = front + 0.16, back + 0.34
    neck = [(front - 0.2, back - 0.06), (x - 0.2, y), (x + 0.12, y - 0.12), (front + 0.18, back - 0.2)]
    pen.polygon(neck, paint.base)
    collar = (60, 110, 190) if paint.base[0] > 150 else (206, 44, 44)
    pen.stroke([(x - 0.24, y - 0.2), (x + 0.1, y - 0.3)], 0.09, collar)
    _dog_head(pen, paint, random, x, y)


def _dog_head(pen: Pen, paint: Paint, random: np.random.Generator, x: float, y: float) -> None:
    snout, ear = random.uniform(0.36, 0.46), random.uniform(0.3, 0.4)
    if random.random() < 0.4:
        pen.ellipse(x + snout - 0.1, y - 0.2, 0.06, 0.12, PINK)
    skull = [(x - 0.24, y), (x - 0.12, y + 0.22), (x + 0.12, y + 0.18), (x + 0.24, y + 0.06)]
    jaw = [(x + snout, y + 0.03), (x + snout, y - 0.13), (x + 0.1, y - 0.18), (x - 0.16, y - 0.16)]
    pen.blob(skull + jaw, paint.base)
    pen.ellipse(x + snout - 0.01, y + 0.02, 0.075, 0.065, (120, 96, 96) if paint.is_dark else (20, 18, 20))
    pen.ellipse(x + 0.08, y + 0.08, 0.045, 0.05, paint.mark)
    tip = y - ear
    pen.blob(
        [(x - 0.2, y + 0.18), (x - 0.04, y + 0.16), (x - 0.06, tip + 0.18), (x - 0.2, tip + 0.1), (x - 0.3, y - 0.02)],
        paint.shade(0.42),
    )


def cat(pen: Pen, paint: Paint, random: np.random.Generator) -> None:
    """Sitting face on or walking: pointed ears, whiskers, green eyes, a long tail."""
    if random.random() < 0.6:
        x, y = _sitting(pen, paint, random)
    else:
        x, y = _walking(pen, paint, random)
    radius = random.uniform(0.35, 0.4)
    for side in (-1, 1):
        pen.polygon(
            [
                (x + side * radius, y),
                (x + side * radius * 1.02, y + radius * 1.45),
                (x + side * 0.04, y + radius * 0.7),
            ],
            paint.base,
        )
        pen.polygon(
            [
                (x + side * radius * 0.84, y + 0.1),
                (x + side * radius * 0.88, y + radius * 1.16),
                (x + side * radius * 0.34, y + radius * 0.7),
            ],
            PINK,
        )
    pen.ellipse(x, y, radius * 1.06, radius * 0.9, paint.base)
    pen.ellipse(x, y - radius * 0.42, radius * 0.52, radius * 0.38, paint.tint(0.4))
    for side in (-1, 1):
        pen.ellipse(x + side * radius * 0.45, y + radius * 0.12, 0.085, 0.1, (196, 226, 92))
        pen.ellipse(x + side * radius * 0.45, y + radius * 0.12, 0.035, 0.09, (14, 14, 14))
        for lift in (-0.02, 0.1):
            start = (x + side * 0.16, y - radius * 0.4 + lift * 0.5)
            pen.stroke([start, (x + side * (radius + 0.2), y - radius * 0.4 + lift)], 0.022, paint.mark)
    pen.polygon([(x - 0.06, y - 0.1), (x + 0.06, y - 0.1), (x, y - 0.17)], (206, 92, 108))


def _sitting(pen: Pen, paint: Paint, random: np.random.Generator) -> tuple[float, float]:
    """A body like a pear, its tail around it; returns where the head goes."""
    wide = random.uniform(0.42, 0.5)
    pen.stroke([(0.2, 0.1), (0.72, 0.12), (0.82, 0.42), (0.66, 0.66)], 0.14, paint.shade(0.25))
    pen.blob(
        [
            (-wide, 0.16),
            (-wide * 0.86, 0.55),
            (-0.24, 0.95),
            (0.24, 0.95),
            (wide * 0.86, 0.55),
            (wide, 0.16),
            (0, 0.02),
        ],
        paint.base,
    )
    pen.ellipse(0, 0.6, 0.18, 0.26, paint.tint(0.4))
    for side in (-1, 1):
        pen.stroke([(side * 0.14, 0.5), (side * 0.15, 0.1)], 0.15, paint.shade(0.1))
        pen.ellipse(side * 0.17, 0.08, 0.14, 0.08, paint.tint(0.4))
        pen.stroke([(side * (wide - 0.08), 0.4), (side * (wide - 0.02), 0.14)], 0.04, paint.shade(0.35))
    return 0.0, random.uniform(1.08, 1.16)


def _walking(pen: Pen, paint: Paint, random: np.random.Generator) -> tuple[float, float]:
    """A long striped body with the tail up in a hook; returns where the head goes."""
    half, leg = random.uniform(0.44, 0.5), random.uniform(0.34, 0.42)
    back = leg + 0.4
    pen.stroke(
        [(-half, back - 0.12), (-half - 0.22, back + 0.1), (-half - 0.2, back + 0.5), (-half - 0.04, back + 0.64)],
        0.12,
        paint.shade(0.2),
    )
    for x in (-half + 0.12, half - 0.2):
        _leg(pen, x, leg, paint.shade(0.38))
    pen.ellipse(0, leg + 0.18, half + 0.08, 0.24, paint.base)
    for x in (-half - 0.02, half - 0.06):
        _leg(pen, x, leg, paint.base)
    for x in (-0.3, -0.12, 0.06):
        pen.stroke([(x, back), (x + 0.03, back - 0.2)], 0.05, paint.shade(0.45))
    return half + 0.04, back + random.uniform(0.22, 0.3)


def _leg(pen: Pen, x: float, top: float, colour: tuple[int, int, int]) -> None:
    pen.polygon([(x - 0.09, 0), (x - 0.1, top + 0.1), (x + 0.1, top + 0.1), (x + 0.07, 0)], colour)
    pen.ellipse(x + 0.03, 0.05, 0.12, 0.06, colour)


ANIMALS: dict[str, Drawing] = {"dog": dog, "cat": cat}
