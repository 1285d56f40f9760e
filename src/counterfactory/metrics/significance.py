"""Whether a difference between pairs is more than chance: intervals and tests of many slices at once, corrected.

Shares may be means of several answers a unit (a source with several counterfactuals), so that they need be no whole
number of hits; what counts as one observation is the unit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfactory.metrics.statistics import NORMAL

Numbers = NDArray[np.float64]
Whole = NDArray[np.integer]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bounds:
    """A number for each slice and the 95 % interval around it; NaN where there is none."""

    mean: Numbers
    low: Numbers
    high: Numbers


def wilson(shares: Numbers, units: Whole) -> Bounds:
    """Wilson's score interval (1927) of each share of so many units."""
    n, square = np.maximum(units, 1).astype(np.float64), NORMAL**2
    middle = (shares + square / (2 * n)) / (1 + square / n)
    inside = np.maximum(shares * (1 - shares) / n, 0) + square / (4 * n * n)  # rounding may leave less than nothing
    half = NORMAL * np.sqrt(inside) / (1 + square / n)
    return Bounds(mean=shares, low=np.maximum(middle - half, 0), high=np.minimum(middle + half, 1))


def paired_shares(before: Numbers, after: Numbers, both: Numbers, units: Whole) -> Bounds:
    """The difference of two shares of the same units, `both` being the share of both at once (the mean product).

    Newcombe (1998), method 10: Wilson's intervals of both shares, squared and added, less what the pairs share.
    """
    first, second = wilson(before, units), wilson(after, units)
    phi = _correlation(before, after, both, np.maximum(units, 1))
    low = _root(second.mean - second.low, first.high - first.mean, phi)
    high = _root(second.high - second.mean, first.mean - first.low, phi)
    change = after - before
    return Bounds(mean=change, low=change - low, high=change + high)


def mean_change(total: Numbers, squares: Numbers, units: Whole) -> Bounds:
    """The mean of so many differences, of which sum and sum of squares are known, with Student's t interval."""
    from scipy.stats import t

    n = units.astype(np.float64)
    mean = np.divide(total, n, out=np.full_like(total, np.nan), where=n > 0)
    spread = np.maximum(squares - n * mean**2, 0) / np.maximum(n - 1, 1)
    half = t.ppf(0.975, np.maximum(n - 1, 1)) * np.sqrt(spread / np.maximum(n, 1))
    known = np.where(n > 1, half, np.nan)
    return Bounds(mean=mean, low=mean - known, high=mean + known)


def mcnemar(worse: Whole, better: Whole) -> Numbers:
    """The exact two-sided test of McNemar (1947): the chance of so uneven changes if either way were as likely.

    Given units that changed for the worse and for the better, it is the sign test; units that did not change say
    nothing. Where none changed the chance is 1.
    """
    from scipy.stats import binom

    fewer, changed = np.minimum(worse, better), worse + better
    return np.asarray(np.minimum(1.0, 2 * binom.cdf(fewer, changed, 0.5)), np.float64)


def holm(chances: Numbers) -> Numbers:
    """Chances corrected for their number (Holm 1979): the k-th smallest times those from it on, never falling."""
    n = len(chances)
    order = np.argsort(chances, kind="stable")
    stepped = np.maximum.accumulate(chances[order] * (n - np.arange(n)))
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _correlation(before: Numbers, after: Numbers, both: Numbers, n: Whole) -> Numbers:
    """Of before and after; a positive one is taken smaller by the continuity correction that Newcombe gives."""
    together = both - before * after
    together = np.where(together > 0, np.maximum(together - 1 / (2 * n), 0), together)
    scale = np.sqrt(np.maximum(before * (1 - before) * after * (1 - after), 0))
    found = np.divide(together, scale, out=np.zeros_like(together), where=scale > 0)
    return np.clip(found, -1, 1)


def _root(one: Numbers, other: Numbers, phi: Numbers) -> Numbers:
    return np.sqrt(np.maximum(one**2 - 2 * phi * one * other + other**2, 0))
