"""What goes with what: whether a value fits the rest of a caption, its subject, and where it was taken."""

from collections.abc import Sequence

from counterfactory.language import bank
from counterfactory.language.bank import Value
from counterfactory.language.change import site
from counterfactory.language.english import grammar
from counterfactory.language.mentions import Mention
from counterfactory.language.reading import Reading

SUPPORTS = {"table", "cloth"}  # surroundings that lie within others
STILL = {"food", "fruit", "plain fruit", "tableware", "utensil", "small", "gadget", "garment"}  # indoors no hour shows
HOURS = {"day", "morning", "afternoon", "evening", "night"}
FLYING = {"flying", "flies", "fly", "airborne", "soaring"}


def fits(reading: Reading, value: Value, without: Sequence[Mention], is_asked: bool) -> bool:
    """Whether a value goes with the rest; what a person asked for does so, unless it is impossible."""
    there = site(reading, tuple(without))
    if is_asked:
        goes = {"indoors": there != "outdoors", "outdoors": there != "indoors", "anywhere": True}[value.where]
        has_weather = value.kind == "surroundings" and bool(reading.of_kind("weather"))
        return goes and not (value.where == "indoors" and has_weather)
    if value.where == "outdoors" and there not in {"outdoors", "likely outdoors", "open"}:
        return False
    if value.where == "indoors" and there not in {"indoors", "likely indoors", "" if value.kind == "light" else "open"}:
        return False
    tags = reading.tags(without) | {there}
    return value.needs <= tags and not bank.clash({*value.tags, value.where}, tags)


def may_be_said(reading: Reading, value: Value, is_asked: bool) -> bool:
    """Whether an addition of this kind says something of this caption."""
    if is_asked:
        return True
    subject, there = subject_of(reading), site(reading)
    if not is_seen_so(reading, value, is_asked):
        return False
    if value.idle & reading.tags() or (value.kind in {"season", "weather"} and subject == "sea animal"):
        return False
    if value.kind == "light" and _is_lit(reading):
        return False
    if value.kind in {"time of day", "season", "weather"}:
        return there != "likely indoors" and not (there != "outdoors" and subject in STILL)
    is_built = any(noun.name == "building" for noun in reading.nouns.values())
    return value.kind != "surroundings" or bool(value.subjects and not is_built)


def _is_lit(reading: Reading) -> bool:
    """Whether the caption says something of the light already, outside of names such as `traffic light`."""
    free = (word for place, word in enumerate(reading.words) if place not in reading.fixed | reading.kept)
    return any(word.lemma in grammar("shining") for word in free)


def may_move(reading: Reading, mentions: Sequence[Mention], value: Value, is_asked: bool) -> bool:
    """Whether a subject may be elsewhere: its sentence names one place, and one meets it there and here."""
    numbers = [reading.words[mention.first].sentence for mention in mentions]
    if len(set(numbers)) < len(numbers):
        return False
    if is_asked:
        return True
    if any((mention.value.name in SUPPORTS) != (value.name in SUPPORTS) for mention in mentions):
        return False
    known = all(is_seen_so(reading, mention.value, is_asked) for mention in mentions)
    return known and all(mention.value.where in {value.where, "anywhere"} for mention in mentions)


def is_free(reading: Reading, mention: Mention) -> bool:
    """Whether a mention can be exchanged alone: it fills a slot and holds no word that stays."""
    held = set(range(mention.first, mention.last))
    before = reading.words[mention.first - 1].plain if mention.first else ""
    is_ground = mention.value.name == "snow" and before in grammar("resting")
    is_held = is_ground or (mention.value.kind == "weather" and before in grammar("held"))
    return bool(mention.slot) and not is_held and held.isdisjoint(reading.kept | reading.fixed)


def is_second_hour(reading: Reading, value: Value, text: str) -> bool:
    """Whether the words would say an hour twice or put a day into a night: `at night on a winter day`."""
    said = {word.plain for word in reading.words}
    is_told = bool(said & HOURS) or "night" in reading.tags()
    return (text.endswith(" day") and is_told) or ("night" in value.tags and "day" in said)


def is_seen_so(reading: Reading, value: Value, is_asked: bool) -> bool:
    """Whether the subject is of a class that the value is for; a viewpoint such as `behind` does not suit a salad."""
    return is_asked or not value.subjects or subject_of(reading) in value.subjects


def subject_of(reading: Reading) -> str:
    """The class of the first noun that is not part of another, as in `bowl of oranges`; a plane that flies is aloft."""
    who = next(
        (place for place, word in enumerate(reading.words) if word.plain in grammar("pronouns")), len(reading.words)
    )
    for noun in sorted(reading.nouns.values(), key=lambda noun: noun.first):
        if who < noun.first:
            return "person"
        after = reading.words[noun.last] if noun.last < len(reading.words) else None
        is_part = after is not None and after.is_joined and (noun.last in reading.nouns or after.plain == "of")
        if noun.name == "picture" or is_part or reading.words[noun.last - 1].is_owner:
            continue
        is_aloft = any(word.plain in FLYING for word in reading.words)
        return "aircraft aloft" if noun.name == "aircraft" and is_aloft else noun.name
    return "person" if who < len(reading.words) else ""
