"""Forms of English words: singulars, stems, a or an. Knows no sentence and no meaning."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from threading import Lock
from types import MappingProxyType
from typing import Any

import yaml

VOWELS = "aeiou"
DOUBLED = re.compile(r"([b-df-hj-np-tv-z])\1$")  # a consonant twice, as in running

_reading = Lock()


def listed(name: str) -> Any:
    """What a file of the bank holds; of many threads that ask at one moment, the first reads it for all."""
    with _reading:
        return _read(name)


@cache
def grammar(name: str) -> frozenset[str]:
    """One of the grammar's lists of words."""
    return frozenset(str(word) for word in listed("grammar")[name])


@cache
def lemma(word: str) -> str:
    """The singular of a word in small letters; what is no plural stays as it is."""
    if word in _irregular():
        return _irregular()[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")) or word in grammar("singular"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    return word[:-1]


@cache
def stems(word: str) -> frozenset[str]:
    """What a word may come from: its singular, and the verb that it may be a form of."""
    found = {word, lemma(word)}
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word.removesuffix(ending)
            found |= {stem, stem + "e"} | ({stem[:-1]} if DOUBLED.search(stem) else set())
    return frozenset(found)


def plural(word: str) -> str:
    """The plural of a singular."""
    for many, one in _irregular().items():
        if one == word:
            return many
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in VOWELS:
        return word[:-1] + "ies"
    return word + "s"


def article(word: str) -> str:
    """`a` or `an`, by how a word sounds."""
    plain = word.lower()
    if plain in grammar("said_as_an"):
        return "an"
    if plain in grammar("said_as_a"):
        return "a"
    if plain[:1].isdigit():
        return "an" if re.match(r"8|1[18](?!\d)", plain) else "a"
    return "an" if plain[:1] in VOWELS else "a"


@cache
def _irregular() -> Mapping[str, str]:
    return MappingProxyType(listed("grammar")["plurals"])


@cache
def _read(name: str) -> Any:
    return yaml.safe_load((files("counterfactory.language") / "bank" / f"{name}.yaml").read_text(encoding="utf-8"))
