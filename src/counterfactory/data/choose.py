"""Few-shot choice: which samples are taken depends on what they show, never on the order a disk lists them in.

Photographs are chosen; what was made from one goes where it goes, so that no split has a picture of another's.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice

from counterfactory.data.labels import main_class
from counterfactory.data.problems import listed
from counterfactory.errors import BadData
from counterfactory.keys import canonical, key
from counterfactory.types import Dataset, Sample

WHOLE = "the data set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A sample, its weight and the names of the classes that it counts for."""

    sample: Sample
    weight: float
    classes: tuple[str, ...]


def shots(dataset: Dataset, per_class: int, seed: int) -> Dataset:
    """The first `per_class` images of each class, ranked by seed and content, and all that was made from them.

    Two shots are among the four of a seed. An image that is there twice counts once, and a sample of weight 0 not at
    all. Of attributes (multi-label), each has at least so many images that show it: a sample is taken if it is among
    the first of any of its attributes. Images with an origin count only where all have one.
    """
    every = _ranked(dataset, seed)
    groups = _groups(_real(every), dataset)
    short = {name: len(found) for name, found in groups.items() if len(found) < per_class}
    if short:
        few = listed(f"{name} has {count}" for name, count in short.items())
        fewer = f"--shots {min(short.values())} or less" if min(short.values()) else "more images of these classes"
        raise BadData(
            f"Too few different images in {dataset.split!r} for {per_class} shots of each class: {few}"
            f"{', not counting those made from others' if len(_real(every)) < len(every) else ''}. "
            f"Give {fewer}, or leave these classes out."
        )
    chosen = [one for found in groups.values() for one in found[:per_class]]
    digests = {one.sample.image.digest for one in chosen}
    lineage = _lineages(dataset)
    others = (one for one in every if one.sample.image.digest not in digests)
    return _taken(dataset, [*chosen, *(one for one in others if digests & lineage(one.sample))])


def hold_out(dataset: Dataset, per_class: int, seed: int, without: Dataset) -> Dataset:
    """A validation split by the same rule from what was not chosen: at most half of what remains of each class."""
    free = set(unrelated(dataset, without).samples)
    groups = _groups([one for one in _real(_ranked(dataset, seed)) if one.sample in free], dataset)
    half = {name: len(found) // 2 for name, found in groups.items()}
    held: dict[Ranked, None] = {}
    count: Counter[str] = Counter()
    for name, found in groups.items():
        for one in found:
            if count[name] < per_class and one not in held and all(count[other] < half[other] for other in one.classes):
                held[one] = None
                count.update(one.classes)
    return replace(_taken(dataset, held), split="validation")


def unrelated(dataset: Dataset, other: Dataset) -> Dataset:
    """The samples that have no image in their lineage which one of the other data set has in its own, too."""
    lineage = _lineages(dataset, other)
    known = {digest for sample in other.samples for digest in lineage(sample)}
    kept = [row for row, sample in enumerate(dataset.samples) if not known & lineage(sample)]
    weights = dataset.weights and tuple(dataset.weights[row] for row in kept)
    return replace(dataset, samples=tuple(dataset.samples[row] for row in kept), weights=weights)


def levelled(dataset: Dataset) -> Dataset:
    """Each class as often as the most frequent one, so that accuracy counts all classes alike."""
    groups: dict[int | None, list[Sample]] = {}
    for sample in dataset.samples:
        groups.setdefault(main_class(sample.target, dataset.task), []).append(sample)
    most = max(map(len, groups.values()))
    again = [sample for own in groups.values() for sample in islice(cycle(own), most - len(own))]
    return replace(dataset, samples=(*dataset.samples, *again), weights=None)


def _ranked(dataset: Dataset, seed: int) -> list[Ranked]:
    """Samples that count, each image once a class, in the order of a draw that content and seed decide."""
    weights: Iterable[float] = dataset.weights or (1.0,) * len(dataset)
    unique: dict[tuple[str, tuple[str, ...]], Ranked] = {}
    for sample, weight in zip(dataset.samples, weights, strict=True):
        one = Ranked(sample=sample, weight=weight, classes=_classes_of(sample, dataset))
        name = (sample.image.digest, one.classes)
        if weight and (name not in unique or _said(one) < _said(unique[name])):
            unique[name] = one
    draws = {digest: key(seed, digest) for digest, _ in unique}
    return [unique[name] for name in sorted(unique, key=lambda name: (draws[name[0]], name[1]))]


def _real(ranked: list[Ranked]) -> list[Ranked]:
    """The photographs; all, where there are none."""
    return [one for one in ranked if one.sample.origin is None] or ranked


def _lineages(*datasets: Dataset) -> Callable[[Sample], set[str]]:
    """What finds the digests of a sample and of all that it was made from, as far as these data sets know."""
    parents: dict[str, set[str]] = {}
    for sample in (sample for dataset in datasets for sample in dataset.samples):
        if sample.origin and sample.origin.parent:
            parents.setdefault(sample.image.digest, set()).add(sample.origin.parent)

    def lineage(sample: Sample) -> set[str]:
        found: set[str] = set()
        new = {sample.image.digest}
        while new:  # ends also where a file says that two images were made from each other
            found |= new
            new = {parent for digest in new for parent in parents.get(digest, ())} - found
        return found

    return lineage


def _said(one: Ranked) -> str:
    """What decides between two samples of one image."""
    return canonical([one.sample, one.weight])


def _classes_of(sample: Sample, dataset: Dataset) -> tuple[str, ...]:
    """The class of a sample, or all attributes that it shows; segmentation has no classes of whole images."""
    if dataset.task == "multi-label" and isinstance(sample.target, tuple):
        return tuple(name for name, value in zip(dataset.classes, sample.target, strict=True) if value == 1)
    main = main_class(sample.target, dataset.task)
    if main is not None:
        return (dataset.classes[main],)
    return (WHOLE,) if dataset.task == "segmentation" else ()


def _groups(ranked: Sequence[Ranked], dataset: Dataset) -> Mapping[str, list[Ranked]]:
    """The samples of each class, in their order."""
    names = (WHOLE,) if dataset.task == "segmentation" else dataset.classes
    groups: dict[str, list[Ranked]] = {name: [] for name in names}
    for one in ranked:
        for name in one.classes:
            groups.setdefault(name, []).append(one)
    return groups


def _taken(dataset: Dataset, chosen: Iterable[Ranked]) -> Dataset:
    """The chosen samples, each once, in the order they were chosen."""
    taken = list(dict.fromkeys(chosen))
    weights = tuple(one.weight for one in taken)
    return replace(
        dataset,
        samples=tuple(one.sample for one in taken),
        weights=None if dataset.weights is None else weights,
    )
