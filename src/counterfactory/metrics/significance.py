"""Whether a difference between pairs is more than chance: intervals and tests of many slices at once, corrected.

Shares may be means of several answers a unit (a source with several counterfactuals), so that they need be no whole
number of hits; what counts as one observation is the unit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfactory.metrics.statistics import NORMAL

Numbers = NDArray[np.float64]
Whole = NDArray[np.integer]
LONGEST = 1_000_000


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


def no_change(before: Whole, after: Whole, parts: Whole) -> float:
    """The exact two-sided chance of such failures of units if what came after changed nothing.

    Each unit fails before, or not, and `after` of `parts` times later. With one part this is McNemar's test (1947).
    With more of them the larger chance of two tests counts: a unit's mean change is as likely the other way round
    (Fisher's randomisation test), and each of its outcomes is as likely the one before.
    """
    return max(_turned(after - before * parts, parts), _swapped(before, after, parts))


def _turned(changes: Whole, parts: Whole) -> float:
    """Of so large a sum of `changes / parts`; beyond `LONGEST` sums that are possible it is taken as normal."""
    from scipy.stats import binom, norm

    changes, parts = changes[changes != 0], parts[changes != 0]
    whole = math.lcm(*np.unique(parts).tolist())
    sizes, times = np.unique(np.abs(changes) * (whole // parts), return_counts=True)
    total, most = abs(int((changes * (whole // parts)).sum())), int(sizes @ times)
    if total == 0:
        return 1.0
    if most > LONGEST:
        return float(2 * norm.sf(total / math.sqrt(sizes**2 @ times)))
    each = []
    for size, count in zip(sizes.tolist(), times.tolist(), strict=True):
        each.append(np.zeros(size * count + 1))
        each[-1][::size] = binom.pmf(np.arange(count + 1), count, 0.5)
    return float(np.clip(2 * _summed(each)[(most + total) // 2 :].sum(), 0, 1))


def _swapped(before: Whole, after: Whole, parts: Whole) -> float:
    """Of so many or so few failures before, given how often each unit failed in all."""
    from scipy.stats import binom

    shares, times = np.unique((before + after) / (parts + 1), return_counts=True)
    chances = _summed([binom.pmf(np.arange(n + 1), n, share) for share, n in zip(shares, times, strict=True)])
    failed = int(before.sum())
    return float(np.clip(2 * min(chances[: failed + 1].sum(), chances[failed:].sum()), 0, 1))


def _summed(chances: Sequence[Numbers]) -> Numbers:
    """The chances of a sum, given those of its parts: each of 0, 1, 2 and so on."""
    from scipy.signal import convolve

    found = np.ones(1)
    for one in chances:
        found = convolve(found, one)
    return found


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
