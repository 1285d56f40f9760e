"""How well found classes of pixels overlap with true ones: pure functions of counts, pooled over images.

Counts are whole numbers (N, 3, C), for each image and class the pixels that are found where they are, that there are,
and that are found. An overlap is intersection over union; a class that neither is nor is found has none (NaN).
"""

import warnings

import numpy as np
from numpy.typing import NDArray

from counterfactory.metrics.classification import mean_known
from counterfactory.types import Interval

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]

DRAWS = 1000  # of the bootstrap
AT_ONCE = 50  # of them, so that many images do not fill the memory


def confusion(
    true: NDArray[np.integer], found: NDArray[np.integer], classes: int, ignored: int = 255
) -> NDArray[np.int64]:
    """Pixels (C, C + 1): a row for each true class, a column for each found one and a last one for anything else."""
    known = true != ignored
    true, found = true[known].astype(np.int64), found[known].astype(np.int64)
    if true.size and not 0 <= true.min() <= true.max() < classes:
        raise ValueError(f"true classes go from {true.min()} to {true.max()} and there are {classes}")
    found = np.where((found >= 0) & (found < classes), found, classes)
    cells = np.bincount(true * (classes + 1) + found, minlength=classes * (classes + 1))
    return cells.reshape(classes, classes + 1)


def counts(confusions: NDArray[np.int64]) -> Counts:
    """The counts (..., 3, C) in confusions (..., C, C + 1)."""
    classes = confusions.shape[-2]
    both = np.diagonal(confusions[..., :classes], axis1=-2, axis2=-1)
    return np.stack([both, confusions.sum(-1), confusions[..., :classes].sum(-2)], axis=-2)


def overlaps(counts_N3C: Counts) -> Numbers:
    """The overlap of each class (C,), pixels pooled over all images."""
    return _overlaps(counts_N3C.sum(0, dtype=np.float64))


def mean_overlap(counts_N3C: Counts) -> float:
    """The mean overlap over classes (mIoU), pixels pooled over all images."""
    return mean_known(overlaps(counts_N3C))


def image_overlaps(counts_N3C: Counts) -> Numbers:
    """Each image's own mean overlap (N,) over the classes that it has or was found to have."""
    return _means(_overlaps(counts_N3C.astype(np.float64)))


def overlap_interval(counts_N3C: Counts, seed: int) -> Interval:
    """The mean overlap with a bootstrap interval over images (Efron 1979, percentiles)."""
    drawn = _drawn([counts_N3C], seed)[0]
    return _interval(mean_overlap(counts_N3C), _means(drawn), len(counts_N3C))


def overlap_change(before_N3C: Counts, after_N3C: Counts, seed: int) -> Interval:
    """What the mean overlap of pairs gains from before to after; both are drawn together, pair by pair."""
    before, after = _drawn([before_N3C, after_N3C], seed)
    change = mean_overlap(after_N3C) - mean_overlap(before_N3C)
    return _interval(change, _means(after) - _means(before), len(before_N3C))


def overlap_changes(before_N3C: Counts, after_N3C: Counts, seed: int) -> list[Interval | None]:
    """The same of each class by itself; none where it never occurs in one of both."""
    before, after = _drawn([before_N3C, after_N3C], seed)
    changes = overlaps(after_N3C) - overlaps(before_N3C)
    return [
        None if np.isnan(change) else _interval(change, drawn, len(before_N3C))
        for change, drawn in zip(changes.tolist(), (after - before).T, strict=True)
    ]


def _drawn(parts: list[Counts], seed: int) -> list[Numbers]:
    """Overlaps (draws, C) of images drawn with replacement, the same ones in each part."""
    n = len(parts[0])
    assert all(len(part) == n for part in parts), "pairs need as many images before as after"
    flat = [part.reshape(n, -1).astype(np.float64) for part in parts]
    generator = np.random.default_rng(seed)
    found: list[list[Numbers]] = [[] for _ in parts]
    for _ in range(0, DRAWS, AT_ONCE):
        rows = generator.integers(0, n, (AT_ONCE, n)) + n * np.arange(AT_ONCE)[:, None]
        times = np.bincount(rows.ravel(), minlength=AT_ONCE * n).reshape(AT_ONCE, n).astype(np.float64)
        for out, part in zip(found, flat, strict=True):
            out.append(_overlaps((times @ part).reshape(AT_ONCE, 3, -1)))
    return [np.concatenate(out) for out in found]


def _overlaps(counts_3C: Numbers) -> Numbers:
    both, true, found = np.moveaxis(counts_3C, -2, 0)
    union = true + found - both
    return np.where(union > 0, both / np.maximum(union, 1), np.nan)


def _means(overlaps_NC: Numbers) -> Numbers:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a row without any class has no mean, which is NaN
        return np.asarray(np.nanmean(overlaps_NC, axis=-1))


def _interval(mean: float, drawn: Numbers, n: int) -> Interval:
    known = drawn[~np.isnan(drawn)]
    if n < 2 or not known.size:
        return Interval(mean=mean, n=n)
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(mean=mean, low=float(low), high=float(high), n=n)
