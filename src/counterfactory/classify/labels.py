"""Which of a model's classes is which of the data's: by name, by a person's label map, or by their order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counterfactory.config import read_file
from counterfactory.errors import BadConfig, BadData, nearest

UNNAMED = re.compile(r"LABEL_\d+")  # what transformers calls classes that nobody named
SHOWN = 8  # names in a message


@dataclass(frozen=True, kw_only=True)
class Matching:
    """For each class of the model its class among the data's; -1 for a class that the data do not have."""

    places: tuple[int, ...]
    classes: int  # of the data
    notice: str = ""  # what a person should know of how it came about

    @property
    def knows_others(self) -> bool:
        """Whether the model may answer with a class that the data do not have."""
        return -1 in self.places

    def merged(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities (..., C) of the data's classes, those of one class added; last, where there are others, the
        surest of them: an answer beside the data is a failure too."""
        values, places = np.asarray(scores, np.float64), np.array(self.places)
        if len(set(self.places)) == len(self.places) == self.classes:
            return values[..., np.argsort(places)]
        parts = [values[..., places == place].sum(-1) for place in range(self.classes)]
        if self.knows_others:
            parts.append(values[..., places == -1].max(-1))
        return np.stack(parts, axis=-1)


def read_labels(path: Path) -> dict[str, str]:
    """A label map from a YAML file: the model's name, then the data's."""
    said = read_file(path)
    odd = [name for name, value in said.items() if not isinstance(value, str | int | float) or isinstance(value, bool)]
    if odd:
        raise BadConfig(
            f"{path}: {odd[0]!r} is given {said[odd[0]]!r}; expected one class of the data, as in tabby: cat."
        )
    return {str(name): str(value) for name, value in said.items()}


def names_of(names: Sequence[str]) -> tuple[str, ...] | None:
    """A model's class names; none where they only number its outputs."""
    return None if all(UNNAMED.fullmatch(name) for name in names) else tuple(names)


def match(known: Sequence[str] | None, outputs: int, wanted: Sequence[str], labels: Mapping[str, str]) -> Matching:
    """Brings a model's classes (None: it has no names) and the data's together, or says why that cannot be."""
    if known is None:
        return _in_order(outputs, wanted, labels)
    by_name = {name: place for place, name in enumerate(wanted)}
    by_sound = {_plain(name): place for place, name in enumerate(wanted)}
    translated = _translated(known, wanted, labels)
    places = tuple(by_name.get(name, by_sound.get(_plain(name), -1)) for name in translated)
    if missing := [name for place, name in enumerate(wanted) if place not in places]:
        raise BadData(
            f"The model does not know {_named(missing)} of the data: it knows {_listed(known)}, the data have "
            f"{_listed(wanted)}. Say in a label map which of its classes is which, as in `tabby cat: cat`, "
            "or leave those images out."
        )
    return Matching(places=places, classes=len(wanted))


def _in_order(outputs: int, wanted: Sequence[str], labels: Mapping[str, str]) -> Matching:
    if labels:
        raise BadConfig("A label map was given, and the model has no class names that it could rename.")
    if outputs != len(wanted):
        raise BadData(
            f"The model has {outputs} outputs without names and the data have {_listed(wanted)}; "
            "expected one output for each class, in their order, or names in the model's configuration."
        )
    notice = f"The model has no class names: its {outputs} outputs are taken as {_named(wanted)}, in this order."
    return Matching(places=tuple(range(outputs)), classes=len(wanted), notice=notice)


def _translated(known: Sequence[str], wanted: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    """The model's names as the label map has them; a map that names what is not there is an error."""
    ours, theirs = {_plain(name) for name in wanted}, {_plain(name) for name in known}
    for name, value in labels.items():
        if _plain(name) not in theirs:
            raise BadConfig(
                f"The label map names {name!r}, and the model knows {_listed(known)}.{nearest(name, known)}"
            )
        if _plain(value) not in ours:
            raise BadConfig(
                f"The label map makes {name!r} {value!r}, and the data have {_listed(wanted)}.{nearest(value, wanted)}"
            )
    said = {_plain(name): value for name, value in labels.items()}
    return [said.get(_plain(name), name) for name in known]


def _plain(name: str) -> str:
    return name.strip().casefold()


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)} class{'' if len(names) == 1 else 'es'} ({_named(names)})"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
