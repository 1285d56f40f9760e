"""Several collections as one: classes matched by name, splits of one name put end to end."""

from collections.abc import Sequence
from dataclasses import replace

from counterfactory.errors import BadData
from counterfactory.types import Collection, Dataset, Sample, Target, Task


def join(collections: Sequence[Collection]) -> Collection:
    """Real and synthetic data, or several folders; soft and hard labels together are soft ones."""
    if len(collections) == 1:
        return collections[0]
    classes = tuple(dict.fromkeys(name for collection in collections for name in collection.classes))
    task = _task(collections)
    parts: dict[str, list[Dataset]] = {}
    for collection in collections:
        for name, dataset in collection.splits.items():
            parts.setdefault(name, []).append(_moved(dataset, classes, task))
    return Collection(
        name="+".join(collection.name for collection in collections),
        kind=", ".join(dict.fromkeys(collection.kind for collection in collections)),
        splits={name: _joined(datasets) for name, datasets in parts.items()},
        problems=tuple(problem for collection in collections for problem in collection.problems),
    )


def _task(collections: Sequence[Collection]) -> Task:
    tasks = {collection.task for collection in collections}
    if len(tasks) == 1:
        return tasks.pop()
    if tasks == {"single-label", "soft-label"}:
        return "soft-label"
    kinds = ", ".join(f"{collection.name} is {collection.task}" for collection in collections)
    raise BadData(f"These data cannot be joined: {kinds}; expected one kind of label.")


def _moved(dataset: Dataset, classes: tuple[str, ...], task: Task) -> Dataset:
    """A data set in the joint classes' numbers."""
    places = [classes.index(name) for name in dataset.classes]
    samples = tuple(replace(s, target=_target(s, places, len(classes), task)) for s in dataset.samples)
    return replace(dataset, samples=samples, classes=classes, task=task)


def _target(sample: Sample, places: list[int], count: int, task: Task) -> Target:
    target = sample.target
    if isinstance(target, int):
        at = places[target]
        return at if task == "single-label" else tuple(float(i == at) for i in range(count))
    if target is None:
        return None
    given = dict(zip(places, target, strict=True))
    if task == "multi-label":  # what a collection does not speak of, nobody knows
        return tuple(None if given.get(i) is None else int(given[i] or 0) for i in range(count))
    return tuple(float(given.get(i) or 0.0) for i in range(count))


def _joined(datasets: Sequence[Dataset]) -> Dataset:
    weighted = any(dataset.weights is not None for dataset in datasets)
    weights = tuple(w for dataset in datasets for w in dataset.weights or (1.0,) * len(dataset))
    samples = tuple(sample for dataset in datasets for sample in dataset.samples)
    return replace(datasets[0], samples=samples, weights=weights if weighted else None)
