"""The forms of a language model's replies about a caption, and what they mean; what cannot be used is complained of."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator

from counterfactory.asking.reading import Invalid
from counterfactory.language.checks import complaint
from counterfactory.language.kinds import Kind
from counterfactory.language.labels import names, protected
from counterfactory.language.words import occurrences, phrase, words
from counterfactory.types import Edit, Passage, Rewriting

LONGEST = 60  # characters that stand in the place of a word or phrase


def _spelt(said: Any) -> Any:
    """A kind as it is spelt here."""
    return said.strip().lower().replace("_", " ").replace("color", "colour") if isinstance(said, str) else said


TypedKind = Annotated[Kind, BeforeValidator(_spelt)]


class Keyword(BaseModel, extra="forbid"):
    words: str
    kind: TypedKind


class Keywords(BaseModel, extra="forbid"):
    keywords: list[Keyword]


class Instead(BaseModel, extra="forbid"):
    words: str
    instead: list[str]


class Alternatives(BaseModel, extra="forbid"):
    alternatives: list[Instead]


class Rewritten(BaseModel, extra="forbid"):
    caption: str


class Changed(BaseModel, extra="forbid"):
    kind: TypedKind
    old: str
    new: str


class Counterfactual(BaseModel, extra="forbid"):
    edits: list[Changed]
    caption: str


class Together(BaseModel, extra="forbid"):
    counterfactuals: list[Counterfactual]


@dataclass(frozen=True, slots=True)
class Found:
    """Words as they stand in a caption, and of which kind they are."""

    words: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many rewritings, of how many edits at most, of which kinds."""

    counterfactuals: int
    edits: int
    kinds: Collection[Kind]


def keywords(passage: Passage, kinds: Collection[Kind]) -> Callable[[Keywords], tuple[Found, ...]]:
    """The keywords that stand in the caption and may change; the others are left out, unless they are all there is."""
    text_words = words(passage.caption)
    label = protected(text_words, names(passage))

    def mean(said: Keywords) -> tuple[Found, ...]:
        taken, found = set(label), []
        for keyword in said.keywords:
            spans = list(occurrences(text_words, phrase(keyword.words))) if phrase(keyword.words) else []
            span = next((span for span in spans if not taken & set(range(*span))), None)
            if span is not None and keyword.kind in kinds:
                taken.update(range(*span))
                stands = passage.caption[text_words[span[0]].start : text_words[span[1] - 1].end]
                found.append(Found(stands, keyword.kind))
        if not found:
            named = ", ".join(repr(keyword.words) for keyword in said.keywords[:5]) or "none"
            raise Invalid(
                f"no keyword can be used (it named {named}): each must stand in the description as it is written, "
                f"be no word of the label and be of one of these kinds: {', '.join(kinds)}"
            )
        return tuple(found)

    return mean


def alternatives(passage: Passage, found: Sequence[Found]) -> Callable[[Alternatives], tuple[tuple[Edit, ...], ...]]:
    """The edits that each keyword allows; a keyword without any is left out, unless all are."""
    by_phrase = {phrase(word.words): word for word in found}
    label = names(passage)

    def mean(said: Alternatives) -> tuple[tuple[Edit, ...], ...]:
        edits: dict[Found, tuple[Edit, ...]] = {}
        for given in said.alternatives:
            word = by_phrase.get(phrase(given.words))
            if word is not None:
                fit = _fitting(word, given.instead, label)
                edits[word] = tuple(dict.fromkeys((*edits.get(word, ()), *fit)))
        kept = tuple(some for word in found if (some := edits.get(word)))
        if not kept:
            wanted = ", ".join(repr(word.words) for word in found)
            raise Invalid(f"it gives no other words for any of {wanted}, or only such as name the label")
        return kept

    return mean


def _fitting(word: Found, instead: Iterable[str], label: Any) -> Iterable[Edit]:
    for other in (" ".join(text.split()).strip(' .,;"') for text in instead):
        if phrase(other) in {(), phrase(word.words)} or len(other) > LONGEST:
            continue
        if not protected(words(other), label):
            yield Edit(kind=word.kind, old=word.words, new=other)


def rewriting(passage: Passage, edits: tuple[Edit, ...]) -> Callable[[Rewritten], Rewriting]:
    """The caption with the edits that were asked for, and no others."""

    def mean(said: Rewritten) -> Rewriting:
        written = Rewriting(caption=" ".join(said.caption.split()), edits=edits)
        if trouble := complaint(passage, written):
            raise Invalid(f"the new description is not the one that was asked for: {trouble}")
        return written

    return mean


def counterfactuals(passage: Passage, wanted: Wanted) -> Callable[[Together], tuple[Rewriting, ...]]:
    """The rewritings that hold; where some do not, or are too few, the others are kept in case no better come."""

    def mean(said: Together) -> tuple[Rewriting, ...]:
        good: dict[Rewriting, None] = {}
        troubles = []
        for number, one in enumerate(said.counterfactuals, 1):
            edits = tuple(Edit(kind=edit.kind, old=edit.old.strip(), new=edit.new.strip()) for edit in one.edits)
            written = Rewriting(caption=" ".join(one.caption.split()), edits=edits)
            if trouble := _unwanted(edits, wanted) or complaint(passage, written):
                troubles.append(f"number {number}: {trouble}")
            else:
                good[written] = None
        kept = tuple(good)[: wanted.counterfactuals]
        if len(kept) < wanted.counterfactuals:
            told = "; ".join(troubles[:5]) or "each must be another one"
            raise Invalid(f"{len(kept)} of {wanted.counterfactuals} can be used: {told}", instead=kept or None)
        return kept

    return mean


def _unwanted(edits: Sequence[Edit], wanted: Wanted) -> str | None:
    if not 1 <= len(edits) <= wanted.edits:
        return f"it has {len(edits)} edits, expected {'one' if wanted.edits == 1 else f'1 to {wanted.edits}'}"
    others = sorted({edit.kind for edit in edits} - set(wanted.kinds))
    return f"its kind {others[0]!r} is none of {', '.join(wanted.kinds)}" if others else None
