"""How far two sets of features are apart as a whole: as Gaussians, and without supposing any shape."""

import numpy as np
from numpy.typing import NDArray

from counterfactory.errors import BadData

Features = NDArray[np.floating]

AT_ONCE = 4_000_000  # values of the kernel: 32 MB, whatever the sets' sizes


def frechet_distance(a_ND: Features, b_MD: Features) -> float:
    """Between two sets of features, each taken for a Gaussian (Heusel et al. 2017, eq. 6).

    With covariances X'X and Y'Y the trace of the root of their product is the sum of the singular values of XY', and X
    has no more rows than pictures or features: few pictures cost what they are, however many features they have.
    """
    apart = np.square(a_ND.mean(0, dtype=np.float64) - b_MD.mean(0, dtype=np.float64)).sum()
    if min(len(a_ND), len(b_MD)) < 2:
        return float(apart)
    one, other = _spread(a_ND), _spread(b_MD)
    shared = np.linalg.svd(one @ other.T, compute_uv=False).sum()
    return float(max(0.0, apart + np.square(one).sum() + np.square(other).sum() - 2 * shared))


def _spread(x_ND: Features) -> NDArray[np.float64]:
    """A matrix X, at most square, whose X'X is the features' covariance."""
    centred = (x_ND - x_ND.mean(0, dtype=np.float64)) / np.sqrt(len(x_ND) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r")) if len(x_ND) > x_ND.shape[1] else centred


def kernel_distance(a_ND: Features, b_MD: Features) -> float:
    """The squared maximum mean discrepancy with the kernel (x y / D + 1)^3, unbiased (KID, Bińkowski et al. 2018).

    Over the whole sets and not over parts of them. Between sets of one distribution it is 0 on average, so it may be
    below.
    """
    if min(len(a_ND), len(b_MD)) < 2:
        raise BadData("A kernel distance needs two pictures in each set.")
    return _mean_of_others(a_ND) + _mean_of_others(b_MD) - 2 * _sum(a_ND, b_MD) / (len(a_ND) * len(b_MD))


def _mean_of_others(x_ND: Features) -> float:
    """The kernel's mean over pairs of different pictures."""
    n, dimension = x_ND.shape
    itself = np.einsum("nd,nd->n", x_ND, x_ND, dtype=np.float64)
    return float((_sum(x_ND, x_ND) - ((itself / dimension + 1) ** 3).sum()) / (n * (n - 1)))


def _sum(a_ND: Features, b_MD: Features) -> float:
    """The kernel's sum over all pairs."""
    columns = np.asarray(b_MD, np.float64).T
    size = max(1, AT_ONCE // len(b_MD))
    parts = (np.asarray(a_ND[start : start + size], np.float64) for start in range(0, len(a_ND), size))
    return float(sum(((part @ columns / len(columns) + 1) ** 3).sum() for part in parts))
