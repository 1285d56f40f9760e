"""One edit before it is made: its places, its words, and what it brings with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from counterfactory.language import bank
from counterfactory.language.kinds import Kind
from counterfactory.language.mentions import Mention
from counterfactory.language.reading import Reading
from counterfactory.language.words import Span, changed
from counterfactory.types import Edit, Rewriting

PLACED = ("weather", "season", "surroundings")  # kinds whose values tell where one is


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """New words in one or more places, all for one value of one kind."""

    kind: Kind
    value: str
    spans: tuple[Span, ...]
    tags: frozenset[str] = frozenset()
    where: str = "anywhere"


def rewriting(text: str, changes: Sequence[Change]) -> Rewriting:
    """The text after some changes, with what each of them exchanged."""
    spans = [(change.kind, span) for change in changes for span in change.spans]
    edits = [Edit(kind=kind, old=text[span.start : span.end], new=span.words) for kind, span in spans]
    return Rewriting(caption=changed(text, [span for _, span in spans]), edits=tuple(dict.fromkeys(edits)))


def go_together(one: Change, other: Change) -> bool:
    """Whether two changes touch different words and say nothing that contradicts the other."""
    if one.kind == other.kind or {one.where, other.where} == {"indoors", "outdoors"}:
        return False
    if any(_overlap(a, b) for a in one.spans for b in other.spans) or bank.clash(one.tags, other.tags):
        return False
    return not (_is_day(one) and (_is_day(other) or "night" in other.tags)) and not (
        _is_day(other) and "night" in one.tags
    )


@lru_cache(maxsize=64)
def site(reading: Reading, without: tuple[Mention, ...] = ()) -> str:
    """Where the picture was taken as far as the caption tells: indoors, outdoors, likely so, open or both."""
    tags = reading.tags(without)
    said = {m.value.where for m in reading.mentions if m.value.kind in PLACED and m.slot and m not in without}
    firm = {name for name in ("indoors", "outdoors") if name in tags | said}
    if firm:
        return "both" if len(firm) == 2 else firm.pop()
    likely = {name for name in ("likely indoors", "likely outdoors") if name in tags}
    return likely.pop() if len(likely) == 1 else "open"


def _is_day(change: Change) -> bool:
    """Whether a change says `on a windy day`, beside which neither another day nor a night goes."""
    return any(span.words.endswith(" day") for span in change.spans)


def _overlap(one: Span, other: Span) -> bool:
    if one.start == one.end or other.start == other.end:
        return one.start < other.end and other.start < one.end and one.start != other.start
    return one.start < other.end and other.start < one.end
