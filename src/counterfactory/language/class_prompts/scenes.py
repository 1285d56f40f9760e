"""What may be said of a class where no caption is there to follow: looks, places, weather, hour and so on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from counterfactory.language import bank
from counterfactory.language.bank import Value
from counterfactory.language.english import article, grammar, lemma, listed
from counterfactory.language.fitting import STILL, SUPPORTS
from counterfactory.language.kinds import Kind
from counterfactory.language.offers import Banks, offers
from counterfactory.language.syntax import known
from counterfactory.language.words import phrase, words

USUAL_KINDS: tuple[Kind, ...] = ("other", "colour", "surroundings", "weather", "time of day")
LOOKS: tuple[Kind, ...] = ("other", "colour", "material", "size")  # before the name, one in each prompt
AROUND: tuple[Kind, ...] = ("surroundings", "weather", "light", "season", "time of day", "viewpoint", "style")
SIZES = {"large", "small"}
SEEN_OUTSIDE = {"weather", "season", "time of day"}  # kinds that say nothing of what lies on a table
AT_HOME = 4  # classes that are met at a place where one may meet anything
NO_PICTURE = {"picture", "nature"}  # classes of nouns that do not say what a picture is of: a traffic light


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a class is, as far as the banks know: the noun, its class, and what comes with it."""

    noun: tuple[str, ...] = ()
    sort: str = ""
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Said:
    """Words for one value, none where it goes without saying."""

    words: str
    value: Value
    is_asked: bool  # by a person's own bank: what it goes with is the person's to know


@lru_cache(maxsize=4096)
def subject_of(name: str, about: str) -> Subject:
    """What a class is, by its name, by the end of its name, or by what the data are said to show."""
    said = phrase(name)
    for first in range(len(said)):
        noun = (*said[first:-1], lemma(said[-1]))
        if noun in bank.classes() and (first == 0 or bank.classes()[noun][0] not in NO_PICTURE):
            return Subject(noun=noun, sort=bank.classes()[noun][0], tags=bank.tells().get(noun, frozenset()))
    sorts = [sort for _, _, (sort, _) in known(words(about), bank.classes()) if sort not in NO_PICTURE]
    return Subject(sort=sorts[0] if sorts else "")


def decks(subject: Subject, kinds: Sequence[Kind], banks: Banks | None, is_uncommon: bool) -> list[list[Said]]:
    """All that may stand at each place of a prompt: one deck for the looks, and one for each kind behind them."""
    looks = [said for kind in LOOKS if kind in kinds for said in _deck(subject, kind, banks, is_uncommon)]
    behind = [_deck(subject, kind, banks, is_uncommon) for kind in AROUND if kind in kinds]
    return [deck for deck in (looks, *behind) if deck]


def together(subject: Subject, drawn: Sequence[Said], is_uncommon: bool) -> tuple[Said, ...]:
    """Of what was drawn, in order, what goes with the subject and with all that is said before it."""
    told: list[Said] = []
    for said in drawn:
        if said.words and _goes(subject, said, told, is_uncommon):
            told.append(said)
    return tuple(told)


def sentence(opening: str, name: str, told: Sequence[Said]) -> str:
    """A prompt: `a photo of a red car on a road in the rain, seen from above`."""
    looks = [said.words for said in told if said.value.kind in LOOKS and not _has_article(name)]
    behind = [_behind(said) for said in told if said.value.kind in AROUND]
    thing = " ".join([*looks, name])
    first = "" if _has_article(name) or _goes_without(name) else f"{article(phrase(thing)[0])} "
    return f"{opening} {first}{thing}".strip() + "".join(behind)


def _deck(subject: Subject, kind: Kind, banks: Banks | None, is_uncommon: bool) -> list[Said]:
    """All ways to say each value of a kind."""
    is_asked = banks is not None and kind in banks
    values = list(offers(kind, banks)) if is_asked else list(_values(subject, kind))
    if kind == "surroundings" and (is_uncommon or not is_asked):
        values = [value for value in values if _is_met(subject, value, is_uncommon)] or (values if is_asked else [])
    return [Said(words=text, value=value, is_asked=is_asked) for value in values for text in _texts(value, is_asked)]


