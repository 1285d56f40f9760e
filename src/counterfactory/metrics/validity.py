"""Whether a counterfactual shows what was asked: numbers from where pictures and texts lie in CLIP's space.

All vectors have length 1. `e` is an image's, `t` a text's; 0 is the source and 1 the counterfactual.
"""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]


def cosines(a_ND: Vectors, b_ND: Vectors) -> Vectors:
    """How near vectors of length 1 lie, pair by pair."""
    found: Vectors = np.einsum("nd,nd->n", a_ND, b_ND)
    return found


def directions(e0_ND: Vectors, e1_ND: Vectors, t0_ND: Vectors, t1_ND: Vectors) -> Vectors:
    """Whether the picture moved where the text did: the cosine of both moves (StyleGAN-NADA, Gal et al. 2021).

    Nothing that moved not at all points anywhere: 0.
    """
    image_ND, text_ND = e1_ND - e0_ND, t1_ND - t0_ND
    lengths_N = np.linalg.norm(image_ND, axis=1) * np.linalg.norm(text_ND, axis=1)
    found: Vectors = np.where(lengths_N > 0, cosines(image_ND, text_ND) / np.maximum(lengths_N, 1e-12), 0.0)
    return found


def preferences(e1_ND: Vectors, t0_ND: Vectors, t1_ND: Vectors) -> Vectors:
    """How much nearer the counterfactual lies to its new words than to the old ones (LANCE, Prabhu et al. 2023)."""
    return cosines(e1_ND, t1_ND) - cosines(e1_ND, t0_ND)


def floor_of(values: Vectors, share: float) -> float:
    """The value that a share of others falls below."""
    return float(np.quantile(values, share))
