"""How sure a number is: means over repetitions, paired differences and shares, each with a 95 % interval."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from counterfactory.errors import BadData
from counterfactory.types import Interval

ROUNDING = 1e-9  # of equal differences, which arithmetic makes a little unequal
NORMAL = 1.959963984540054  # the 97.5 % point of the normal distribution


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean over repetitions with Student's t interval; one repetition has no bounds."""
    from scipy.stats import t

    n = len(values)
    assert n > 0, "a mean needs a value"
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean=mean)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = float(t.ppf(0.975, n - 1)) * deviation / math.sqrt(n)
    return Interval(mean=mean, low=mean - half, high=mean + half, n=n)


def paired_chance(values: Sequence[float], others: Sequence[float]) -> float | None:
    """The chance of so large a mean difference of pairs if there were none: Student's paired t test, two-sided."""
    from scipy.stats import t

    gain = [value - other for value, other in zip(values, others, strict=True)]
    n, mean = len(gain), math.fsum(gain) / len(gain)
    if n < 2:
        return None
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in gain) / (n - 1))
    if deviation <= ROUNDING * max(1.0, abs(mean)):
        return None  # equal for each pair: no width claims too much
    return float(2 * t.sf(abs(mean) / (deviation / math.sqrt(n)), n - 1))


def within(interval: Interval, lowest: float, highest: float) -> Interval:
    """The same interval where its bounds cannot lie outside of what is possible."""
    if interval.low is None or interval.high is None:
        return interval
    return replace(interval, low=max(interval.low, lowest), high=min(interval.high, highest))


def paired_difference(values: Sequence[float], references: Sequence[float]) -> Interval:
    """The mean of `value - reference` over repetitions that share their seeds, in order."""
    return mean_interval([value - reference for value, reference in zip(values, references, strict=True)])


def share_interval(hits: int, n: int) -> Interval:
    """A share of `n` images with Wilson's score interval (1927), which stays within 0 and 1."""
    assert 0 <= hits <= n and n > 0, f"{hits} of {n} is not a share"  # noqa: PT018
    share, square = hits / n, NORMAL**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = NORMAL * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return Interval(mean=share, low=max(0.0, middle - half), high=min(1.0, middle + half), n=n)


def jackknife(statistic: Callable[[NDArray[np.int64]], float], n: int, seed: int, groups: int = 10) -> Interval:
    """A statistic of `n` rows, and how it moves when a tenth of them is left out in turn (Tukey 1958).

    Unlike the bootstrap it doubles no row, which a distance between sets would take for a likeness.
    """
    from scipy.stats import t

    whole = statistic(np.arange(n))
    parts = np.array_split(np.random.default_rng(seed).permutation(n), min(groups, n))
    if len(parts) < 2:
        return Interval(mean=whole)
    others = [statistic(np.sort(np.concatenate(parts[:i] + parts[i + 1 :]))) for i in range(len(parts))]
    g, mean = len(parts), math.fsum(others) / len(parts)
    deviation = math.sqrt((g - 1) / g * math.fsum((other - mean) ** 2 for other in others))
    half = float(t.ppf(0.975, g - 1)) * deviation
    return Interval(mean=whole, low=whole - half, high=whole + half, n=n)


def enough(n: int, needed: int, what: str, of: str = "images") -> None:
    """Says how many a metric needs, where there are fewer."""
    if n < needed:
        raise BadData(f"{what} needs {needed} {of} or more, and there {'is' if n == 1 else 'are'} {n}.")


def in_percent(share: Interval) -> Interval:
    """The same, of shares."""
    low, high = (None if bound is None else 100 * bound for bound in (share.low, share.high))
    return Interval(mean=100 * share.mean, low=low, high=high, n=share.n)
