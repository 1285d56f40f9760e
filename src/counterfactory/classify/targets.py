"""A data set's labels as one array of numbers. Knows no network."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from counterfactory.errors import BadData
from counterfactory.types import Dataset, Sample


def target_rows(dataset: Dataset) -> NDArray[np.float32]:
    """One row of numbers an image (N, C): a distribution, or for several labels 0, 1 and NaN where nobody knows."""
    check(dataset)
    if dataset.task == "single-label":
        numbers = np.array([sample.target for sample in dataset.samples], dtype=np.int64)
        return np.eye(len(dataset.classes), dtype=np.float32)[numbers]
    rows = [sample.target for sample in dataset.samples]
    return np.array(rows, dtype=np.float64).astype(np.float32)  # None becomes NaN


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
    return None not in target and abs(sum(value or 0.0 for value in target) - 1) < 1e-3


def matched(known: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """For each wanted class its column among a classifier's; the names must be the same but for their order."""
    columns = {name.strip().casefold(): column for column, name in enumerate(known)}
    names = [name.strip().casefold() for name in wanted]
    if len(columns) != len(known) or sorted(columns) != sorted(names):
        raise BadData(
            f"The classifier knows {_named(known)}, the data has {_named(wanted)}. "
            "Both must name the same classes: train a classifier on this data, or rename the classes."
        )
    return [columns[name] for name in names]


def _named(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:8]) + (", ..." if len(classes) > 8 else "")
    return f"{len(classes)} classes ({shown})"
