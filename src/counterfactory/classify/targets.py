"""A data set's labels as one array of numbers. Knows no network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterfactory.errors import BadData
from counterfactory.types import Dataset, Sample

ROUNDED = 0.01  # how far from 1 the sum of a distribution may be that somebody wrote down


def targets_of(dataset: Dataset) -> NDArray[Any]:
    """Class numbers (N,); or rows (N, C) of distributions, of several labels 0, 1 and NaN where nobody knows."""
    check(dataset)
    given = [sample.target for sample in dataset.samples]
    if dataset.task == "single-label":
        return np.array(given, np.int64)
    rows = np.array(given, np.float64)  # None becomes NaN
    if dataset.task == "soft-label":
        rows /= rows.sum(1, keepdims=True)
    return rows.astype(np.float32)


def check(dataset: Dataset) -> None:
    """Says what a classifier cannot learn from."""
    if dataset.task == "segmentation":
        raise BadData("These images are labelled pixel by pixel; a classifier needs a class for each image.")
    if not dataset.samples:
        raise BadData(f"The split {dataset.split!r} has no images.")
    if len(dataset.classes) < 2 and dataset.task != "multi-label":
        raise BadData(f"There is only one class, {', '.join(dataset.classes)!r}; a classifier needs at least two.")
    odd = [sample for sample in dataset.samples if not _fits(sample, dataset)]
    if odd:
        raise BadData(
            f"{len(odd)} of {len(dataset)} images of the split {dataset.split!r} have no usable {dataset.task} target; "
            f"the first is {odd[0].image.place} with {odd[0].target!r}. Label them or leave them out."
        )


def _fits(sample: Sample, dataset: Dataset) -> bool:
    target, count = sample.target, len(dataset.classes)
    if dataset.task == "single-label":
        return isinstance(target, int) and 0 <= target < count
    if not isinstance(target, tuple) or len(target) != count:
        return False
    if dataset.task == "multi-label":
        return all(value in (0, 1, None) for value in target)
    shares = [-1.0 if value is None else value for value in target]
    return min(shares) >= 0 and abs(sum(shares) - 1) < ROUNDED


def matched(known: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """For each wanted class its column among a classifier's: the same names, or the same but for case and order."""
    for plain in (str, _plain):
        columns = {plain(name): column for column, name in enumerate(known)}
        names = [plain(name) for name in wanted]
        if len(columns) == len(known) and sorted(columns) == sorted(names):
            return [columns[name] for name in names]
    raise BadData(
        f"The classifier knows {_named(known)}, the data has {_named(wanted)}. "
        "Both must name the same classes: train a classifier on this data, or rename the classes."
    )


def _plain(name: str) -> str:
    return name.strip().casefold()


def _named(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:8]) + (", ..." if len(classes) > 8 else "")
    return f"{len(classes)} classes ({shown})"
