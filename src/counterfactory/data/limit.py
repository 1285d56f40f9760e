"""A smaller collection for a first try: a few samples of each split, chosen by content."""

from collections import defaultdict

from counterfactory.data.labels import main_class
from counterfactory.keys import seed_for
from counterfactory.types import Collection, Dataset


def limit(collection: Collection, n: int, seed: int = 0) -> Collection:
    """At most `n` samples a split: one of each class first, then in proportion, in the order they had."""
    splits = {name: _limited(dataset, n, seed) for name, dataset in collection.splits.items()}
    return Collection(name=collection.name, kind=collection.kind, splits=splits, problems=collection.problems)


def _limited(dataset: Dataset, n: int, seed: int) -> Dataset:
    if len(dataset) <= n:
        return dataset
    kept = sorted(_chosen(dataset, n, seed))
    return Dataset(
        samples=tuple(dataset.samples[i] for i in kept),
        classes=dataset.classes,
        task=dataset.task,
        split=dataset.split,
        weights=dataset.weights and tuple(dataset.weights[i] for i in kept),
    )


def _chosen(dataset: Dataset, n: int, seed: int) -> list[int]:
    """The rank of a sample within its class, as a part of the class, is what orders all."""
    draws = [seed_for("limit", seed, sample.image) for sample in dataset.samples]
    classes: defaultdict[int | None, list[int]] = defaultdict(list)
    for i, sample in enumerate(dataset.samples):
        classes[main_class(sample.target, dataset.task)].append(i)
    part: dict[int, float] = {}
    for members in classes.values():
        for rank, i in enumerate(sorted(members, key=draws.__getitem__)):
            part[i] = rank / len(members)
    return sorted(part, key=lambda i: (part[i], draws[i]))[:n]
