"""A part of a data set, chosen by content: a few samples for a first try, or a quota of every class."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, Field

from counterfactory.data.labels import main_class
from counterfactory.errors import BadConfig, unknown
from counterfactory.keys import seed_for
from counterfactory.types import Collection, Dataset

Count = Annotated[int, Field(ge=1)]


class Quota(BaseModel, frozen=True, extra="forbid"):
    """How much of a data set is taken; several bounds hold together, and no class takes from another's."""

    classes: tuple[str, ...] | None = Field(default=None, description="these alone; null for all")
    share: float = Field(default=1.0, gt=0, le=1, description="the part of each class that is taken")
    per_class: Count | None = Field(default=None, description="at most so many of each class; null for all")
    total: Count | None = Field(default=None, description="at most so many in all, in proportion; null for all")


def limit(collection: Collection, n: int, seed: int = 0) -> Collection:
    """At most `n` samples a split: one of each class first, then in proportion, in the order they had."""
    splits = {name: within(dataset, Quota(total=n), seed) for name, dataset in collection.splits.items()}
    return replace(collection, splits=splits)


def within(dataset: Dataset, quota: Quota, seed: int = 0) -> Dataset:
    """The samples that a quota takes, in the order they had; a larger quota takes all of these and more."""
    draws = [(seed_for("limit", seed, sample.image), row) for row, sample in enumerate(dataset.samples)]
    taken = [_of_class(rows, quota) for rows in _chosen(_groups(dataset, draws), dataset, quota)]
    parts = {row: rank / len(rows) for rows in taken for rank, row in enumerate(rows)}
    kept = sorted(sorted(parts, key=lambda row: (parts[row], draws[row]))[: quota.total])
    if len(kept) == len(dataset):
        return dataset
    weights = dataset.weights and tuple(dataset.weights[row] for row in kept)
    return replace(dataset, samples=tuple(dataset.samples[row] for row in kept), weights=weights)


def _groups(dataset: Dataset, draws: Sequence[tuple[int, int]]) -> dict[int | None, list[int]]:
    """Rows by their class, each class in the order of the draws."""
    found: defaultdict[int | None, list[int]] = defaultdict(list)
    for row in sorted(range(len(dataset)), key=draws.__getitem__):
        found[main_class(dataset.samples[row].target, dataset.task)].append(row)
    return found


def _chosen(groups: Mapping[int | None, list[int]], dataset: Dataset, quota: Quota) -> list[list[int]]:
    """The rows of each class that the quota names."""
    if quota.classes is None:
        return list(groups.values())
    if set(groups) == {None}:
        raise BadConfig("classes: the images of this data set have no class of their own; leave `classes` out.")
    lost = [name for name in quota.classes if name not in dataset.classes]
    if lost:
        raise unknown("class", lost[0], dataset.classes)
    return [groups.get(dataset.classes.index(name), []) for name in dict.fromkeys(quota.classes)]


def _of_class(rows: list[int], quota: Quota) -> list[int]:
    """The first ones of a class: its share, at least one."""
    return rows[: min(max(1, round(quota.share * len(rows))), quota.per_class or len(rows))]
