"""Where names stand in a sentence and noun phrases end, by the words around them."""

from collections.abc import Iterator, Mapping, Sequence

from counterfactory.language import bank
from counterfactory.language.english import grammar
from counterfactory.language.words import Word


def known(
    found: Sequence[Word], entries: Mapping[tuple[str, ...], bank.Entry]
) -> Iterator[tuple[int, int, bank.Entry]]:
    """Names that stand in the text, the longest at each place, plurals included."""
    place = 0
    while place < len(found):
        for count in range(min(bank.longest(found[place].plain), len(found) - place), 0, -1):
            part = found[place : place + count]
            plain = tuple(word.plain for word in part)
            name = plain if plain in entries else (*plain[:-1], part[-1].lemma)
            if name in entries and all(word.is_joined for word in part[1:]):
                yield place, place + count, entries[name]
                place += count - 1
                break
        place += 1


def ends_at(found: Sequence[Word], place: int) -> bool:
    """Whether a noun phrase may end before this word: at a sign, a preposition, a verb, or the end."""
    if place >= len(found):
        return True
    word = found[place]
    if not word.is_joined:
        return True
    if word.gap == "-":
        return False
    is_verb = word.plain.endswith(("ing", "ed")) and word.plain not in grammar("not_participles")
    return is_verb or word.plain in grammar("followers") or word.plain in grammar("prepositions")


def is_of(found: Sequence[Word], place: int) -> bool:
    """Whether the word at a place is `of`, so that what stands before it is a part of something."""
    return place < len(found) and found[place].plain == "of"


def setting_at(found: Sequence[Word], place: int, named: Sequence[str]) -> tuple[str, int] | None:
    """The sort of setting that begins at this word, up to two modifiers later, and where its name begins."""
    for first in range(place, min(place + 3, len(found))):
        for count in (2, 1):
            part = found[first : first + count]
            if len(part) < count or not all(word.is_joined for word in part):
                continue
            name = (*(word.plain for word in part[:-1]), part[-1].lemma)
            for sort in named:
                if name in bank.settings(sort) and ends_at(found, first + count) and not is_of(found, first + count):
                    return sort, first
        if not (first < len(found) and found[first].is_joined and found[first].plain in grammar("modifiers")):
            return None
    return None
