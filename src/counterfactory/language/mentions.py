"""Words of a caption that say a value of the banks: as a phrase, before what they describe, or after a preposition."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from counterfactory.language import bank
from counterfactory.language.bank import Value
from counterfactory.language.english import grammar
from counterfactory.language.syntax import ends_at, is_of, setting_at
from counterfactory.language.words import Word

DAYS = {"day", "morning", "afternoon", "evening", "night", "weather", "condition"}
SETTINGS: Mapping[str, tuple[str, ...]] = {"place": ("outdoors", "indoors"), "ground": ("ground",)}
SIDES = {"side", "edge", "middle", "center", "centre", "corner", "bank", "top", "front", "end", "foot"}
WHERE = {"in", "on", "at", "inside", "within"}
MOTION = {"down", "along", "through", "across", "up", "over"}
WHEN = {"in", "during", "at", "through", "amid", "under", "before", "after", "by"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mention:
    """Words that say a value; without a slot they cannot be exchanged alone."""

    value: Value
    slot: str
    first: int
    last: int  # the word after


def mentions_in(found: Sequence[Word], fixed: frozenset[int]) -> tuple[Mention, ...]:
    """All mentions in order; words inside fixed names say nothing."""
    phrases = list(_phrases(found, fixed))
    everything = [*phrases, *_after_prepositions(found, fixed, phrases)]
    return tuple(sorted(everything, key=lambda mention: mention.first))


def _phrases(found: Sequence[Word], fixed: frozenset[int]) -> Iterator[Mention]:
    """Forms of the banks that stand as they are, the longest at each place."""
    place = 0
    while place < len(found):
        mention = None if place in fixed else _phrase_at(found, place)
        if mention:
            yield mention
        place = mention.last if mention and mention.slot != "look" else place + 1


def _phrase_at(found: Sequence[Word], place: int) -> Mention | None:
    entries = bank.forms().get(bank.alike(found[place].plain), ())
    ahead = tuple(bank.alike(word.plain) for word in found[place : place + len(entries[0][0])]) if entries else ()
    for said, value, slot in entries:
        part = found[place : place + len(said)]
        if ahead[: len(said)] != said or not all(word.is_joined for word in part[1:]):
            continue
        last = place + len(said)
        if _fills(found, slot, place, last):
            return Mention(value=value, slot=slot, first=place, last=last)
    return None


def _fills(found: Sequence[Word], slot: str, first: int, last: int) -> bool:
    """Whether the words around a phrase are those of its slot."""
    if slot == "look":
        return True
    if slot == "opening":
        return first == 0 or found[first - 1].sentence != found[first].sentence
    if slot in SETTINGS:
        return setting_at(found, last, SETTINGS[slot]) is not None
    if slot in {"around", "path", "tail"}:
        return ends_at(found, last) and not is_of(found, last)
    head = found[last].lemma if last < len(found) and found[last].is_joined else ""
    return {"day": head in DAYS, "sky": head == "sky", "cover": (head,) in bank.classes()}[slot]


def _after_prepositions(found: Sequence[Word], fixed: frozenset[int], phrases: Sequence[Mention]) -> Iterator[Mention]:
    """Names of places, weathers and times, with the preposition before them; from behind, as the last word tells."""
    taken = {place for mention in phrases if mention.slot != "look" for place in range(mention.first, mention.last)}
    for last in range(len(found), 0, -1):
        entry = None if last - 1 in taken | fixed else _head(found, last)
        if entry is None:
            continue
        size, value = entry
        first = _before(found, last - size)
        slot = _slot(found, value, first, last)
        if first is None or not slot or not taken.isdisjoint(range(first, last)):
            first, slot = last - size, ""
        if slot or value.kind != "season":
            taken.update(range(first, last))
            yield Mention(value=value, slot=slot, first=first, last=last)


def _slot(found: Sequence[Word], value: Value, first: int | None, last: int) -> str:
    """Whether a name with its preposition says that one is there or moves there; nothing where it is no whole."""
    if first is None or not ends_at(found, last) or is_of(found, last):
        return ""
    word = found[first].plain
    if value.kind != "surroundings":
        return "around" if word in WHEN else ""
    return "around" if word in WHERE else "path" if word in MOTION else ""


def _head(found: Sequence[Word], last: int) -> tuple[int, Value] | None:
    """The value whose name ends before this place, and the number of its words."""
    word = found[last - 1]
    for name, value in (*bank.heads().get(word.plain, ()), *bank.heads().get(word.lemma, ())):
        part = found[max(0, last - len(name)) : last]
        if tuple(other.plain for other in part[:-1]) == name[:-1] and all(other.is_joined for other in part[1:]):
            return len(name), value
    return None


def _before(found: Sequence[Word], place: int) -> int | None:
    """The preposition that a noun phrase before this place hangs on; sides such as `on the side of` go with it."""
    first = place
    while first > 0 and found[first].is_joined and _steps_over(found[first - 1]) and place - first < 4:
        first -= 1
    if first > 0 and found[first].is_joined and found[first - 1].plain in grammar("determiners"):
        first -= 1
    if first == 0 or not found[first].is_joined or found[first - 1].plain not in grammar("prepositions"):
        return None
    first -= 1
    if found[first].plain == "of" and first > 1 and found[first - 1].plain in SIDES:
        first -= 1 + (found[first - 2].plain in grammar("determiners"))
        return first - 1 if first > 0 and found[first - 1].plain in WHERE else None
    return first


def _steps_over(word: Word) -> bool:
    entries = bank.forms().get(word.plain, ())
    return word.plain in grammar("modifiers") or any(len(said) == 1 for said, _, slot in entries if slot != "around")
