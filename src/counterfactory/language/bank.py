"""The word banks: values of each kind with the words that say them, classes of nouns, and what goes with what."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from counterfactory.language.english import grammar, listed
from counterfactory.language.kinds import Kind
from counterfactory.language.words import phrase

Words = tuple[str, ...]
Entry = TypeVar("Entry")
SCENE_FILES = ("scene", "places", "camera")
SCENE_SLOTS = ("around", "path", "day", "place", "ground", "cover", "sky", "opening", "tail")
LOOKS: tuple[Kind, ...] = ("colour", "size", "material")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Value:
    """One value of a kind: the words that say it, by the slot of a sentence that they fill."""

    kind: Kind
    name: str
    forms: Mapping[str, tuple[str, ...]]
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # recognised, never written
    nouns: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    where: str = "anywhere"  # or outdoors, indoors
    usual: bool = False  # goes without saying, so that it replaces and is never added
    rare: bool = False  # plausible in some places only, so that it is left to those who ask for it
    subjects: frozenset[str] = frozenset()  # classes of what is met there; empty means all
    idle: frozenset[str] = frozenset()  # tags with which an addition would say nothing
    alike: tuple[str, ...] = ()  # the names of values that show the same
    needs: frozenset[str] = frozenset()  # tags that the caption must have
    listed_as: str = ""  # the slot of a person's own words: additions are made in these alone
    against: tuple[str, ...] = ()  # the names of its opposites, where only these may replace it

    def said(self) -> Iterator[tuple[str, str]]:
        """Every form with its slot, the written ones first."""
        for forms in (self.forms, self.reads):
            for slot, texts in forms.items():
                yield from ((slot, text) for text in texts)


@cache
def values() -> tuple[Value, ...]:
    """All values of all kinds."""
    return (*_scene_values(), *_look_values())


@cache
def of_kind(kind: Kind) -> tuple[Value, ...]:
    return tuple(value for value in values() if value.kind == kind)


@cache
def common(kind: Kind) -> tuple[Value, ...]:
    """The values of a kind that suit most places."""
    return tuple(value for value in of_kind(kind) if not value.rare)


@cache
def forms() -> Mapping[str, tuple[tuple[Words, Value, str], ...]]:
    """Phrases, values and slots by first word, longest phrases first; articles count as one."""
    found: dict[str, list[tuple[Words, Value, str]]] = {}
    for value in values():
        for slot, text in value.said():
            for said in _spoken(phrase(text), slot):
                found.setdefault(said[0], []).append((said, value, slot))
    return {first: tuple(sorted(entries, key=lambda entry: -len(entry[0]))) for first, entries in found.items()}


def _spoken(said: Words, slot: str) -> Iterator[Words]:
    """A form as it is looked up: articles as one, an opening also without its article."""
    yield tuple(map(alike, said))
    if slot == "opening" and said[0] in grammar("articles"):
        yield tuple(map(alike, said[1:]))


def alike(word: str) -> str:
    """A word as phrases are compared: all articles are one."""
    return "the" if word in grammar("articles") else word


@cache
def heads() -> Mapping[str, tuple[tuple[Words, Value], ...]]:
    """Values by the last word of what they are called after in, at, during ..., longest names first."""
    found: dict[str, list[tuple[Words, Value]]] = {}
    for value in values():
        for noun in value.nouns:
            found.setdefault(phrase(noun)[-1], []).append((phrase(noun), value))
    return {last: tuple(sorted(entries, key=lambda entry: -len(entry[0]))) for last, entries in found.items()}


@cache
def classes() -> Mapping[Words, tuple[str, Words]]:
    """Nouns with their classes, and each noun itself."""
    named = listed("nouns")["classes"].items()
    return {phrase(noun): (name, phrase(noun)) for name, nouns in named for noun in nouns}


@cache
def tells() -> Mapping[Words, frozenset[str]]:
    """What a noun tells of the whole picture: where it is, what comes with it, whether it binds the surroundings."""
    found: dict[Words, set[str]] = {}
    for group in (listed("nouns")["tells"], listed("nouns")["tags"], {"bound": listed("nouns")["bound"]}):
        for tag, nouns in group.items():
            for noun in nouns:
                found.setdefault(phrase(noun), set()).add(tag)
    return {noun: frozenset(tags) for noun, tags in found.items()}


@cache
def fixed() -> Mapping[Words, str]:
    """Names of which no word is free."""
    return {phrase(name): name for name in listed("grammar")["fixed"]}


@cache
def settings(name: str) -> frozenset[Words]:
    """Places before which a word of weather, season or light may stand: outdoors, indoors, or ground."""
    return frozenset(phrase(noun) for noun in listed("nouns")["settings"][name])


@cache
def coloured_by_nature() -> frozenset[Words]:
    return frozenset(phrase(noun) for noun in listed("nouns")["coloured by nature"])


def longest(first: str) -> int:
    """Words of the longest noun or name that begins with a word; one where none does."""
    return _lengths().get(first, 1)


@cache
def _lengths() -> Mapping[str, int]:
    lengths: dict[str, int] = {}
    for name in (*classes(), *tells(), *fixed()):
        lengths[name[0]] = max(len(name), lengths.get(name[0], 1))
    return lengths


def clash(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether two sets of tags do not go together."""
    met = frozenset(others)
    return any(not met.isdisjoint(_against().get(tag, frozenset())) for tag in some)


@cache
def palette(noun_class: str) -> frozenset[str]:
    """The colours that a class of things may have."""
    looks = listed("looks")
    name = looks["dyed"].get(noun_class)
    return frozenset(looks["palettes"][name]) if name else frozenset()


@cache
def takes(kind: Kind, noun_class: str) -> bool:
    """Whether a colour or a size may be added to a class of things."""
    return noun_class in listed("looks")["painted" if kind == "colour" else "grown"]


@cache
def is_sized(noun_class: str) -> bool:
    return noun_class in listed("looks")["sized"]


@cache
def materials(noun: Words) -> frozenset[str]:
    """What a thing can be made of."""
    made = (row["of"] for row in listed("looks")["made"] if noun in {phrase(thing) for thing in row["things"]})
    return frozenset(name for of in made for name in of)


@cache
def _against() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for one, other in listed("clashes"):
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return {tag: frozenset(others) for tag, others in found.items()}


def _scene_values() -> Iterator[Value]:
    for name in SCENE_FILES:
        for kind, entries in listed(name).items():
            for value, entry in entries.items():
                yield Value(
                    kind=kind,
                    name=value,
                    forms={slot: tuple(entry[slot]) for slot in SCENE_SLOTS if slot in entry},
                    reads={slot: tuple(texts) for slot, texts in entry.get("reads", {}).items()},
                    nouns=tuple(entry.get("nouns", ())),
                    tags=frozenset(entry.get("tags", ())),
                    where=entry.get("where", "anywhere"),
                    usual=entry.get("usual", False),
                    rare=entry.get("rare", False),
                    subjects=frozenset(entry.get("for", ())),
                    idle=frozenset(entry.get("idle", ())),
                    alike=tuple(entry.get("alike", ())),
                    needs=frozenset(filter(None, [entry.get("needs")])),
                )


def _look_values() -> Iterator[Value]:
    for kind in LOOKS:
        for value, entry in listed("looks")[kind].items():
            yield Value(
                kind=kind,
                name=value,
                forms={"look": tuple(entry["words"])},
                reads={"look": tuple(entry["reads"])},
                against=tuple(entry.get("against", ())),
            )
