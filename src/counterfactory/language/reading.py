"""A caption with all that the banks find in it: mentions of values, nouns with their classes, and what they tell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from counterfactory.language import bank
from counterfactory.language.labels import Names, names, places, protected
from counterfactory.language.mentions import Mention, mentions_in
from counterfactory.language.syntax import ends_at, known
from counterfactory.language.words import Word, words
from counterfactory.types import Passage


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Noun:
    """A noun that the banks know, with the class of what it names."""

    words: tuple[str, ...]
    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """A caption and all that was found in it; places are numbers of words."""

    text: str
    words: Sequence[Word]
    mentions: tuple[Mention, ...]
    nouns: Mapping[int, Noun]  # by the place of the first word
    told: tuple[tuple[int, frozenset[str]], ...]  # what nouns tell, and where they stand
    fixed: frozenset[int]  # words inside names such as `orange juice`
    kept: frozenset[int]  # words of the label
    labels: tuple[tuple[int, int], ...]  # where the label stands
    wanted: Names  # the label in words

    def of_kind(self, kind: str) -> list[Mention]:
        return [mention for mention in self.mentions if mention.value.kind == kind]

    def tags(self, without: Sequence[Mention] = ()) -> frozenset[str]:
        """What the caption brings with it, but for some mentions."""
        return _tags(self, tuple(without))

    def ends_at(self, place: int) -> bool:
        """Whether a noun phrase may end before this word."""
        return ends_at(self.words, place)


def read(passage: Passage) -> Reading:
    """All that the banks know of a caption."""
    found = words(passage.caption)
    wanted = names(passage)
    fixed = frozenset(_fixed(found))
    return Reading(
        text=passage.caption,
        words=found,
        mentions=mentions_in(found, fixed),
        nouns={noun.first: noun for noun in _nouns(found)},
        told=tuple(_told(found)),
        fixed=fixed,
        kept=protected(found, wanted),
        labels=tuple(places(found, wanted)),
        wanted=wanted,
    )


@lru_cache(maxsize=64)
def _tags(reading: Reading, without: tuple[Mention, ...]) -> frozenset[str]:
    hidden = {place for mention in without for place in range(mention.first, mention.last)}
    said = [mention.value.tags for mention in reading.mentions if mention not in without]
    told = [tags for place, tags in reading.told if place not in hidden]
    return frozenset().union(*said, *told)


def _fixed(found: Sequence[Word]) -> Iterator[int]:
    for first, last, _ in known(found, bank.fixed()):
        yield from range(first, last)


def _nouns(found: Sequence[Word]) -> Iterator[Noun]:
    for first, last, (name, said) in known(found, bank.classes()):
        yield Noun(words=said, name=name, first=first, last=last)


def _told(found: Sequence[Word]) -> Iterator[tuple[int, frozenset[str]]]:
    for first, _, tags in known(found, bank.tells()):
        yield first, tags
