"""What a classifier's probabilities are worth: pure functions of numpy arrays. Knows no model and no data set.

Targets are class numbers (N,), distributions (N, C), or for several labels an image 0 and 1 (N, C) with NaN where
nobody knows. A distribution's class is its most probable one.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Whole = NDArray[np.integer]

BINS = 15
TINY = 1e-12  # a probability of zero costs -log(TINY), not infinity


def measure(probabilities: Array, targets: Array | Whole) -> Mapping[str, float]:
    """Every number for one label an image; `top_5` where there are more than five classes."""
    numbers = {
        "accuracy": accuracy(probabilities, targets),
        "balanced_accuracy": balanced_accuracy(probabilities, targets),
        "auc": mean_known(one_against_rest(probabilities, targets)),
        "nll": negative_log_likelihood(probabilities, targets),
        "calibration_error": calibration_error(probabilities, targets),
    }
    if probabilities.shape[1] > 5:
        numbers["top_5"] = top_accuracy(probabilities, targets, 5)
    return numbers


def measure_labels(probabilities: Array, targets: Array) -> Mapping[str, float]:
    """Every number for several labels an image: means over the labels that can be measured."""
    return {
        "accuracy": mean_known(label_accuracy(probabilities, targets)),
        "average_precision": mean_known(average_precision(probabilities, targets)),
        "auc": mean_known(area_under_curve(probabilities, targets)),
    }


def accuracy(probabilities: Array, targets: Array | Whole) -> float:
    """The share of images whose most probable class is theirs."""
    return float(np.mean(probabilities.argmax(1) == labels(targets)))


def top_accuracy(probabilities: Array, targets: Array | Whole, k: int) -> float:
    """The share of images whose class is among the `k` most probable; of equal ones the first class wins."""
    nearest = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float(np.mean((nearest == labels(targets)[:, None]).any(1)))


def balanced_accuracy(probabilities: Array, targets: Array | Whole) -> float:
    """The mean of the classes' recalls, over the classes that occur."""
    return mean_known(recalls(confusion_matrix(probabilities, targets)))


def confusion_matrix(probabilities: Array, targets: Array | Whole) -> NDArray[np.int64]:
    """Counts (C, C): a row for each true class, a column for each most probable one."""
    classes = probabilities.shape[1]
    cells = labels(targets) * classes + probabilities.argmax(1)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def recalls(confusion: NDArray[np.int64]) -> Array:
    """Each class's accuracy (C,), NaN for a class without images."""
    counts = confusion.sum(1)
    return np.where(counts > 0, confusion.diagonal() / np.maximum(counts, 1), np.nan)


def negative_log_likelihood(probabilities: Array, targets: Array | Whole) -> float:
    """The mean cross entropy in nats, against distributions too."""
    logarithms = np.log(np.maximum(probabilities.astype(np.float64), TINY))
    if targets.ndim == 1:
        return float(-logarithms[np.arange(len(targets)), targets.astype(np.int64)].mean())
    return float(-(targets * logarithms).sum(1).mean())


def calibration_error(probabilities: Array, targets: Array | Whole, bins: int = BINS) -> float:
    """Expected calibration error (Naeini et al. 2015; Guo et al. 2017): |accuracy - confidence| over equal bins."""
    confidence = probabilities.max(1).astype(np.float64)
    right = probabilities.argmax(1) == labels(targets)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)  # bins are open below: (a, b]
    gaps = np.bincount(place, right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def label_accuracy(probabilities: Array, targets: Array) -> Array:
    """For each label (C,) the share of images on the right side of one half, among those where it is known."""
    known = ~np.isnan(targets)
    right = ((probabilities >= 0.5) == (targets >= 0.5)) & known
    return np.where(known.any(0), right.sum(0) / np.maximum(known.sum(0), 1), np.nan)


def average_precision(probabilities: Array, targets: Array) -> Array:
    """For each label (C,) the mean precision at its positives, equal scores counted together; NaN without positives."""
    return _by_label(_average_precision, probabilities, targets)


def area_under_curve(probabilities: Array, targets: Array) -> Array:
    """For each label (C,) the chance that a positive scores above a negative (ROC); NaN without one of either."""
    return _by_label(_area, probabilities, targets)


def one_against_rest(probabilities: Array, targets: Array | Whole) -> Array:
    """For each class (C,) the chance that an image of it scores above another; NaN for a class that no image has."""
    right = labels(targets)
    return np.array([_area(scores, right == number) for number, scores in enumerate(probabilities.T)])


def labels(targets: Array | Whole) -> NDArray[np.int64]:
    """Class numbers (N,), of distributions the most probable."""
    return (targets if targets.ndim == 1 else targets.argmax(1)).astype(np.int64)


def mean_known(values: Array) -> float:
    """The mean without the NaNs; NaN where nothing else is there."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _by_label(measured: Callable[[Array, NDArray[np.bool_]], float], probabilities: Array, targets: Array) -> Array:
    known = ~np.isnan(targets)
    return np.array(
        [measured(probabilities[k, c], targets[k, c] >= 0.5) for c, k in enumerate(known.T)], dtype=np.float64
    )


def _average_precision(scores: Array, positive: NDArray[np.bool_]) -> float:
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # the end of each group of equal scores
    gained = np.diff(hits[last], prepend=0)
    precision = hits[last] / (np.flatnonzero(last) + 1)
    return float((gained * precision).sum() / positive.sum())


def _area(scores: Array, positive: NDArray[np.bool_]) -> float:
    from scipy.stats import rankdata

    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    above = rankdata(scores)[positive].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))
