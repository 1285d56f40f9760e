"""What counterfactual explanations are worth: how many flip, how near they stay, and how few pixels decide."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterfactory.metrics.statistics import enough, mean_interval, share_interval, within
from counterfactory.types import Interval

SAME_PERSON = 0.5  # the cosine above which two faces count as one person's (Jacob et al. 2022)


def flip_rate(flipped: Sequence[bool]) -> Interval:
    """The share of images whose answer became the wanted one."""
    enough(len(flipped), 1, "A flip rate")
    return share_interval(sum(map(bool, flipped)), len(flipped))


def same_share(cosines: Sequence[float]) -> Interval:
    """FVA: the share of pairs whose features say that they show one person."""
    enough(len(cosines), 1, "FVA")
    return share_interval(sum(cosine > SAME_PERSON for cosine in cosines), len(cosines))


def likeness(cosines: Sequence[float]) -> Interval:
    """The mean cosine of pairs: face similarity (FS) with an encoder of faces, S3 with a self-supervised one."""
    enough(len(cosines), 1, "A mean cosine")
    return within(mean_interval(cosines), -1.0, 1.0)


def mean_distance(distances: Sequence[float]) -> Interval:
    """The mean of what is never below 0: L1, L2, a perceptual distance, the spread of each image's runs (sigma_L)."""
    enough(len(distances), 1, "A mean distance")
    return within(mean_interval(distances), 0.0, np.inf)


def insertion_gain(target_NT: ArrayLike, source_NT: ArrayLike) -> Interval:
    """COUT (Khorram and Fuxin 2022): area under p(target) less that under p(source) while pixels are inserted."""
    enough(len(np.asarray(target_NT)), 1, "COUT")
    gains = _area(np.asarray(target_NT, float)) - _area(np.asarray(source_NT, float))
    return within(mean_interval(gains.tolist()), -1.0, 1.0)


def _area(curves_NT: NDArray[np.float64]) -> NDArray[np.float64]:
    """By trapezoids, over an axis of length 1."""
    curves = np.atleast_2d(curves_NT)
    enough(curves.shape[1], 2, "An area", "points of a curve")
    areas: NDArray[np.float64] = (curves[:, 1:] + curves[:, :-1]).mean(1) / 2
    return areas
