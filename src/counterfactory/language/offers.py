"""Which values may be written for each kind: the banks' own, or only those that a person lists."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from counterfactory.language import bank
from counterfactory.language.bank import Value
from counterfactory.language.kinds import Kind
from counterfactory.language.words import phrase

Banks = Mapping[Kind, tuple[str, ...]]


def offers(kind: Kind, banks: Banks | None) -> tuple[Value, ...]:
    """The values of a kind that may be written, each with its words."""
    if banks is None or kind not in banks:
        return bank.common(kind)
    return tuple(_as_listed(kind, text) for text in banks[kind])


def meant(kind: Kind, text: str) -> tuple[Value, str] | None:
    """The value that some words say, and the slot that they fill; no slot where they are a name of it."""
    said = tuple(map(bank.alike, phrase(text)))
    return _meanings(kind).get(said)


@cache
def _meanings(kind: Kind) -> Mapping[tuple[str, ...], tuple[Value, str]]:
    found: dict[tuple[str, ...], tuple[Value, str]] = {}
    for value in bank.of_kind(kind):
        for slot, form in value.said():
            found.setdefault(tuple(map(bank.alike, phrase(form))), (value, slot))
    for value in bank.of_kind(kind):
        for name in (value.name, *value.nouns):
            found.setdefault(tuple(map(bank.alike, phrase(name))), (value, ""))
    return found


def _as_listed(kind: Kind, text: str) -> Value:
    """A value with a person's own words in the slot that they fill, or with the banks' where they only name it."""
    known = meant(kind, text)
    if known is None:
        slot = "look" if kind in bank.LOOKS else "tail" if kind in {"viewpoint", "style"} else "around"
        return Value(kind=kind, name=text, forms={slot: (text,)})
    value, slot = known
    return replace(value, rare=False, listed_as=slot, forms={**value.forms, slot: (text,)} if slot else value.forms)
