"""What edits do to a segmenter: overlaps with the true masks before and after, by class and by edit."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from counterfactory.classify.masks import mask_classes
from counterfactory.metrics.segmentation import (
    Counts,
    mean_overlap,
    overlap_change,
    overlap_changes,
    overlap_interval,
    overlaps,
)
from counterfactory.metrics.statistics import in_percent
from counterfactory.recipes.counterfactuals import Counterfactual, in_words
from counterfactory.recipes.tested import Said
from counterfactory.types import Dataset, Table

Answers = Sequence[Said | None]
Pairs = list[tuple[Counterfactual, Said, Said]]
SEED = 0  # of the intervals
MEAN = "mean of the classes (mIoU)"


def overlap_numbers(made: Sequence[Counterfactual], before: Answers, after: Answers) -> Mapping[str, float]:
    """The mean overlap before and after, in percent; nothing where no pixels were asked about."""
    if not (found := _pairs(made, before, after)):
        return {}
    old, new = _columns(found)
    return {f"mIoU {when}, %": round(100 * mean_overlap(each), 2) for when, each in (("before", old), ("after", new))}


def overlap_tables(data: Dataset, made: Sequence[Counterfactual], before: Answers, after: Answers) -> tuple[Table, ...]:
    """By class over all edits, then by edit over all classes."""
    found = _pairs(made, before, after)
    return (_by_class(found, mask_classes(data)), _by_edit(found)) if found else ()


def _by_class(found: Pairs, classes: tuple[str, ...]) -> Table:
    old, new = _columns(found)
    changes = [overlap_change(old, new, SEED), *overlap_changes(old, new, SEED)]
    befores, afters = ([mean_overlap(each), *overlaps(each).tolist()] for each in (old, new))
    names = (MEAN, *map(in_words, classes))
    return Table(
        title="Overlap with the true masks, by class",
        columns=("class", "before, %", "after, %", "change, points"),
        rows=tuple(
            (name, _percent(b), _percent(a), change and in_percent(change))
            for name, b, a, change in zip(names, befores, afters, changes, strict=True)
            if not np.isnan(b) or not np.isnan(a)
        ),
        note=f"{len(found)} counterfactuals beside their sources. {NOTE}",
    )


def _by_edit(found: Pairs) -> Table:
    groups: dict[tuple[str, str], Pairs] = {}
    for pair in found:
        groups.setdefault((pair[0].kind, pair[0].value), []).append(pair)
    rows = []
    for (kind, value), group in groups.items():
        old, new = _columns(group)
        intervals = (overlap_interval(old, SEED), overlap_interval(new, SEED), overlap_change(old, new, SEED))
        rows.append((kind, value, len(group), *map(in_percent, intervals)))
    return Table(
        title="Overlap with the true masks, by edit",
        columns=("kind of edit", "edit", "pictures", "mIoU before, %", "mIoU after, %", "change, points"),
        rows=tuple(sorted(rows, key=lambda row: row[-1].mean)),
        note=f"Most lost first. {NOTE}",
    )


NOTE = "Intersection over union, pixels pooled over images; 95 % intervals by the bootstrap over sources."


def _pairs(made: Sequence[Counterfactual], before: Answers, after: Answers) -> Pairs:
    """Those that count and whose pixels the model was asked about."""
    asked: Iterable[tuple[Counterfactual, Said | None, Said | None]] = zip(made, before, after, strict=True)
    return [
        (one, b, a) for one, b, a in asked if one.counts and b and a and b.counts is not None and a.counts is not None
    ]


def _columns(found: Pairs) -> tuple[Counts, Counts]:
    """Of each source, all counterfactuals together: they are no observations of their own."""
    names, place = np.unique([one.made.source.image.digest for one, _, _ in found], return_inverse=True)
    both = [np.stack(counts) for counts in zip(*[(b.counts, a.counts) for _, b, a in found], strict=True)]
    sums = [np.zeros((len(names), *counts.shape[1:]), counts.dtype) for counts in both]
    for total, counts in zip(sums, both, strict=True):
        np.add.at(total, place, counts)
    return sums[0], sums[1]


def _percent(value: float) -> float | None:
    return None if np.isnan(value) else 100 * value
