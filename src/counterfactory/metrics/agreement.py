"""How far people agree: Krippendorff's alpha, a pure function of their ratings."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Level = Literal["nominal", "ordinal"]


def alpha(ratings_RU: Numbers, level: Level = "nominal") -> float:
    """Agreement of raters (rows) on units (columns), NaN where one did not say: 1 is full, 0 is what chance gives.

    Krippendorff (2011). NaN where nothing can be said: no unit has two ratings, or all ratings are the same.
    """
    values, coincidences = _coincidences(ratings_RU)
    counts = coincidences.sum(1)
    total = counts.sum()
    if total < 2 or len(values) < 2:
        return float("nan")
    apart = _DISTANCES[level](counts)
    observed = (coincidences * apart).sum() / total
    expected = (np.outer(counts, counts) * apart).sum() / (total * (total - 1))
    return float(1 - observed / expected)


def _coincidences(ratings_RU: Numbers) -> tuple[Numbers, Numbers]:
    """The values that occur in units with at least two ratings, and how often each meets each within a unit."""
    paired = ratings_RU[:, (~np.isnan(ratings_RU)).sum(0) >= 2]
    values = np.unique(paired[~np.isnan(paired)])
    counts_UV = np.stack([(paired == value).sum(0) for value in values], axis=1) if values.size else np.zeros((0, 0))
    weights_U = 1 / (counts_UV.sum(1) - 1)
    met = np.einsum("uc,uk,u->ck", counts_UV, counts_UV, weights_U)
    alone = np.einsum("uc,u->c", counts_UV, weights_U)  # a rating does not meet itself
    return values, met - np.diag(alone)


def _nominal(counts: Numbers) -> Numbers:
    return 1 - np.eye(len(counts))


def _ordinal(counts: Numbers) -> Numbers:
    """Squares of how many ratings lie between two values, half of each of both included."""
    places = np.cumsum(counts) - counts / 2
    return np.asarray((places[:, None] - places[None, :]) ** 2)


_DISTANCES: dict[Level, Callable[[Numbers], Numbers]] = {"nominal": _nominal, "ordinal": _ordinal}
