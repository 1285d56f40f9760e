"""How strongly a picture guides the drawing of another: DALDA's adaptive guidance scaling. Knows no model.

`s` is the probability that CLIP gives the picture's own class among all classes, and k the pictures a class. What CLIP
takes for something else (s up to 0.3) must be held to its look, what it knows may be drawn more freely:

    s <= 0.3: around 0.7 + 0.2 (1 - s) in [0.7, 0.9];  else: around 0.1 + 0.3 (1 - s) in [0.1, 0.4 + 0.1 sqrt(k)]

with deviation 0.05 k. The formula was made for up to 16 pictures a class; from 36 on the last bound stays at 1. The
paper says a truncated normal distribution; the published code clips a normal one, so that at 16 pictures a class most
draws are one of two constants.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

Rule = Literal["truncated", "clipped", "uniform"]

THRESHOLD = 0.3  # of s
SPREAD = 0.05  # deviation for each picture a class


@dataclass(frozen=True, kw_only=True)
class Normal:
    """A normal distribution that is kept within bounds, of which its mean is never outside."""

    mean: float
    deviation: float
    low: float
    high: float


def guidance_scale(rule: Rule | float, likelihood: float, shots: int, generator: np.random.Generator) -> float:
    """One picture's scale; `uniform` is any from 0 to 1, and a number is itself. One number is drawn in any case."""
    drawn = generator.random()
    if not isinstance(rule, str):
        return rule
    if rule == "uniform":
        return drawn
    return {"truncated": truncated, "clipped": clipped}[rule](adaptive(likelihood, shots), drawn)


def adaptive(likelihood: float, shots: int) -> Normal:
    """What the scale is drawn from, given the picture's likelihood s and the pictures a class."""
    assert 0 <= likelihood <= 1, f"a likelihood of {likelihood} is not from 0 to 1"
    assert shots >= 1, f"{shots} pictures a class are none"
    deviation = SPREAD * shots
    if likelihood <= THRESHOLD:
        return Normal(mean=0.7 + 0.2 * (1 - likelihood), deviation=deviation, low=0.7, high=0.9)
    high = min(1.0, 0.4 + 0.1 * math.sqrt(shots))
    return Normal(mean=0.1 + 0.3 * (1 - likelihood), deviation=deviation, low=0.1, high=high)


def truncated(normal: Normal, drawn: float) -> float:
    """The value below which a share `drawn` of the distribution lies, cut off at its bounds and as much within."""
    from scipy.special import ndtr, ndtri

    below, above = (ndtr((bound - normal.mean) / normal.deviation) for bound in (normal.low, normal.high))
    value = normal.mean + normal.deviation * float(ndtri(below + drawn * (above - below)))
    return min(max(value, normal.low), normal.high)  # rounding may lead out by a hair


def clipped(normal: Normal, drawn: float) -> float:
    """The same of the whole distribution, with all that lies outside moved onto the bounds."""
    from scipy.special import ndtri

    return min(max(normal.mean + normal.deviation * float(ndtri(drawn)), normal.low), normal.high)
