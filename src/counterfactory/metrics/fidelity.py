"""Whether made pictures look like real ones, and whether they are as varied: balls around features, counted.

A ball around a picture reaches to its k-th nearest neighbour of the same set. Made pictures that are spread like the
real ones have a density of 1 on average, and of the other numbers what other real pictures would have: near 1.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from counterfactory.errors import BadData

Features = NDArray[np.floating]
Numbers = NDArray[np.float64]

NEIGHBOURS = 5
AT_ONCE = 4_000_000  # distances: 32 MB, whatever the sets' sizes
GROUP = 64  # neighbours of which at first only the nearest counts
SAME = 1e-12  # squared distances, relative to squared lengths, that rounding alone could make
HAIR = 1 + 1e-9  # a ball's neighbour lies in it, however the distance was rounded


def fidelity(real_ND: Features, made_MD: Features, k: int = NEIGHBOURS) -> Mapping[str, float]:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020), balls closed.

    The shares of made pictures in a ball of a real one, and of real ones in a ball of a made one; in how many real
    balls a made picture lies, over k; and the share of real balls in which a made one lies.
    """
    middle = np.mean(real_ND, 0, dtype=np.float64)  # small numbers are rounded less
    real, made = _enough(real_ND, k) - middle, _enough(made_MD, k) - middle
    real_N, made_M = _radii(real, k), _radii(made, k)
    times_M, reached_N, covered_N = np.zeros(len(made)), np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, apart in _squares(real, made):
        balls, inside = _where(apart <= real_N[rows, None])
        times_M += np.bincount(inside, minlength=len(made))
        covered_N[rows.start + balls] = True
        reached_N[rows] = (apart <= made_M).any(1)
    return {
        "precision": float((times_M > 0).mean()),
        "recall": float(reached_N.mean()),
        "density": float(times_M.mean() / k),
        "coverage": float(covered_N.mean()),
    }


def _enough(features: Features, k: int) -> Numbers:
    if len(features) <= k:
        raise BadData(f"{len(features)} pictures have no {k} neighbours each: compare more of them, or with fewer.")
    return np.asarray(features, np.float64)


def _radii(x_ND: Numbers, k: int) -> Numbers:
    """The squared distance of each to its k-th nearest other, and a hair."""
    found = np.empty(len(x_ND))
    for rows, apart in _squares(x_ND, x_ND):
        found[rows] = _smallest(apart, k)  # each is itself the nearest, at 0
    return found * HAIR + SAME * _lengths(x_ND)


def _smallest(apart: Numbers, k: int) -> Numbers:
    """The k-th smallest of each row, from 0; so many nearest of groups bound it, and few are as near as they."""
    groups = np.minimum.reduceat(apart, np.arange(0, apart.shape[1], GROUP), axis=1)
    if groups.shape[1] <= k:
        return np.partition(apart, k, axis=1)[:, k]
    rows, near = _where(apart <= np.partition(groups, k, axis=1)[:, k, None])
    values = apart[rows, near]
    ranked = values[np.lexsort((values, rows))]
    return ranked[np.searchsorted(rows, np.arange(len(apart))) + k]


def _where(marks: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the few marks among many, ten times sooner than asked for as pairs."""
    rows, columns = np.divmod(np.flatnonzero(marks), marks.shape[1])
    return rows, columns


def _squares(a_ND: Numbers, b_MD: Numbers) -> Iterator[tuple[slice, Numbers]]:
    """Squared distances of some rows of `a` at a time to all of `b`: |a|² + |b|² - 2ab as one product."""
    columns = np.vstack([-2 * b_MD.T, _lengths(b_MD), np.ones(len(b_MD))])
    size = max(1, AT_ONCE // len(b_MD))
    for start in range(0, len(a_ND), size):
        part = a_ND[start : start + size]
        yield slice(start, start + len(part)), np.column_stack([part, np.ones(len(part)), _lengths(part)]) @ columns


def _lengths(x_ND: Numbers) -> Numbers:
    """Squared."""
    squares: Numbers = np.einsum("nd,nd->n", x_ND, x_ND)
    return squares
