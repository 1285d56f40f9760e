"""What a made picture counts: DIAGen's weights by a classifier's confidence, and Diff-Mix's labels of mixtures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Chances:
    """How often each picture is drawn among those of its source, and the sources where nothing told them apart."""

    values: Numbers
    even: tuple[str, ...]  # sources all of whose pictures weigh nothing


def weights(confidences: Numbers) -> Numbers:
    """1 for a picture that is more likely of its class than not, else twice its confidence (DIAGen)."""
    return np.minimum(1.0, 2 * np.asarray(confidences, np.float64))


def chances(weights_N: Numbers, sources: Sequence[str]) -> Chances:
    """Weights that sum to 1 over the pictures of each source, given by its name; even ones where all of them are 0."""
    _, groups_N, counts_S = np.unique(np.array(sources, str), return_inverse=True, return_counts=True)
    totals_N = np.bincount(groups_N, weights_N)[groups_N]
    even_N = totals_N == 0
    values = np.where(even_N, 1 / counts_S[groups_N], weights_N / np.where(even_N, 1.0, totals_N))
    return Chances(
        values=values, even=tuple(dict.fromkeys(source for source, even in zip(sources, even_N, strict=True) if even))
    )


def mixed_label(
    source: int, target: int, classes: int, strength: float, curve: float, kept: float = 1.0
) -> tuple[float, ...]:
    """The label of a picture of one class that was redrawn as another: kept [(1 - s^g) source + s^g target] (Diff-Mix).

    `strength` s is the image-to-image strength, `curve` g. The published code leaves what is missing to 1 where `kept`
    is less; here it is spread over all classes, because a label is a distribution.
    """
    share = strength**curve
    label = np.full(classes, (1 - kept) / classes)
    np.add.at(label, [source, target], [kept * (1 - share), kept * share])
    return tuple(label.tolist())
