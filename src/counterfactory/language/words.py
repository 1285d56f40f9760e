"""A text as words with their places, and changes to it that keep its articles, capitals and punctuation."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from counterfactory.language.english import article, lemma

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
POSSESSIVE = re.compile(r"'s$|(?<=s)'$")
SENTENCE_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s|$)|\n")
SHORTENED = {"mr", "mrs", "ms", "dr", "st", "vs", "etc", "no", "e.g", "i.e"}  # a full stop after these ends nothing
ARTICLE_BEFORE = re.compile(r"\b([Aa][Nn]?)(\s+[\"'“‘(]?)$")


@dataclass(frozen=True, slots=True)
class Word:
    """A word where it stands. A hyphen parts words; `gap` is what stands between it and the word before."""

    text: str
    start: int
    end: int
    gap: str
    plain: str  # in small letters, without a possessive s
    lemma: str  # the singular of that
    sentence: int  # the number of its sentence

    @property
    def is_joined(self) -> bool:
        """Whether nothing but a space or a hyphen parts it from the word before."""
        return self.gap in {" ", "-", "  "}

    @property
    def is_owner(self) -> bool:
        return self.plain != straight(self.text)


@dataclass(frozen=True, slots=True)
class Span:
    """New text for a place of a text; `words` are the new words alone, without the space that holds them apart."""

    start: int
    end: int
    words: str
    before: str = ""
    after: str = ""


@cache
def phrase(text: str) -> tuple[str, ...]:
    """The words of a phrase in small letters."""
    return tuple(straight(found[0]) for found in WORD.finditer(text))


@lru_cache(maxsize=256)
def words(text: str) -> tuple[Word, ...]:
    """All words of a text, in order."""
    ends = [end for _, end in sentences(text)]
    found: list[Word] = []
    last, number = 0, 0
    for match in WORD.finditer(text):
        while number < len(ends) - 1 and match.start() >= ends[number]:
            number += 1
        plain = POSSESSIVE.sub("", straight(match[0]))
        gap = text[last : match.start()] if found else ""
        found.append(Word(match[0], match.start(), match.end(), gap, plain, lemma(plain), number))
        last = match.end()
    return tuple(found)


@lru_cache(maxsize=256)
def sentences(text: str) -> tuple[tuple[int, int], ...]:
    """Where sentences start and end, their full stops included."""
    found: list[tuple[int, int]] = []
    start = 0
    for match in SENTENCE_END.finditer(text):
        before = WORD.findall(text[start : match.start()])
        if match[0] == "." and before and (before[-1].lower() in SHORTENED or re.fullmatch("[A-Z]", before[-1])):
            continue
        if before:
            found.append((start, match.end()))
            start = match.end()
    if WORD.search(text, start):
        found.append((start, len(text)))
    return tuple(found)


def occurrences(text_words: Sequence[Word], wanted: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where a phrase stands, first word and the one after its last, plurals and other spacings included."""
    compact = "".join(wanted[:-1]) + lemma(wanted[-1])
    for first, word in enumerate(text_words):
        if not (compact.startswith(word.plain) or word.lemma == compact):
            continue
        for count in range(1, len(wanted) + 2):
            part = text_words[first : first + count]
            if len(part) < count or not all(other.is_joined for other in part[1:]):
                break
            if "".join(other.plain for other in part[:-1]) + part[-1].lemma == compact:
                yield first, first + count
                break


def changed(text: str, spans: Iterable[Span]) -> str:
    """The text with new words in some places; of two at one place the first one given comes first."""
    is_shouted = text.isupper() and len(text) > 1
    in_order = sorted(spans, key=lambda span: (span.start, span.end))
    for span in in_order[::-1]:
        new = _as_the_old(text, span)
        before = _with_fitting_article(text[: span.start], new + span.after + text[span.end :], is_shouted)
        text = before + span.before + new + span.after + _in_the_middle(text, span)
    return text


def straight(text: str) -> str:
    """Small letters and plain apostrophes."""
    return text.lower().replace("’", "'")


def capitalised(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


def _as_the_old(text: str, span: Span) -> str:
    """The new words in capitals where the old ones are, and with a capital first letter where a sentence begins so."""
    old, new = text[span.start : span.end], span.words
    if text.isupper() and len(text) > 1:
        return new.upper()
    follows = old or text[span.start : span.start + 1]
    begins = any(
        not WORD.search(text[start : span.start]) for start, end in sentences(text) if start <= span.start < end
    )
    return capitalised(new) if follows[:1].isupper() and begins else new


def _in_the_middle(text: str, span: Span) -> str:
    """What follows, with a small letter where its word began the sentence and does so no more."""
    rest = text[span.end :]
    first = WORD.match(rest)
    is_pushed = span.start == span.end and span.after == " " and first is not None
    if is_pushed and first is not None and first[0].istitle() and not text.isupper() and len(first[0]) > 1:
        return rest[:1].lower() + rest[1:]
    return rest


def _with_fitting_article(before: str, after: str, is_shouted: bool) -> str:
    """The text before with its last word `a` or `an` as the word after it sounds."""
    found, following = ARTICLE_BEFORE.search(before), WORD.search(after)
    if found is None or following is None or after[: following.start()].strip("\"'“‘( "):
        return before
    right = article(following[0])
    old = found[1]
    right = right.upper() if is_shouted else capitalised(right) if old[0].isupper() else right
    return before[: found.start()] + right + found[2]
