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
SAME = 1e-12  # squared distances, relative to squared lengths, that rounding alone could make
HAIR = 1 + 1e-9  # a ball's neighbour lies in it, however the distance was rounded


def fidelity(real_ND: Features, made_MD: Features, k: int = NEIGHBOURS) -> Mapping[str, float]:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020), balls closed.

    The shares of made pictures in a ball of a real one, and of real ones in a ball of a made one; in how many real
    balls a made picture lies, over k; and the share of real balls in which a made one lies.
    """
    real, made = _enough(real_ND, k), _enough(made_MD, k)
    real_N, made_M = _radii(real, k), _radii(made, k)
    times_M, reached_N, covered_N = np.zeros(len(made)), np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, apart in _squares(real, made):
        inside = apart <= real_N[rows, None]
        times_M += inside.sum(0)
        covered_N[rows] = inside.any(1)
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


def _radii(features_ND: Numbers, k: int) -> Numbers:
    """The squared distance of each to its k-th nearest other."""
    found = np.empty(len(features_ND))
    for rows, apart in _squares(features_ND, features_ND):
        found[rows] = np.partition(apart, k, axis=1)[:, k]  # each is itself the nearest, at 0
    return found * HAIR


def _squares(a_ND: Numbers, b_MD: Numbers) -> Iterator[tuple[slice, Numbers]]:
    """Squared distances of some rows of `a` at a time to all of `b`."""
    lengths_N, lengths_M = (np.einsum("nd,nd->n", x, x) for x in (a_ND, b_MD))
    size = max(1, AT_ONCE // len(b_MD))
    for start in range(0, len(a_ND), size):
        rows = slice(start, start + size)
        both = lengths_N[rows, None] + lengths_M
        apart = both - 2 * a_ND[rows] @ b_MD.T
        apart[apart < SAME * both] = 0.0
        yield rows, apart