def _texts(value: Value, is_asked: bool) -> list[str]:
    """The ways to say a value; what is usual is said by those alone who ask for it."""
    if value.usual and not is_asked:
        return [""]
    slots = [slot for slot in ("look", "around", "tail") if value.listed_as in {"", slot}]
    return [text for slot in slots for text in value.forms.get(slot, ())]


def _values(subject: Subject, kind: Kind) -> Iterator[Value]:
    """What the banks have of a kind for a subject."""
    if kind == "other":
        every: Mapping[str, Sequence[str]] = listed("subjects")["adjectives"]
        texts = every.get(subject.sort, every["any"])
        yield from (Value(kind="other", name=text, forms={"look": (text,)}) for text in texts)
    elif kind in bank.LOOKS:
        yield from (value for value in bank.of_kind(kind) if _looks_so(subject, value))
    elif kind == "surroundings":
        yield from _places(subject)
        yield from (value for value in bank.common(kind) if value.subjects != {"aircraft aloft"} or _flies(subject))
    else:
        yield from (value for value in bank.common(kind) if not value.subjects or subject.sort in value.subjects)


def _looks_so(subject: Subject, value: Value) -> bool:
    """Whether a thing of this class can have the colour or size, or be of the material."""
    if value.kind == "colour":
        return subject.noun not in bank.coloured_by_nature() and value.name in bank.palette(subject.sort)
    if value.kind == "material":
        return value.name in bank.materials(subject.noun)
    return value.name in SIZES and bank.takes("size", subject.sort)


def _places(subject: Subject) -> Iterator[Value]:
    """Where alone this class of things is met."""
    for where, texts in listed("subjects")["places"].get(subject.sort, {}).items():
        for value in offers("surroundings", {"surroundings": tuple(texts)}):
            yield replace(value, where=where, subjects=frozenset({subject.sort}), usual=False)


def _is_met(subject: Subject, value: Value, is_uncommon: bool) -> bool:
    """Whether one meets a subject there, or hardly does where that is wanted; a table is for dishes alone."""
    if not subject.sort:
        is_usual = len(value.subjects) >= AT_HOME
    else:
        is_usual = subject.sort in value.subjects or (_flies(subject) and "aircraft aloft" in value.subjects)
    return is_usual != is_uncommon and not (is_uncommon and value.name in SUPPORTS)


def _flies(subject: Subject) -> bool:
    return subject.sort == "aircraft"


def _goes(subject: Subject, said: Said, told: Sequence[Said], is_uncommon: bool) -> bool:
    """Whether some words contradict neither the subject nor those before them."""
    value, where = said.value, {other.value.where for other in told} - {"anywhere"}
    if value.where != "anywhere" and where - {value.where}:
        return False
    if said.is_asked:
        return True
    tags = frozenset().union(*(other.value.tags for other in told), where, *([] if is_uncommon else [subject.tags]))
    if value.where == "outdoors" and "indoors" in tags and "outdoors" not in tags:
        return False
    if value.kind in SEEN_OUTSIDE and subject.sort in STILL and "outdoors" not in where:
        return False
    return value.needs <= tags and not bank.clash(value.tags, tags) and not _is_second_hour(said, told)


def _is_second_hour(said: Said, told: Sequence[Said]) -> bool:
    """Whether the words would say a day twice, or a night on a day."""
    has_day = any(other.words.endswith(" day") for other in told)
    return has_day and (said.words.endswith(" day") or said.value.kind == "time of day")


def _behind(said: Said) -> str:
    """Words behind the name; what tells how it is seen takes a comma."""
    is_loose = said.value.kind in {"viewpoint", "style"}
    return f", {said.words}" if is_loose else f" {said.words}"


def _has_article(name: str) -> bool:
    """Whether a name brings its own, as in `the Eiffel Tower`."""
    return phrase(name)[0] in grammar("determiners") and len(phrase(name)) > 1


@lru_cache(maxsize=4096)
def _goes_without(name: str) -> bool:
    """Whether a name is of several things, or of what is not counted."""
    last = phrase(name)[-1]
    if last in listed("subjects")["one"]:
        return False
    return last in listed("subjects")["without article"] or (lemma(last) != last and len(last) > 3)
