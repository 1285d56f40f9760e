"""Changes of what is around a subject: weather, time, season, light, surroundings, viewpoint and style."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from counterfactory.language.bank import Value
from counterfactory.language.change import Change
from counterfactory.language.english import grammar
from counterfactory.language.fitting import SUPPORTS, fits, is_free, is_second_hour, is_seen_so, may_be_said, may_move
from counterfactory.language.mentions import Mention
from counterfactory.language.reading import Reading
from counterfactory.language.syntax import setting_at
from counterfactory.language.words import Span, sentences

LONGEST_SENTENCE = 30  # words; behind more, an addition no longer says what it belongs to
TAILS = {"viewpoint", "style"}
CLAUSES = ("while ", "as ")


def scene_changes(reading: Reading, offered: Sequence[Value], is_asked: bool) -> Iterator[Change]:
    """Everything of one kind that may be exchanged, or added where the caption leaves it open."""
    kind = offered[0].kind
    mentions = [mention for mention in reading.of_kind(kind) if mention.value.name != "plain"]
    if kind == "surroundings":
        mentions = [mention for mention in mentions if mention.value.name not in SUPPORTS] or mentions
        if not is_asked and "bound" in reading.tags():
            return
    for value in offered:
        if mentions:
            yield from _exchanged(reading, mentions, value, is_asked)
        elif not value.usual:
            yield from _added(reading, value, is_asked)


def _exchanged(reading: Reading, mentions: Sequence[Mention], value: Value, is_asked: bool) -> Iterator[Change]:
    """All mentions of a kind, wherever they stand, with the words of one other value."""
    same = {value.name, *value.alike}
    if any(mention.value.name in same or not is_free(reading, mention) for mention in mentions):
        return
    if not fits(reading, value, mentions, is_asked) or not is_seen_so(reading, value, is_asked):
        return
    if value.kind == "surroundings" and not may_move(reading, mentions, value, is_asked):
        return
    forms = [_forms(reading, mention, value) for mention in mentions]
    if not all(forms):
        return
    for turn in range(max(map(len, forms))):
        spans = [
            _span(reading, mention, texts[turn % len(texts)]) for mention, texts in zip(mentions, forms, strict=True)
        ]
        yield _change(value, spans)


def _forms(reading: Reading, mention: Mention, value: Value) -> list[str]:
    """The words of a value that may stand where a mention stands; a clause only at the end or before another."""
    last = mention.last
    is_last = last == len(reading.words) or reading.words[last].sentence != reading.words[mention.first].sentence
    takes_clause = is_last or any(other.first == last for other in reading.mentions)
    is_still = mention.slot == "path" and reading.words[mention.first - 1].plain in grammar("static")
    texts = value.forms.get("around" if is_still else mention.slot, ())
    return [text for text in texts if takes_clause or not text.startswith(CLAUSES)]


def _added(reading: Reading, value: Value, is_asked: bool) -> Iterator[Change]:
    """What the caption leaves open, said at the end of its first sentence, in its opening, or before a place."""
    if not fits(reading, value, (), is_asked) or not may_be_said(reading, value, is_asked):
        return
    forms = {slot: texts for slot, texts in value.forms.items() if value.listed_as in {"", slot}}
    for text in (*forms.get("around", ()), *forms.get("tail", ())):
        if not is_second_hour(reading, value, text):
            yield from _at_the_end(reading, value, text)
    opening = next((mention for mention in reading.mentions if mention.value.name == "plain"), None)
    if opening and value.kind in TAILS:
        yield from (_change(value, [_span(reading, opening, text)]) for text in forms.get("opening", ()))
    if "place" in forms:
        yield from _before_a_setting(reading, value, forms["place"])


def _span(reading: Reading, mention: Mention, text: str) -> Span:
    """New words for a mention, without an article where it had none."""
    first = reading.words[mention.first]
    if mention.slot == "opening" and first.plain not in grammar("articles"):
        text = text.split(" ", 1)[1] if text.split(" ", 1)[0] in grammar("articles") else text
    return Span(first.start, reading.words[mention.last - 1].end, text)


def _at_the_end(reading: Reading, value: Value, text: str) -> Iterator[Change]:
    """Behind the last word of the first sentence, but before what says how it is seen."""
    end, is_loose = _end(reading)
    if end and not (value.kind == "surroundings" and is_loose):
        yield _change(value, [Span(end, end, text, before=", " if is_loose or value.kind in TAILS else " ")])


@lru_cache(maxsize=64)
def _end(reading: Reading) -> tuple[int, bool]:
    """Where an addition goes, 0 where none does, and whether it takes a comma."""
    first = [word for word in reading.words if word.sentence == 0]
    tail = next((m for m in reading.mentions if m.slot == "tail" and m.last == len(first) and m.first), None)
    last = reading.words[tail.first - 1] if tail else first[-1]
    closing = reading.text[last.end : sentences(reading.text)[0][1]]
    if len(first) > LONGEST_SENTENCE or "?" in closing:
        return 0, False
    quotes = 0 if tail else len(closing) - len(closing.lstrip("\"'”’)]"))
    return last.end + quotes, last.plain in grammar("loose_ends")


def _before_a_setting(reading: Reading, value: Value, texts: Sequence[str]) -> Iterator[Change]:
    """`a street` becomes `a rainy street`: right behind the article, and before the first such place only."""
    for place, word in enumerate(reading.words[1:], 1):
        if reading.words[place - 1].plain not in grammar("articles") or not word.is_joined:
            continue
        sort, first = setting_at(reading.words, place, ("outdoors", "indoors")) or ("", -1)
        if value.kind == "light" and sort == "outdoors" and not setting_at(reading.words, place, ("lit",)):
            continue
        if first != place or (value.where != "anywhere" and sort != value.where) or _splits_label(reading, place):
            continue
        yield from (_change(value, [Span(word.start, word.start, text, after=" ")]) for text in texts)
        return


def _splits_label(reading: Reading, place: int) -> bool:
    return any(first < place < last for first, last in reading.labels)


def _change(value: Value, spans: Sequence[Span]) -> Change:
    return Change(kind=value.kind, value=value.name, spans=tuple(spans), tags=value.tags, where=value.where)
