"""The classes of segmentation masks: from a list beside them, else from the numbers in some of the masks."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from counterfactory.data.problems import below
from counterfactory.data.rows import read_text
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels
from counterfactory.types import Address, Problem

LISTS = ("classes.txt", "labels.txt", "class_names.txt")
VOID = 255  # what most data sets write where nobody said what there is
SAMPLED = 64  # masks that are opened to see their numbers


def segment_classes(root: Path, masks: Sequence[Address]) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """The names by number, and what is odd about the numbers."""
    listed = next((root / name for name in LISTS if (root / name).is_file()), None)
    every = max(1, len(masks) // SAMPLED)
    seen = _numbers(masks[::every], root)
    named = _listed(listed) if listed else ()
    classes = named or tuple(f"class {n}" for n in range(max(seen - {VOID}, default=-1) + 1))
    if listed and not named:
        return classes, (Problem(where=listed.name, what="names no class; the numbers in the masks are used"),)
    if seen == {0, VOID}:
        what = f"the masks hold 0 and {VOID} only; {VOID} counts as 'no class': write 1 where it should be one"
        return classes, (Problem(where="masks", what=what),)
    beyond = sorted(seen - {VOID} - set(range(len(classes))))
    if beyond:
        what = f"the masks hold numbers without a class: {', '.join(map(str, beyond[:5]))}; {len(classes)} are named"
        return classes, (Problem(where=below(listed or root, root), what=what),)
    return classes, ()


def _listed(file: Path) -> tuple[str, ...]:
    """One name a line, or number and name."""
    lines = [line.strip() for line in read_text(file)[0].splitlines() if line.strip()]
    numbered = [re.fullmatch(r"(\d+)[\s,:;]+(.+)", line) for line in lines]
    if not lines or not all(numbered):
        return tuple(lines)
    names = {int(match[1]): match[2] for match in numbered if match}
    return tuple(names.get(number, f"class {number}") for number in range(max(names) + 1))


def _numbers(masks: Sequence[Address], root: Path) -> set[int]:
    """The numbers in some masks; those that cannot be decoded are found by `check`."""
    seen: set[int] = set()
    for mask in masks:
        try:
            array = Pixels().mask(mask)
        except BadData:
            continue
        if array.ndim != 2:
            raise BadData(
                f"{root}: the mask {mask.place} is a colour picture; "
                "expected one number a pixel (grey or palette PNG), the number of its class."
            )
        seen |= set(np.unique(array).astype(int).tolist())
    return seen
