"""Whether counterfactuals look like real images as a whole: FID, and what a likeness to the sources cannot flatter.

A counterfactual is its source but for a few pixels, so its distance to its own source says mostly that few changed.
sFID and KID compare the counterfactuals of one half with the sources of the other.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from counterfactory.keys import seed_for
from counterfactory.metrics.distances import Features, frechet_distance, kernel_distance
from counterfactory.metrics.statistics import enough, jackknife, mean_interval, within
from counterfactory.types import Interval

Sources = Sequence[Hashable] | None  # which source each pair has; each its own if unsaid
Distance = Callable[[Features, Features], float]


def fid(real_ND: Features, made_ND: Features, seed: int = 0) -> Interval:
    """The Fréchet distance of pairs in the same order; leaving out pairs gives the interval."""
    enough(len(real_ND), 2, "FID")
    found = jackknife(lambda rows: frechet_distance(real_ND[rows], made_ND[rows]), len(real_ND), seed)
    return within(found, 0.0, np.inf)


def split_fid(
    real_ND: Features, made_ND: Features, repetitions: int = 10, seed: int = 0, sources: Sources = None
) -> Interval:
    """sFID: the Fréchet distance between one half's sources and the other half's counterfactuals."""
    enough(len(set(sources or range(len(real_ND)))), 4, "sFID")
    return _over_splits(frechet_distance, (real_ND, made_ND), repetitions, seed, sources)


def kid(
    real_ND: Features, made_ND: Features, repetitions: int = 10, seed: int = 0, sources: Sources = None
) -> Interval:
    """The kernel distance between such halves; between pairs it would not be without bias."""
    enough(len(set(sources or range(len(real_ND)))), 4, "KID")
    return _over_splits(kernel_distance, (real_ND, made_ND), repetitions, seed, sources)


def _over_splits(
    distance: Distance, pairs: tuple[Features, Features], repetitions: int, seed: int, sources: Sources
) -> Interval:
    """The mean of both ways over repeated splits; its interval says how much the choice of halves matters."""
    named = sources or range(len(pairs[0]))
    numbers = {source: number for number, source in enumerate(dict.fromkeys(named))}
    of_source = np.array([numbers[source] for source in named])
    seeds = [seed_for("split", seed, number) for number in range(repetitions)]
    return replace(mean_interval([_both_ways(distance, *pairs, of_source, one) for one in seeds]), n=len(pairs[0]))


def _both_ways(
    distance: Distance, real_ND: Features, made_ND: Features, of_source: NDArray[np.int64], seed: int
) -> float:
    """All that was made of one source is in one half."""
    halves = np.array_split(np.random.default_rng(seed).permutation(of_source.max() + 1), 2)
    one, other = (np.flatnonzero(np.isin(of_source, half)) for half in halves)
    return (distance(real_ND[one], made_ND[other]) + distance(real_ND[other], made_ND[one])) / 2
