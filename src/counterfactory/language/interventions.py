"""A person's own edits, from the configuration, applied where they fit and without any model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from counterfactory.language.checks import complaint
from counterfactory.language.english import lemma, plural
from counterfactory.language.kinds import Kind
from counterfactory.language.labels import names, protected
from counterfactory.language.words import Span, Word, changed, occurrences, phrase, sentences, words
from counterfactory.types import Edit, Failed, Passage, Rewriting
from counterfactory.worker import Worker


class Intervention(BaseModel, frozen=True, extra="forbid"):
    """One edit: words in the place of others, or words that are added."""

    kind: Kind = "other"
    replace: Mapping[str, str] = {}  # words -> words; nothing in their place removes them
    add: str = ""  # at the end of the first sentence

    @model_validator(mode="after")
    def _is_one_edit(self) -> "Intervention":
        if bool(self.replace) == bool(phrase(self.add)):
            raise ValueError("an intervention says either what to replace (words: words) or what to add, one of both")
        for old, new in self.replace.items():
            if not phrase(old) or phrase(old) == phrase(new):
                raise ValueError(f"replace: {old!r} to {new!r} is no edit; give words, and others in their place")
        return self


class Interventions(BaseModel, frozen=True, extra="forbid"):
    """A list of edits, each made alone on every caption where it fits."""

    version: ClassVar[int] = 1

    kind: Literal["interventions"] = "interventions"
    edits: Annotated[tuple[Intervention, ...], Field(min_length=1)]

    def load(self, worker: Worker) -> Callable[[Sequence[Passage]], list[tuple[Rewriting, ...] | Failed]]:
        return lambda passages: [self._rewritten(passage) for passage in passages]

    def _rewritten(self, passage: Passage) -> tuple[Rewriting, ...] | Failed:
        """Every edit that fits, in the order of the list."""
        found = {new.caption: new for edit in self.edits for new in _made(edit, passage)}
        return tuple(found.values()) or Failed("", self._why_not(passage), passage.caption)

    def _why_not(self, passage: Passage) -> str:
        wanted = ", ".join(repr(old) for edit in self.edits for old in edit.replace)
        added = ", ".join(repr(edit.add) for edit in self.edits if edit.add)
        reasons = [f"none of {wanted} stands in the caption outside of its label"] if wanted else []
        reasons += [f"{added} would change how often the label is said, or is there already"] if added else []
        return "no intervention fits: " + "; ".join(reasons)


def _made(edit: Intervention, passage: Passage) -> Iterator[Rewriting]:
    """The caption after one edit; nothing where it does not fit."""
    spans = _replacing(edit, passage) if edit.replace else _adding(edit, passage)
    text = passage.caption
    edits = [Edit(kind=edit.kind, old=text[span.start : span.end].strip(), new=span.words) for span in spans]
    new = Rewriting(caption=changed(text, spans).strip(), edits=tuple(dict.fromkeys(edits)))
    if spans and not complaint(passage, new):
        yield new


def _replacing(edit: Intervention, passage: Passage) -> list[Span]:
    """All places of all words to be replaced, longer phrases first; words of the label stay."""
    found = words(passage.caption)
    taken = set(protected(found, names(passage)))
    spans = []
    for old, new in sorted(edit.replace.items(), key=lambda pair: (-len(phrase(pair[0])), pair[0])):
        for first, last in occurrences(found, phrase(old)):
            if taken.isdisjoint(range(first, last)):
                taken.update(range(first, last))
                spans.append(_span(passage.caption, found[first:last], old, new))
    return sorted(spans, key=lambda span: span.start)


def _span(text: str, old_words: Sequence[Word], old: str, new: str) -> Span:
    """New words in the number of the old ones, with their possessive; a removal takes the space before it along."""
    last = old_words[-1]
    start, end = old_words[0].start, last.end
    if not new:
        return Span(start - (start > 0 and text[start - 1] == " "), end, "")
    is_many = last.plain != last.lemma and last.lemma == lemma(phrase(old)[-1]) and phrase(old)[-1] == last.lemma
    *before, final = new.split(" ")
    ending = last.text[len(last.plain) :]
    return Span(start, end, " ".join([*before, (plural(final) if is_many else final) + ending]))


def _adding(edit: Intervention, passage: Passage) -> list[Span]:
    """Behind the last word of the first sentence, unless the words are there."""
    found = words(passage.caption)
    if not found or any(True for _ in occurrences(found, phrase(edit.add))):
        return []
    last = [word for word in found if word.sentence == 0][-1]
    closing = passage.caption[last.end : sentences(passage.caption)[0][1]]
    end = last.end + len(closing) - len(closing.lstrip("\"'”’)]"))
    return [Span(end, end, edit.add.lstrip(", "), before=", " if edit.add.startswith(",") else " ")]
