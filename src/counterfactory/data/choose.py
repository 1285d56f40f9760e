"""Few-shot choice: which samples are taken depends on what they show, never on the order a disk lists them in."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

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
    """The first `per_class` images of each class, ranked by seed and content: two shots are among the four of a seed.

    An image that is there twice counts once, and a sample of weight 0 not at all. Of attributes (multi-label), each has
    at least so many images that show it: a sample is taken if it is among the first of any of its attributes.
    """
    ranked = _ranked(dataset, seed)
    groups = _groups(ranked, dataset)
    short = {name: len(found) for name, found in groups.items() if len(found) < per_class}
    if short:
        few = listed(f"{name} has {count}" for name, count in short.items())
        fewer = f"--shots {min(short.values())} or less" if min(short.values()) else "more images of these classes"
        raise BadData(
            f"Too few different images in {dataset.split!r} for {per_class} shots of each class: {few}. "
            f"Give {fewer}, or leave these classes out."
        )
    return _taken(dataset, ranked, [rank for found in groups.values() for rank in found[:per_class]])


def hold_out(dataset: Dataset, per_class: int, seed: int, without: Dataset) -> Dataset:
    """A validation split by the same rule from what was not chosen: at most half of what remains of each class."""
    chosen = {sample.image.digest for sample in without.samples}
    ranked = [one for one in _ranked(dataset, seed) if one.sample.image.digest not in chosen]
    groups = _groups(ranked, dataset)
    half = {name: len(found) // 2 for name, found in groups.items()}
    held: dict[int, None] = {}
    count: Counter[str] = Counter()
    for name, found in groups.items():
        for rank in found:
            shown = ranked[rank].classes
            if count[name] < per_class and rank not in held and all(count[other] < half[other] for other in shown):
                held[rank] = None
                count.update(shown)
    return replace(_taken(dataset, ranked, held), split="validation")


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


def _groups(ranked: Sequence[Ranked], dataset: Dataset) -> Mapping[str, list[int]]:
    """The ranks of the samples of each class."""
    names = (WHOLE,) if dataset.task == "segmentation" else dataset.classes
    groups: dict[str, list[int]] = {name: [] for name in names}
    for rank, one in enumerate(ranked):
        for name in one.classes:
            groups.setdefault(name, []).append(rank)
    return groups


def _taken(dataset: Dataset, ranked: Sequence[Ranked], chosen: Iterable[int]) -> Dataset:
    """The chosen samples, each once, in the order they were chosen."""
    taken = [ranked[rank] for rank in dict.fromkeys(chosen)]
    weights = tuple(one.weight for one in taken)
    return replace(
        dataset,
        samples=tuple(one.sample for one in taken),
        weights=None if dataset.weights is None else weights,
    )
