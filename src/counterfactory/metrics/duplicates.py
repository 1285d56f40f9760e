"""Which pictures are all but the same: the nearest among others, by the cosine of their features."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating]
Nearest = tuple[NDArray[np.float64], NDArray[np.int64]]

AT_ONCE = 4_000_000  # cosines: 32 MB at most, whatever the sets' sizes
NOBODY = -1  # the row of nothing; the cosine to it is -1 too, the least there is


def nearest(made_ND: Vectors, others_MD: Vectors) -> Nearest:
    """For each of some vectors of length 1 the largest cosine to one of the others, and that one's row."""
    cosines, places = _nobody(len(made_ND))
    if len(others_MD):
        for rows, found in _cosines(made_ND, others_MD):
            places[rows] = found.argmax(1)
            cosines[rows] = found.max(1)
    return cosines, places


def nearest_before(made_ND: Vectors) -> Nearest:
    """The same among those that come before it; before the first one comes nobody."""
    cosines, places = _nobody(len(made_ND))
    for rows, found in _cosines(made_ND, made_ND):
        later = np.arange(len(made_ND)) >= np.arange(rows.start, rows.start + len(found))[:, None]
        found[later] = -np.inf
        places[rows] = found.argmax(1)
        cosines[rows] = found.max(1)
    cosines[:1], places[:1] = NOBODY, NOBODY
    return cosines, places


def _nobody(count: int) -> Nearest:
    return np.full(count, float(NOBODY)), np.full(count, NOBODY, np.int64)


def _cosines(a_ND: Vectors, b_MD: Vectors) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Cosines of some rows of `a` at a time with all of `b`."""
    others = np.asarray(b_MD, np.float64).T
    size = max(1, AT_ONCE // max(1, len(b_MD)))
    for start in range(0, len(a_ND), size):
        rows = slice(start, start + size)
        yield rows, np.asarray(a_ND[rows], np.float64) @ others
