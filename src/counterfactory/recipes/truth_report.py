"""Where the truth is known: whether counterfactuals show what they should, and how far the failures found are true."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from counterfactory.recipes.counterfactuals import Counterfactual
from counterfactory.recipes.tested import Said
from counterfactory.recipes.truth import Seen, Truth
from counterfactory.types import Table

Answers = Sequence[Said | None]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Failures of one edit, from 0 to 1: of the sources, of what was drawn, and of what is true."""

    kind: str
    value: str
    number: int
    before: float
    drawn: float
    true: float


def truth_tables(found: Truth, made: Sequence[Counterfactual], before: Answers, after: Answers) -> tuple[Table, ...]:
    """What the judge sees, and found against true failures, edit by edit."""
    return _validity_table(found, made), _rates_table(rates(found, made, before, after))


def truth_numbers(
    found: Truth, made: Sequence[Counterfactual], before: Answers, after: Answers
) -> Mapping[str, float | None]:
    """The same in a few numbers, in percent and points."""
    each = rates(found, made, before, after)
    said = {
        f"{what}, {which}": _percent(values)
        for which, group in (("all drawn", _all(found)), ("counted", _counted(found, made)))
        for what, values in _measures(group).items()
    }
    return {
        **said,
        "failures found differ from true ones by, points": _mean_error(each, [one.drawn for one in each]),
        "unedited failures differ from true ones by, points": _mean_error(each, [one.before for one in each]),
    }


def rates(found: Truth, made: Sequence[Counterfactual], before: Answers, after: Answers) -> list[Rates]:
    """Of each edit whose true counterfactuals are known, the pictures that count."""
    groups: dict[tuple[str, str], list[tuple[bool, bool, bool]]] = {}
    for one, b, a, true in zip(made, before, after, found.said, strict=True):
        if one.counts and b and a and true:
            groups.setdefault((one.kind, one.value), []).append((b.failed, a.failed, true.failed))
    return [
        Rates(
            kind=kind,
            value=value,
            number=len(rows),
            **dict(zip(("before", "drawn", "true"), map(fmean, zip(*rows, strict=True)), strict=True)),
        )
        for (kind, value), rows in sorted(groups.items())
    ]


def _rates_table(found: Sequence[Rates]) -> Table:
    return Table(
        title="Failures found and true failures",
        columns=("kind of edit", "edit", "pictures", "as photographed", "found", "true", "found - true, points"),
        rows=tuple(
            (r.kind, r.value, r.number, 100 * r.before, 100 * r.drawn, 100 * r.true, 100 * (r.drawn - r.true))
            for r in found
        ),
        note="In %. True: the model's failures on the same scenes, truly drawn with the edit.",
    )


def _validity_table(found: Truth, made: Sequence[Counterfactual]) -> Table:
    groups = {"all drawn": _all(found), "counted": _counted(found, made)}
    names = list(_measures([]))
    return Table(
        title="What the counterfactuals show",
        columns=("", "pictures", *names),
        rows=tuple(
            (which, len(group), *(_percent(values) for values in _measures(group).values()))
            for which, group in groups.items()
        ),
        note="In %, as the judge of the zoo reads them; it measures and chooses nothing.",
    )


def _measures(group: Sequence[Seen]) -> dict[str, list[float]]:
    return {
        "label preserved": [float(one.kept) for one in group],
        "edit visible": [float(one.edited) for one in group],
        "other factors kept": [one.others for one in group],
        "mask IoU": [one.overlap for one in group],
    }


def _all(found: Truth) -> list[Seen]:
    return [one for one in found.seen if one]


def _counted(found: Truth, made: Sequence[Counterfactual]) -> list[Seen]:
    return [one for one, by in zip(found.seen, made, strict=True) if one and by.counts]


def _percent(values: Sequence[float]) -> float | None:
    return round(100 * fmean(values), 2) if values else None


def _mean_error(found: Sequence[Rates], guesses: Sequence[float]) -> float | None:
    """The mean distance to the true rates, each edit by its pictures."""
    if not found:
        return None
    weighed = sum(one.number * abs(guess - one.true) for one, guess in zip(found, guesses, strict=True))
    return round(100 * weighed / sum(one.number for one in found), 2)
