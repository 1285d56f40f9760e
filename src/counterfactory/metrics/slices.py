"""Where a model fails: pairs of an image and its counterfactual, cut by class and by edit, each with its evidence.

Several counterfactuals of one source are no independent observations. Each slice therefore takes the mean over a
source first and counts sources; with one counterfactual a source this is the usual Wilson interval and McNemar test.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterfactory.metrics.significance import Bounds, holm, mean_change, no_change, paired_shares, wilson
from counterfactory.types import Interval

FEWEST = 20  # sources; fewer show too little to be called a finding
SURE = 0.05  # a corrected chance below it is a finding
CUTS = (("kind",), ("kind", "value"), ("label",), ("label", "kind"), ("label", "kind", "value"))

Whole = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An image as it was and its counterfactual: what the model made of both, and whether the second may count."""

    source: str  # by what the image as it was is known
    label: str  # its class
    kind: str  # of the edit
    value: str  # what it made of the image
    failed_before: bool
    failed_after: bool
    confidence_before: float  # in the label
    confidence_after: float
    valid: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Pairs that have something in common, none named meaning all. Shares are of sources, from 0 to 1."""

    label: str | None = None
    kind: str | None = None
    value: str | None = None
    drawn: int  # counterfactuals
    valid: int  # those of them that count
    sources: int  # images that they were made from
    before: Interval  # share of failures as it was, Wilson's interval
    after: Interval  # share of failures as a counterfactual
    difference: Interval  # after - before, Newcombe's interval
    chance: float  # of such failures if the edit changed nothing; McNemar's exact test with one counterfactual each
    corrected: float | None  # the same, corrected by Holm for all slices that are large enough; none for small ones
    shift: Interval  # of the confidence in the label

    @property
    def is_found(self) -> bool:
        """Whether the edit makes failures more frequent, and this is hardly chance."""
        return self.corrected is not None and self.corrected < SURE and self.difference.mean > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """All slices: those large enough with the worst first, and the small ones apart, the largest first."""

    whole: Slice | None  # all pairs; none where no pair counts
    ranked: tuple[Slice, ...]
    small: tuple[Slice, ...]
    fewest: int  # sources of a slice that is ranked


def slices(pairs: Sequence[Pair], fewest: int = FEWEST) -> Slices:
    """Cut by kind, by kind and value, by class, by class and kind, and by class, kind and value, and measured.

    Slices of the very same pairs are one, under the most exact of their names.
    """
    columns = _columns(pairs)
    whole = _measured(columns, ())
    cut = _distinct([each for names in CUTS for each in _measured(columns, names)])
    large = _corrected([each for each in cut if each.sources >= fewest])
    small = [each for each in cut if each.sources < fewest]
    return Slices(
        whole=whole[0] if whole else None,
        ranked=tuple(sorted(large, key=_rank)),
        small=tuple(sorted(small, key=lambda each: (-each.sources, _name(each)))),
        fewest=fewest,
    )


def _distinct(cut: list[Slice]) -> list[Slice]:
    """Without those all of whose pairs lie in one slice that says more of them."""
    drawn = {(each.label, each.kind, each.value): each.drawn for each in cut}
    coarse = {
        wider
        for (label, kind, value), count in drawn.items()
        for wider in ((label, None, None), (None, kind, None), (label, kind, None), (None, kind, value))
        if wider != (label, kind, value) and drawn.get(wider) == count
    }
    return [each for each in cut if (each.label, each.kind, each.value) not in coarse]


def _rank(found: Slice) -> tuple[float, float, tuple[str, ...]]:
    """The worst first: by how much of the difference is sure, then by the share of failures."""
    assert found.difference.low is not None, "a slice that is large enough has bounds"
    return -found.difference.low, -found.after.mean, _name(found)


def _name(found: Slice) -> tuple[str, ...]:
    return tuple(part or "" for part in (found.label, found.kind, found.value))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Columns:
    """Pairs as arrays: names by number, and what was measured."""

    names: dict[str, tuple[list[str], Whole]]  # the values that occur, and each pair's
    sources: Whole
    valid: NDArray[np.bool_]
    before: Numbers
    after: Numbers
    shift: Numbers


def _columns(pairs: Sequence[Pair]) -> _Columns:
    rows = [
        (p.failed_before, p.failed_after, p.confidence_after - p.confidence_before, p.valid) for p in pairs
    ]  # one walk over many pairs
    before, after, shift, valid = np.array(rows, np.float64).reshape(-1, 4).T
    return _Columns(
        names={name: _numbered([getattr(pair, name) for pair in pairs]) for name in ("label", "kind", "value")},
        sources=_numbered([pair.source for pair in pairs])[1],
        valid=valid > 0,
        before=before,
        after=after,
        shift=shift,
    )


def _numbered(values: list[str]) -> tuple[list[str], Whole]:
    known = sorted(set(values))
    places = {value: place for place, value in enumerate(known)}
    return known, np.fromiter(map(places.__getitem__, values), np.int64, len(values))


def _measured(columns: _Columns, names: tuple[str, ...]) -> list[Slice]:
    """One slice for each combination of the values of some columns that occurs among pairs that count."""
    if not columns.valid.any():
        return []
    group = np.zeros(len(columns.valid), np.int64)
    for name in names:
        known, places = columns.names[name]
        group = group * len(known) + places
    codes, group = np.unique(group, return_inverse=True)
    drawn = np.bincount(group, minlength=len(codes))
    valid = np.bincount(group[columns.valid], minlength=len(codes))
    said = [_said(columns, names, int(code)) for code in codes]
    measures = _measures(columns, group, len(codes))
    return [
        Slice(**said[place], drawn=int(drawn[place]), valid=int(valid[place]), **measure)
        for place, measure in enumerate(measures)
        if valid[place]
    ]


def _said(columns: _Columns, names: tuple[str, ...], code: int) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name in reversed(names):
        known, _ = columns.names[name]
        code, place = divmod(code, len(known))
        said[name] = known[place]
    return said


def _measures(columns: _Columns, group: Whole, groups: int) -> Iterator[dict[str, Any]]:
    """Source by source within each group first, then over each group's sources."""
    valid = columns.valid
    width = int(columns.sources.max(initial=0)) + 1
    cells, place = np.unique(group[valid] * width + columns.sources[valid], return_inverse=True)
    times = np.bincount(place, minlength=len(cells))
    before, after, shift = (
        np.bincount(place, values[valid], len(cells)) / times
        for values in (columns.before, columns.after, columns.shift)
    )
    of = cells // width

    def over(values: Numbers) -> Numbers:
        return np.asarray(np.bincount(of, values, groups), np.float64)

    units = np.bincount(of, minlength=groups)
    n = np.maximum(units, 1)
    first, second = over(before) / n, over(after) / n
    bounds = {
        "before": wilson(first, units),
        "after": wilson(second, units),
        "difference": paired_shares(first, second, over(before * after) / n, units),
        "shift": mean_change(over(shift), over(shift**2), units),
    }
    ends = np.searchsorted(of, np.arange(groups + 1))  # cells lie group by group
    failed = np.rint(after * times).astype(np.int64)
    had = before > 0
    for at, count in enumerate(units.tolist()):
        yield {
            **{name: _interval(bound, at, count) for name, bound in bounds.items()},
            "sources": count,
            "chance": no_change(had[own := slice(ends[at], ends[at + 1])].astype(int), failed[own], times[own]),
            "corrected": None,
        }


def _interval(bounds: Bounds, at: int, n: int) -> Interval:
    low, high = float(bounds.low[at]), float(bounds.high[at])
    if np.isnan(low):
        return Interval(mean=float(bounds.mean[at]), n=n)
    return Interval(mean=float(bounds.mean[at]), low=low, high=high, n=n)


def _corrected(found: list[Slice]) -> list[Slice]:
    adjusted = holm(np.array([each.chance for each in found]))
    return [replace(each, corrected=float(chance)) for each, chance in zip(found, adjusted, strict=True)]
