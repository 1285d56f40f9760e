"""What every job does with its data: leave out what cannot be decoded, measure and choose by others, and say so."""

from dataclasses import replace

from counterfactory.data.check import Check
from counterfactory.errors import BadData
from counterfactory.pixels import find_place
from counterfactory.recipes.trials import Choice
from counterfactory.run import Run
from counterfactory.types import Address, Collection, Dataset, Failed


def usable(run: Run, collection: Collection) -> Collection:
    """The collection without broken images and masks; each of these is a failed row of the run."""
    addresses = list(dict.fromkeys(a for dataset in collection.splits.values() for a in _addresses(dataset)))
    broken = {
        a.digest for a, seen in zip(addresses, run.map(Check(), addresses), strict=True) if isinstance(seen, Failed)
    }
    if not broken:
        return collection
    splits = {name: _without(dataset, broken) for name, dataset in collection.splits.items()}
    for name, dataset in splits.items():
        if not dataset.samples:
            raise BadData(f"Every image of the split {name!r} is broken; `counterfactory inspect` says how.")
        if lost := sorted(_labels(collection.splits[name]) - _labels(dataset)):
            listed = ", ".join(dataset.classes[label] for label in lost)
            run.watcher.note(f"Every image of {listed} in the split {name!r} is broken: nothing is left of it there.")
    return replace(collection, splits=splits)


def measurable(collection: Collection) -> Collection:
    """With a split to measure on: where the data have none for tests, their validation images are that.

    So ImageNet is distributed; whatever is chosen, is then chosen on images held out of training.
    """
    splits = dict(collection.splits)
    if any(name.startswith("test") for name in splits) or "validation" not in splits:
        return collection
    splits["test"] = replace(splits.pop("validation"), split="test")
    return replace(collection, splits=splits)


def validated(collection: Collection, choice: Choice, per_class: int | None) -> str:
    """Which images chose the best state of a training, in words."""
    if "validation" not in choice:
        return "no images were left for validation, so that the last state of each training counts"
    real = sum(sample.origin is None for sample in choice["train"].samples)
    others = per_class is not None and real >= per_class * len(collection.classes)
    source = "training images that were not chosen" if others else "training images"
    held = "" if "validation" in collection.splits else f", held out of the {source}"
    return f"the best state of each training was kept by {len(choice['validation'])} validation images{held}"


def leaks(collection: Collection) -> tuple[str, ...]:
    """What of the training images is in a split that chooses or measures too: such numbers flatter."""
    known = (
        {sample.image.digest for sample in collection.splits["train"].samples}
        if "train" in collection.splits
        else set()
    )
    sentences = []
    for name, dataset in collection.splits.items():
        twice = sum(sample.image.digest in known for sample in dataset.samples) if name != "train" else 0
        if twice:
            sentences.append(f"Mind: {twice} of the {len(dataset)} images of {name} are training images too.")
    return tuple(sentences)


def _addresses(dataset: Dataset) -> list[Address]:
    """Every image and mask that may be broken: what is computed from a formula cannot."""
    every = [address for sample in dataset.samples for address in (sample.image, sample.mask) if address]
    return [address for address in every if not _is_formula(address)]


def _is_formula(address: Address) -> bool:
    return find_place(address.place.partition(":")[0]).keep


def _labels(dataset: Dataset) -> set[int]:
    """The classes that a split has images of, where each has one."""
    return {sample.target for sample in dataset.samples if isinstance(sample.target, int)}


def _without(dataset: Dataset, broken: set[str]) -> Dataset:
    """A split without the samples whose image or mask is broken."""
    kept = [
        i
        for i, sample in enumerate(dataset.samples)
        if sample.image.digest not in broken and (sample.mask is None or sample.mask.digest not in broken)
    ]
    weights = dataset.weights and tuple(dataset.weights[i] for i in kept)
    return replace(dataset, samples=tuple(dataset.samples[i] for i in kept), weights=weights)
