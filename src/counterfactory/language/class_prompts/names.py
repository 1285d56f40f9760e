"""Names of classes in sentences: which are said, whatever their number and case, and how they are told apart."""

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from counterfactory.language.english import article, lemma
from counterfactory.language.words import ARTICLE_BEFORE, POSSESSIVE, Word, capitalised, phrase, words
from counterfactory.types import ClassWish

Words = tuple[str, ...]
Place = tuple[int, int]  # of a word, and of the one after the last


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classes:
    """The names of all classes, to be looked for in sentences at once: a thousand cost no more than ten."""

    owners: Mapping[str, tuple[str, ...]]  # what is said, as one word -> the classes that are called so
    longest: int  # words that may be one name
    gaps: frozenset[str]  # what may stand between them: `St. Bernard`, `jack-o'-lantern`

    def said(self, text: str) -> Iterator[tuple[frozenset[str], Place]]:
        """Which classes each name in a text may stand for, the longest name at each place: a hot dog is no dog."""
        found, place = words(composed(text)), 0
        while place < len(found):
            last, owners = self._at(found, place)
            if owners:
                yield frozenset(_spelt_so(found[place:last], owners) or owners), (place, last)
            place = last

    def complaint(self, name: str, text: str) -> str | None:
        """What speaks against a prompt of a class, in words; nothing where it names this class and no other."""
        if not phrase(text):
            return "it has no words"
        said = [owners for owners, _ in self.said(text)]
        others = [owners for owners in said if name not in owners]
        if others:
            return f"it names {min(others[0])!r}, which is another class"
        ambiguous = next((owners - {name} for owners in said if len(owners) > 1 and not _same(owners)), None)
        if ambiguous:
            return f"it may mean {min(ambiguous)!r} as well: it must say {spoken(name)!r} with just these capitals"
        return None if said else f"it does not name {spoken(name)!r}"

    def _at(self, found: Sequence[Word], place: int) -> tuple[int, tuple[str, ...]]:
        """The end of the longest name that begins here and its classes; none, and the next word."""
        for last in range(min(place + self.longest, len(found)), place, -1):
            part = found[place:last]
            if all(word.gap in self.gaps for word in part[1:]) and (owners := self.owners.get(_one_word(part))):
                return last, owners
        return place + 1, ()


def classes_of(wish: ClassWish) -> Classes:
    """All classes of the data that a wish is about."""
    return all_classes(tuple(sorted({wish.name, *wish.others})))


@lru_cache(maxsize=16)
def all_classes(names: tuple[str, ...]) -> Classes:
    """The classes of these names."""
    owners: dict[str, dict[str, None]] = {}
    longest, gaps = 1, {" ", "-", "  "}
    for name in names:
        for said in called(name):
            if found := words(said):
                owners.setdefault(_one_word(found), {})[name] = None
                longest = max(longest, len(found) + 1)  # `air plane` is an airplane
                gaps |= {word.gap for word in found[1:]}
    those = {said: tuple(calling) for said, calling in owners.items()}
    return Classes(owners=those, longest=longest, gaps=frozenset(gaps))


def spoken(name: str) -> str:
    """A class's name as sentences say it: without underscores, and of several names the first."""
    return called(name)[0]


@lru_cache(maxsize=4096)
def called(name: str) -> tuple[str, ...]:
    """All that a class is called; a comma parts its names, as in `tench, Tinca tinca`."""
    parts = [" ".join(part.replace("_", " ").split()) for part in composed(name).split(",")]
    return tuple(dict.fromkeys(part for part in parts if part)) or (name,)


def named(prompt: str, name: str, instead: str) -> str:
    """A prompt with other words, or a token such as `<car>`, wherever its class is named; a carrot is no car."""
    text = composed(prompt)
    found = words(text)
    for _, (first, last) in reversed(list(all_classes((name,)).said(text))):
        owner = POSSESSIVE.search(found[last - 1].text.replace("’", "'"))  # what is behind the name stays
        end = found[last - 1].end - (len(owner[0]) if owner else 0)
        text = _with_article(text[: found[first].start], instead) + instead + text[end:]
    return text


def filled(template: str, instead: str) -> str:
    """A template with other words, or a token, wherever it has {}; `a` and `an` follow them."""
    text, *rest = template.split("{}")
    for part in rest:
        text = _with_article(text, instead) + instead + part
    return text


def matched(found: Iterable[str], names: Collection[str]) -> dict[str, str]:
    """Which class each of some names means: the one that is spelt so, or else the only one that is spelt alike."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_plain(name), []).append(name)
    meant: dict[str, str] = {}
    for name in found:
        near = [name] if name in names else alike.get(_plain(name), [])
        if len(near) == 1:
            meant[name] = near[0]
    return meant


def composed(text: str) -> str:
    """A text in which every letter is one character: some file systems take umlauts apart."""
    return unicodedata.normalize("NFC", text)


def _one_word(found: Sequence[Word]) -> str:
    """Words as one, in the singular, so that spaces, hyphens and plurals do not count."""
    return "".join(word.plain for word in found[:-1]) + lemma(found[-1].plain)


def _spelt_so(found: Sequence[Word], owners: Iterable[str]) -> list[str]:
    """Of classes that one word may mean, such as Turkey and turkey, those that are spelt as the text has it."""
    same = [owner for owner in owners if any(_is_spelt(found, words(said)) for said in called(owner))]
    return same or [owner for owner in owners if any(_is_plural(found, words(said)) for said in called(owner))]


def _is_spelt(found: Sequence[Word], name: Sequence[Word]) -> bool:
    return [word.text for word in found] == [word.text for word in name]


def _is_plural(found: Sequence[Word], name: Sequence[Word]) -> bool:
    """Whether the capitals are the same; the last letter may give way to a plural."""
    pairs = zip(found, name, strict=False)
    return len(found) == len(name) and all(one.text.startswith(other.text[:-1] or other.text) for one, other in pairs)


def _same(owners: Iterable[str]) -> bool:
    """Whether classes have a name that is spelt alike, so that no sentence can tell them apart."""
    return bool(set.intersection(*(set(called(owner)) for owner in owners)))


def _with_article(before: str, instead: str) -> str:
    """The text before with its last word `a` or `an` as the new words sound; a token is not spoken."""
    found = ARTICLE_BEFORE.search(before)
    if found is None or not instead[:1].isalnum():
        return before
    right = article(instead.split(maxsplit=1)[0])
    return before[: found.start()] + (capitalised(right) if found[1][0].isupper() else right) + found[2]


def _plain(name: str) -> str:
    return " ".join(composed(name).replace("_", " ").split()).casefold()
