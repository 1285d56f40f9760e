"""What a collection is like and what is wrong with it, found by looking at every image."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations

from counterfactory.data.check import Seen, look
from counterfactory.data.labels import absent_classes, main_class
from counterfactory.data.problems import SHOWN, listed, printable
from counterfactory.pixels import PARALLEL_FROM, Pixels
from counterfactory.processes import Helpers, interruptible
from counterfactory.types import Address, Collection, Dataset, Failed, Problem, Sample, Task

TINY = 5  # images of a class below which nothing can be learned or measured well
IMBALANCE = 10  # the largest class over the smallest, from which plain accuracy misleads

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What `counterfactory inspect` shows; plain data throughout."""

    name: str
    kind: str
    task: Task
    splits: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]  # class -> split -> images
    sizes: Mapping[str, Size] = field(default_factory=dict)  # smallest, median and largest: width, height
    modes: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def inspect(collection: Collection, processes: int = 1) -> Inspection:
    """Counts, sizes and problems; every image and mask is decoded once."""
    images = list(dict.fromkeys(sample.image for data in collection.splits.values() for sample in data.samples))
    masks = list(dict.fromkeys(s.mask for data in collection.splits.values() for s in data.samples if s.mask))
    looks = dict(zip((*images, *masks), _looks((*images, *masks), processes), strict=True))
    seen = [found for image in images if not isinstance(found := looks[image], Failed)]
    found_problems = (
        *collection.problems,
        *_undecodable(looks),
        *_duplicates(collection.splits),
        *_leakage(collection.splits),
        *absent_classes(collection.splits),
        *_balance(collection.splits),
    )
    return Inspection(
        name=collection.name,
        kind=collection.kind,
        task=collection.task,
        splits={split: len(data) for split, data in collection.splits.items()},
        classes=_counts(collection),
        sizes=_sizes(seen),
        modes=dict(Counter(look["mode"] for look in seen).most_common()),
        problems=tuple(dict.fromkeys(found_problems)),
    )


def _looks(addresses: Sequence[Address], processes: int) -> list[Seen | Failed]:
    one = partial(look, Pixels())
    if processes < 2 or len(addresses) < PARALLEL_FROM:
        return [one(address) for address in addresses]
    with Helpers(processes) as helpers, interruptible(helpers):
        return list(helpers.map(one, addresses, chunksize=256))


def _counts(collection: Collection) -> dict[str, dict[str, int]]:
    """Images of each class in each split; a sample of several labels counts for each."""
    counts = {name: dict.fromkeys(collection.splits, 0) for name in collection.classes}
    for split, data in collection.splits.items():
        for sample in data.samples:
            for number in _labels(sample, data.task):
                counts[data.classes[number]][split] += 1
    return counts


def _labels(sample: Sample, task: Task) -> list[int]:
    if task == "multi-label" and isinstance(sample.target, tuple):
        return [number for number, mark in enumerate(sample.target) if mark]
    number = main_class(sample.target, task)
    return [] if number is None else [number]


def _sizes(seen: Sequence[Seen]) -> dict[str, Size]:
    """By area."""
    sizes = sorted(((look["width"], look["height"]) for look in seen), key=lambda size: (size[0] * size[1], size))
    if not sizes:
        return {}
    return {"smallest": sizes[0], "median": sizes[len(sizes) // 2], "largest": sizes[-1]}


def _undecodable(looks: Mapping[Address, Seen | Failed]) -> Iterator[Problem]:
    """The first few one by one, then how many more there are."""
    failed = [(address, found) for address, found in looks.items() if isinstance(found, Failed)]
    for address, found in failed[:SHOWN]:
        where = printable(address.place)
        yield Problem(where=_file(address), what=printable(found.reason).removeprefix(f"{where}: "))
    if len(failed) > SHOWN:
        yield Problem(where=f"{len(failed) - SHOWN} more", what="cannot be decoded as images either")


def _duplicates(splits: Mapping[str, Dataset]) -> Iterator[Problem]:
    """The same bytes twice in a split, and worse, under two labels."""
    for split, data in splits.items():
        same: defaultdict[str, list[Sample]] = defaultdict(list)
        for sample in data.samples:
            same[sample.image.digest].append(sample)
        twins = [group for group in same.values() if len(group) > 1]
        torn = [group for group in twins if len({sample.target for sample in group}) > 1]
        if twins:
            yield Problem(where=split, what=f"{len(twins)} image(s) more than once: {_groups(twins)}")
        if torn:
            yield Problem(where=split, what=f"{len(torn)} image(s) under more than one label: {_groups(torn)}")


def _leakage(splits: Mapping[str, Dataset]) -> Iterator[Problem]:
    """The same bytes in two splits: what is measured there is memory."""
    for one, other in combinations(splits, 2):
        known = {sample.image.digest: sample for sample in splits[one].samples}
        again = {sample.image.digest: sample for sample in splits[other].samples if sample.image.digest in known}
        if again:
            pairs = [[known[digest], sample] for digest, sample in again.items()]
            yield Problem(
                where=f"{one} and {other}", what=f"{len(pairs)} image(s) are in both (leakage): {_groups(pairs)}"
            )


def _balance(splits: Mapping[str, Dataset]) -> Iterator[Problem]:
    """Too few images of a class to learn it, far more of one than of another, or no other at all."""
    split, data = next(iter(splits.items()))
    if data.task not in ("single-label", "soft-label") or not data.classes:
        return
    counts = Counter(main_class(sample.target, data.task) for sample in data.samples)
    there = {data.classes[number]: count for number, count in counts.items() if number is not None}
    if len(there) == 1:
        yield Problem(where=split, what=f"one class only ({listed(there)}); nothing can be told apart")
    tiny = [f"{name} ({there[name]})" for name in data.classes if 0 < there.get(name, 0) < TINY]
    if tiny:
        yield Problem(where=split, what=f"{len(tiny)} class(es) of fewer than {TINY} images: {listed(tiny)}")
    if there and max(there.values()) >= IMBALANCE * min(there.values()):
        most, least = max(there, key=there.__getitem__), min(there, key=there.__getitem__)
        yield Problem(
            where=split,
            what=f"classes of very different size: {there[most]} of {most}, {there[least]} of {least}; "
            "look at balanced accuracy",
        )


def _groups(groups: Sequence[Sequence[Sample]]) -> str:
    return listed(" = ".join(_file(sample.image) for sample in group) for group in groups)


def _file(address: Address) -> str:
    """A place as a person would name it."""
    return printable(address.place.removeprefix("file:"))
