"""Captions and prompts, and what is asked of those who write them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A caption that may be rewritten, and what must stay in it."""

    caption: str
    label: str = ""  # what the picture is of, in words
    synonyms: tuple[str, ...] = ()  # other words for the label; they stay too
    task: str = ""  # what the labels are for, in words
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change of a caption: words that stood in it, none where something is added, and words in their place."""

    kind: str  # weather, colour, ...: see `counterfactory.language.kinds`
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """A caption as it reads after its edits."""

    caption: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassWish:
    """Prompts that are wanted for a class: how many, and the other classes of the data, which they must not name."""

    name: str
    others: tuple[str, ...] = ()
    number: int = 1
    about: str = ""  # what the data show, in words
    seed: int = 0
