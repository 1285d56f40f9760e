"""Where a label stands in a caption: by its words, whatever their number, spelling of spaces or ending."""

from collections.abc import Sequence

from counterfactory.language.english import stems
from counterfactory.language.words import Word, occurrences, phrase, words
from counterfactory.types import Passage

WEAK = {"a", "an", "the", "of", "and", "or", "in", "on", "with", "for", "at", "to", "by", "s", "other", "no", "not"}

Names = tuple[tuple[str, ...], ...]


def names(passage: Passage) -> Names:
    """The label and its synonyms as phrases; a comma parts synonyms, as in `tench, Tinca tinca`."""
    said = [part for text in (passage.label, *passage.synonyms) for part in text.replace("_", " ").split(",")]
    return tuple(dict.fromkeys(words for part in said if (words := phrase(part))))


def protected(text_words: Sequence[Word], wanted: Names) -> frozenset[int]:
    """Places that no edit may touch: the names, and each of their words wherever it stands."""
    alone = {stem for name in wanted for word in name if word not in WEAK for stem in stems(word)}
    single = {place for place, word in enumerate(text_words) if stems(word.plain) & alone}
    return frozenset(single | {place for span in places(text_words, wanted) for place in range(*span)})


def places(text_words: Sequence[Word], wanted: Names) -> list[tuple[int, int]]:
    """Where any of the names stands, in any number or spelling of spaces."""
    found = {span for name in wanted for span in occurrences(text_words, name)}
    inflected = {name[0]: stems(name[0]) for name in wanted if len(name) == 1 and name[0] not in WEAK}
    for place, word in enumerate(text_words):
        if any(name in stems(word.plain) or word.lemma in forms for name, forms in inflected.items()):
            found.add((place, place + 1))
    return sorted(found)


def count(text: str, wanted: Names) -> int:
    """How many words of a text belong to a name."""
    return len({place for span in places(words(text), wanted) for place in range(*span)})
