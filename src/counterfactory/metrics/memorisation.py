"""Whether made pictures repeat the training pictures: as near to them as only a few of the real unseen ones are."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterfactory.errors import BadData
from counterfactory.metrics.duplicates import Vectors, nearest
from counterfactory.types import Interval

SAME = 1 - 1e-6  # a cosine of a picture and itself, within rounding
RARE = 0.05  # of the unseen real pictures are as near as what counts as near


@dataclass(frozen=True, kw_only=True, eq=False)
class Memorisation:
    """How near each made picture comes to the training pictures, and what share is nearer than real ones come."""

    share: float  # of made pictures that lie nearer than the threshold
    expected: Interval  # that share in 95 of 100 sets, if made pictures came no nearer than unseen real ones do
    threshold: float  # a cosine
    cosines: NDArray[np.float64]  # of each made picture to its nearest training picture
    places: NDArray[np.int64]  # that one's row
    worst: NDArray[np.int64]  # the made pictures' rows, the nearest first

    @property
    def found(self) -> bool:
        """Whether more is near than chance explains."""
        return self.expected.high is not None and self.share > self.expected.high


def memorisation(made_ND: Vectors, training_MD: Vectors, unseen_KD: Vectors, rare: float = RARE) -> Memorisation:
    """Of vectors of length 1: each made picture's nearest training picture, judged by how near unseen real ones are.

    The threshold is the m-th largest of the unseen ones' K cosines, m = rare (K + 1) rounded down: another picture of
    their kind exceeds it with a chance of m / (K + 1), whatever the distribution. How many of M such pictures do is
    beta-binomial, as the threshold is a matter of chance too. Unseen pictures that are training pictures tell nothing
    and are left out; made ones that are count in any case.
    """
    usual = nearest(unseen_KD, training_MD)[0] if len(training_MD) else np.zeros(0)
    usual = usual[usual < SAME]
    few = int(rare * (len(usual) + 1))
    if not few or not len(made_ND) or not len(training_MD):
        raise BadData(
            f"There are {len(made_ND)} made, {len(training_MD)} training and {len(usual)} unseen real pictures; "
            f"expected some of the first two and at least {math.ceil(1 / rare) - 1} of the last."
        )
    cosines, places = nearest(made_ND, training_MD)
    threshold = float(np.sort(usual)[-few])
    return Memorisation(
        share=float(((cosines > threshold) | (cosines >= SAME)).mean()),
        expected=_by_chance(len(cosines), few, len(usual)),
        threshold=threshold,
        cosines=cosines,
        places=places,
        worst=np.argsort(-cosines, kind="stable"),
    )


def _by_chance(made: int, few: int, unseen: int) -> Interval:
    """The share of fresh pictures that exceed what only a few of the unseen ones reach."""
    from scipy.stats import betabinom

    low, high = betabinom.ppf([0.025, 0.975], made, few, unseen + 1 - few) / made
    return Interval(mean=few / (unseen + 1), low=float(low), high=float(high), n=made)
