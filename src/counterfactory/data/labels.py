"""Class names: their order, and what can be wrong with them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from counterfactory.data.problems import listed
from counterfactory.types import Dataset, Problem, Target

NUMBER = re.compile(r"(\d+)")


def natural(text: str) -> tuple[Any, ...]:
    """A sort key under which class2 comes before class10."""
    parts = NUMBER.split(text)
    return tuple((int(part), "") if odd % 2 else (-1, part.casefold()) for odd, part in enumerate(parts)), text


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Each class once, in natural order."""
    return tuple(sorted(set(names), key=natural))


def main_class(target: Target, task: str) -> int | None:
    """The one class that a sample counts for: its label, or the likeliest of a soft one."""
    if isinstance(target, int):
        return target
    if task == "soft-label" and target:
        return max(range(len(target)), key=lambda i: target[i] or 0)
    return None


def absent_classes(splits: Mapping[str, Dataset]) -> tuple[Problem, ...]:
    """One problem for each split that lacks some of the classes."""
    problems = []
    for split, dataset in splits.items():
        if dataset.task in ("single-label", "soft-label"):
            there = {main_class(sample.target, dataset.task) for sample in dataset.samples}
            absent = _without(dataset.classes, there)
            if absent:
                problems.append(Problem(where=split, what=f"no image of {len(absent)} class(es): {listed(absent)}"))
    return tuple(problems)


def _without(classes: Sequence[str], there: set[int | None]) -> list[str]:
    return [name for index, name in enumerate(classes) if index not in there]
