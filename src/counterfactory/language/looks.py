"""Changes of how things look: colour, size and material, as far as the thing in question can have them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from counterfactory.language import bank
from counterfactory.language.bank import Value
from counterfactory.language.change import Change
from counterfactory.language.english import grammar
from counterfactory.language.kinds import Kind
from counterfactory.language.mentions import Mention
from counterfactory.language.reading import Noun, Reading
from counterfactory.language.words import Span

COLOURED = {"coloured", "colored"}
TINTED = {"light", "dark", "bright", "pale", "deep", "hot", "neon", "vivid", "lime"}
PLAIN_TONES = {"black", "white", "beige", "gold", "blonde"}
SAID_OF = {"is", "are", "was", "were", "painted"}
WORN = {"in", "wearing", "all"}
HAIRED = {"hair", "garment"}  # long or short, but neither large nor small
CROWDS = {"group", "crowd", "herd", "flock"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """A word for how a thing looks, and the thing."""

    mention: Mention
    noun: Noun


def look_changes(reading: Reading, offered: Sequence[Value], is_asked: bool) -> Iterator[Change]:
    """Everything of one kind that may be exchanged, or added to a thing of which the caption does not say it."""
    kind = offered[0].kind
    looks = [look for mention in reading.of_kind(kind) if (look := _look(reading, mention))]
    for group in _groups(reading, looks):
        for value in offered:
            if _may_be(reading, group, looks, value, is_asked):
                yield from _exchanged(reading, group, value)
    if not looks and not reading.of_kind(kind):
        for noun in _bare_things(reading, kind):
            for value in offered:
                if _suits(value, noun, is_asked) and not value.usual:
                    yield from _added(reading, noun, value)


def _look(reading: Reading, mention: Mention) -> Look | None:
    """The thing that a word of looks belongs to: behind it, or before it where it is said of it."""
    held = set(range(mention.first, mention.last))
    if held & (reading.kept | reading.fixed) or _is_hyphenated(reading, mention):
        return None
    noun = _noun_behind(reading, mention) or _noun_before(reading, mention)
    return Look(mention=mention, noun=noun) if noun else None


def _is_hyphenated(reading: Reading, mention: Mention) -> bool:
    """Whether a hyphen makes it part of another word, as in blue-eyed; red-coloured is red."""
    words = reading.words
    if mention.first and words[mention.first].gap == "-":
        return True
    after = words[mention.last] if mention.last < len(words) else None
    return after is not None and after.gap == "-" and after.plain not in COLOURED


def _noun_behind(reading: Reading, mention: Mention) -> Noun | None:
    """The noun at the end of the phrase that a word begins; one unknown word may stand between."""
    words, unknown, place = reading.words, 0, mention.last
    while place < len(words) and place - mention.last < 5:
        word = words[place]
        if place in reading.nouns and not _is_look(reading, place):
            return _whole(reading, reading.nouns[place])
        is_pause = word.gap == ", " and _is_look(reading, place)
        is_step = _is_look(reading, place) or word.plain in grammar("modifiers") or word.plain in COLOURED
        is_and = word.plain == "and" and _is_look(reading, place + 1)
        if not (is_step or is_and):
            if reading.ends_at(place) or unknown:
                return None
            unknown += 1
        elif not (word.is_joined or is_pause):
            return None
        place += 1
    return None


def _is_look(reading: Reading, place: int) -> bool:
    """Whether a word says a look and is not a thing itself, as the second of `orange orange` is."""
    says = any(m.slot == "look" and m.first <= place < m.last for m in reading.mentions)
    return says and not (place in reading.nouns and reading.ends_at(reading.nouns[place].last))


def _whole(reading: Reading, noun: Noun) -> Noun | None:
    """The last noun of a compound: of `car door` the door; none where an unknown word goes on."""
    while noun.last in reading.nouns and reading.words[noun.last].gap == " " and not _owns(reading, noun):
        noun = reading.nouns[noun.last]
    return noun if reading.ends_at(noun.last) or _owns(reading, noun) else None


def _owns(reading: Reading, noun: Noun) -> bool:
    return reading.words[noun.last - 1].is_owner


def _noun_before(reading: Reading, mention: Mention) -> Noun | None:
    """The thing of which a look is said: `a car that is red`, `painted red`, `a dress in red`."""
    is_coloured = mention.last < len(reading.words) and reading.words[mention.last].plain in COLOURED
    if mention.first == 0 or not (reading.ends_at(mention.last) or is_coloured):
        return None
    before = reading.words[mention.first - 1].plain
    nouns = [noun for noun in reading.nouns.values() if noun.last < mention.first and noun.name != "picture"]
    if not nouns or before not in SAID_OF | WORN:
        return None
    noun = max(nouns, key=lambda noun: noun.first)
    if before in WORN and noun.name == "person":
        return Noun(words=("clothes",), name="garment", first=noun.first, last=noun.last)
    return None if before in WORN else noun


def _groups(reading: Reading, looks: Sequence[Look]) -> list[list[Look]]:
    """Looks of the same thing with the same value: they change together, in all sentences."""
    groups: dict[tuple[object, str], list[Look]] = {}
    for look in looks:
        groups.setdefault((_thing(reading, look.noun), look.mention.value.name), []).append(look)
    return list(groups.values())


def _thing(reading: Reading, noun: Noun) -> object:
    """What a noun names; the label is one thing, whichever of its names is said."""
    is_label = any(first < noun.last and noun.first < last for first, last in reading.labels)
    return "the label" if is_label else noun.words


def _may_be(reading: Reading, group: Sequence[Look], looks: Sequence[Look], value: Value, is_asked: bool) -> bool:
    """Whether a thing can have another value, one that no look beside it has already."""
    old, noun = group[0].mention, group[0].noun
    near = {
        m.value.name for m in reading.of_kind(value.kind) for look in group if abs(m.first - look.mention.first) <= 4
    }
    rivals = {look.mention.value.name for look in looks if _thing(reading, look.noun) == _thing(reading, noun)}
    if value.name in near | rivals:
        return False
    before = reading.words[old.first - 1].plain if old.first else ""
    if before in TINTED and (value.name in PLAIN_TONES or old.value.name in PLAIN_TONES):
        return False
    if old.value.against and not is_asked and value.name not in old.value.against:
        return False
    return _suits(value, noun, is_asked, old.value)


def _suits(value: Value, noun: Noun, is_asked: bool, old: Value | None = None) -> bool:
    """Whether a thing of this class can look so; people keep what they are."""
    if noun.name == "person" and noun.words[-1] not in CROWDS:
        return False
    if is_asked:
        return True
    if value.kind == "colour":
        is_its_own = noun.words in bank.coloured_by_nature()
        return not is_its_own and value.name in bank.palette(noun.name)
    if value.kind == "material":
        made = bank.materials(noun.words)
        return value.name in made and (old is None or old.name != value.name)
    return _can_be_sized(value, noun, old)


def _can_be_sized(value: Value, noun: Noun, old: Value | None) -> bool:
    if value.name in {"tall", "low"}:
        return old is not None and noun.name in {"building", "furniture", "fixture"}
    if value.name in {"long", "short"}:
        return old is not None and (
            noun.name in HAIRED or bank.is_sized(noun.name) or noun.name in {"train", "fixture"}
        )
    return noun.words[-1] in CROWDS or bank.is_sized(noun.name)


def _exchanged(reading: Reading, group: Sequence[Look], value: Value) -> Iterator[Change]:
    for text in value.forms["look"]:
        spans = [
            Span(reading.words[look.mention.first].start, reading.words[look.mention.last - 1].end, text)
            for look in group
        ]
        yield Change(kind=value.kind, value=value.name, spans=tuple(spans))


def _bare_things(reading: Reading, kind: Kind) -> Iterator[Noun]:
    """Things to which a look may be added: right behind a determiner, nothing behind that goes on with the phrase."""
    for noun in reading.nouns.values():
        is_whole = reading.ends_at(noun.last)
        word = reading.words[noun.first]
        before = [other.plain for other in reading.words[max(0, noun.first - 2) : noun.first]]
        is_led = (
            word.gap == " " and before[-1:] != [] and before[-1] in grammar("determiners") and before[0] != "without"
        )
        is_inside = any(first < noun.first < last for first, last in reading.labels)
        can = bank.materials(noun.words) if kind == "material" else bank.takes(kind, noun.name)
        if is_whole and is_led and can and not is_inside and not _owns(reading, noun):
            yield noun


def _added(reading: Reading, noun: Noun, value: Value) -> Iterator[Change]:
    start = reading.words[noun.first].start
    for text in value.forms["look"]:
        yield Change(kind=value.kind, value=value.name, spans=(Span(start, start, text, after=" "),))
