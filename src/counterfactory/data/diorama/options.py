"""Reads what follows `diorama:` in the name of a data set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from counterfactory.data.diorama.world import ALL_CLASSES, CLASSES
from counterfactory.errors import BadConfig, unknown

SIZES = (32, 64, 96, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How many images each split has, which classes, their size, and the seed of it all."""

    train: int = 400
    validation: int = 200
    test: int = 1000  # in each of the three test splits
    seed: int = 0
    size: int = 64
    classes: tuple[str, ...] = CLASSES


def parsed(text: str) -> Options:
    """The options written as `train=400,classes=cup+dog`; nothing written means all defaults."""
    given: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in READERS:
            raise BadConfig(
                f"diorama: {unknown('option', name, READERS)} Write them as diorama:train=400,classes=cup+dog."
            )
        if not equals or not value:
            raise BadConfig(f"diorama: the option {name!r} has no value; write {name}=...")
        if name in given:
            raise BadConfig(f"diorama: the option {name!r} is given twice; keep one.")
        given[name] = READERS[name](name, value)
    options = Options(**given)
    if not options.train + options.validation + options.test:
        raise BadConfig("diorama: train=0, validation=0 and test=0 leave no image; give at least one of them a number.")
    return options


def _count(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise BadConfig(f"diorama: {name}={value!r} is not allowed; give a whole number from 0.")
    return int(value)


def _size(name: str, value: str) -> int:
    if value not in map(str, SIZES):
        raise BadConfig(f"diorama: {name}={value!r} is not allowed; give one of {', '.join(map(str, SIZES))}.")
    return int(value)


def _classes(name: str, value: str) -> tuple[str, ...]:
    if value == "all":
        return ALL_CLASSES
    names = tuple(piece.strip() for piece in value.split("+"))
    for piece in names:
        if piece not in ALL_CLASSES:
            raise BadConfig(f"diorama: in {name}={value!r}: {unknown('class', piece, ALL_CLASSES)} Join names by '+'.")
    if len(set(names)) < len(names):
        raise BadConfig(f"diorama: {name}={value!r} names a class twice; name each once.")
    return names


READERS: Mapping[str, Callable[[str, str], Any]] = {
    "train": _count,
    "validation": _count,
    "test": _count,
    "seed": _count,
    "size": _size,
    "classes": _classes,
}
