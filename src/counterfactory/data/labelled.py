"""Files with a class name each become a collection: addressed, numbered and parted into splits."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from counterfactory.data.images import addresses
from counterfactory.data.labels import absent_classes, class_order
from counterfactory.data.problems import printable
from counterfactory.data.splits import parted
from counterfactory.errors import BadData
from counterfactory.types import Address, Collection, Dataset, Problem, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One file and the name of its class, before classes have numbers."""

    path: Path
    label: str
    split: str = "train"
    mask: Address | None = None


def collect(
    root: Path,
    kind: str,
    rows: Sequence[Labelled],
    problems: Sequence[Problem] = (),
    classes: tuple[str, ...] | None = None,
) -> Collection:
    """All rows whose files can be used; classes in natural order unless they are given."""
    found, unread = addresses([row.path for row in rows], root)
    problems = (*problems, *unread)
    kept = [row for row in rows if row.path in found]
    if not kept:
        raise nothing_left(root, problems)
    classes = tuple(dict.fromkeys(map(_composed, classes or ()))) or class_order(_composed(row.label) for row in rows)
    numbers = {name: number for number, name in enumerate(classes)}
    splits = {}
    for split, members in parted(kept, lambda row: row.split).items():
        samples = (
            Sample(image=found[row.path], target=numbers[_composed(row.label)], mask=row.mask) for row in members
        )
        splits[split] = Dataset(samples=tuple(samples), classes=tuple(map(printable, classes)), split=split)
    problems = (*problems, *absent_classes(splits))
    return Collection(name=printable(root.name), kind=kind, splits=splits, problems=problems)


def _composed(name: str) -> str:
    """A name with its accents in the letters: some systems write them behind, and it is the same class."""
    return unicodedata.normalize("NFC", name)


def nothing_left(root: Path, problems: Sequence[Problem]) -> BadData:
    """An error for data of which nothing can be used, with the first reasons."""
    reasons = "; ".join(f"{said.where}: {said.what}" for said in problems[:3])
    return BadData(f"{printable(str(root))}: no image in it can be used ({reasons or 'there is none'}).")
