"""Which attributes counterfactuals changed, as an oracle reads them: how many, and whether together as usual."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterfactory.errors import BadData
from counterfactory.metrics.statistics import enough, jackknife, mean_interval, within
from counterfactory.types import Interval

Readings = NDArray[np.generic]  # (N, A): a value of each attribute for each image
Marks = NDArray[np.float64]  # (N, A) of 1 and 0; not a number where nobody knows


@dataclass(frozen=True, kw_only=True)
class CorrelationDifference:
    """CD of one query, and over how many attributes it is a sum."""

    value: Interval
    attributes: int
    constant: int  # attributes that never change, or that the reference does not vary: left out


def shown(probabilities_NA: ArrayLike, thresholds: ArrayLike = 0.5) -> NDArray[np.bool_]:
    """Whether each attribute is there, by one threshold or by its own."""
    found: NDArray[np.bool_] = np.asarray(probabilities_NA) > np.asarray(thresholds)
    return found


def number_changed(before_NA: Readings, after_NA: Readings, asked_N: ArrayLike | None = None) -> Interval:
    """MNAC (Rodríguez et al. 2021): how many attributes changed, on average; without those asked for, if given."""
    enough(len(before_NA), 1, "MNAC")
    changed = before_NA != after_NA
    if asked_N is not None:
        changed[np.arange(len(changed)), np.asarray(asked_N, int)] = False
    return mean_interval(changed.sum(1).astype(float).tolist())


def correlations(marks_MA: Marks, query: int) -> NDArray[np.float64]:
    """Pearson's correlation of each attribute with the query; not a number where one of the two is constant."""
    marks = np.asarray(marks_MA, np.float64)
    known = ~np.isnan(marks) & ~np.isnan(marks[:, [query]])
    n = known.sum(0)
    x, y = np.where(known, marks, 0.0), np.where(known, marks[:, [query]], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart_x, apart_y = (np.where(known, part - part.sum(0) / n, 0.0) for part in (x, y))
        length = np.sqrt(np.square(apart_x).sum(0) * np.square(apart_y).sum(0))
        found: NDArray[np.float64] = np.where(length > 0, (apart_x * apart_y).sum(0) / length, np.nan)
    return found


def correlation_difference(
    before_NA: Marks, after_NA: Marks, usual_A: NDArray[np.float64], query: int, seed: int = 0
) -> CorrelationDifference:
    """CD (Jeanneret et al. 2022): the sum over attributes of |corr(d query, d attribute) - usual correlation|."""
    change = np.asarray(after_NA, np.float64) - np.asarray(before_NA, np.float64)
    enough(len(change), 3, "CD")
    found = correlations(change, query)
    if np.isnan(found[query]):
        raise BadData(f"CD needs images in which the query changed differently; in all {len(change)} it did the same.")
    if np.isnan(usual_A[query]):
        raise BadData("CD needs a reference in which the query is labelled and not the same in all images.")
    kept = np.flatnonzero(~np.isnan(found) & ~np.isnan(usual_A))

    def summed(rows: NDArray[np.int64]) -> float:
        # Of fewer images an attribute may never change: then it does not go with the query.
        return float(np.abs(np.nan_to_num(correlations(change[rows], query)[kept]) - usual_A[kept]).sum())

    value = within(jackknife(summed, len(change), seed), 0.0, np.inf)
    return CorrelationDifference(value=value, attributes=len(kept), constant=len(found) - len(kept))
