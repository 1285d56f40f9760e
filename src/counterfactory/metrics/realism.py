"""Whether counterfactuals look like real images as a whole: FID, and what a likeness to the sources cannot flatter.

A counterfactual is its source but for a few pixels, so its distance to its own source says mostly that few changed.
sFID and KID compare the counterfactuals of one half with the sources of the other.
"""

from collections.abc import Callable

import numpy as np

from counterfactory.keys import seed_for
from counterfactory.metrics.distances import Features, frechet_distance, kernel_distance
from counterfactory.metrics.statistics import enough, jackknife, mean_interval, within
from counterfactory.types import Interval

Distance = Callable[[Features, Features], float]


def fid(real_ND: Features, made_ND: Features, seed: int = 0) -> Interval:
    """The Fréchet distance of pairs in the same order; leaving out pairs gives the interval."""
    enough(len(real_ND), 2, "FID")
    found = jackknife(lambda rows: frechet_distance(real_ND[rows], made_ND[rows]), len(real_ND), seed)
    return within(found, 0.0, np.inf)


def split_fid(real_ND: Features, made_ND: Features, repetitions: int = 10, seed: int = 0) -> Interval:
    """sFID: the Fréchet distance between one half's sources and the other half's counterfactuals."""
    enough(len(real_ND), 4, "sFID")
    return _over_splits(frechet_distance, (real_ND, made_ND), repetitions, seed)


def kid(real_ND: Features, made_ND: Features, repetitions: int = 10, seed: int = 0) -> Interval:
    """The kernel distance between such halves; between pairs it would not be without bias."""
    enough(len(real_ND), 4, "KID")
    return _over_splits(kernel_distance, (real_ND, made_ND), repetitions, seed)


def _over_splits(distance: Distance, pairs: tuple[Features, Features], repetitions: int, seed: int) -> Interval:
    """The mean of both ways over repeated splits; its interval says how much the choice of halves matters."""
    seeds = [seed_for("split", seed, number) for number in range(repetitions)]
    return mean_interval([_both_ways(distance, *pairs, one) for one in seeds])


def _both_ways(distance: Distance, real_ND: Features, made_ND: Features, seed: int) -> float:
    one, other = np.array_split(np.random.default_rng(seed).permutation(len(real_ND)), 2)
    return (distance(real_ND[one], made_ND[other]) + distance(real_ND[other], made_ND[one])) / 2
