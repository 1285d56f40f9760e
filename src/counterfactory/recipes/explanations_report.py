"""What is said of a run's explanations: a number of each group, and why others were not taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from counterfactory.errors import BadConfig, BadData, TooManyFailures
from counterfactory.recipes.explanation_measures import Group, Measure
from counterfactory.types import Interval, Report, Table

UNABLE = (BadData, BadConfig, TooManyFailures)  # of one number: the others are taken all the same
Groups = Mapping[str, Group]  # all explanations, and the flips among them


@dataclass(frozen=True, kw_only=True, eq=False)
class Taken:
    """A number of each group, or the reason why a group has none."""

    measure: Measure
    values: Mapping[str, Interval] = field(default_factory=dict)
    reason: str = ""


def taken(measure: Measure, groups: Groups) -> Taken:
    """Take a number of each group that it can be taken of."""
    values, reason = {}, ""
    for name in measure.of:
        try:
            values[name] = measure.take(groups[name])
        except UNABLE as error:
            reason = str(error) if len(measure.of) == 1 else f"of the group {name!r}: {error}"
    return Taken(measure=measure, values=values, reason=reason)


def worth_report(
    title: str, groups: Groups, found: Sequence[Taken], by_query: Sequence[Table], needs: Sequence[tuple[str, str]]
) -> Report:
    """Every number first; what is lacking says what it needs."""
    lacking = [*[(one.measure.name, one.reason) for one in found if one.reason], *needs]
    flips, every = len(groups["flips"]), len(groups["all"])
    there = [one for one in found if one.values]
    return Report(
        title=title,
        summary=(f"{flips} of {every} answers flipped.", *[f"{name}: {reason}" for name, reason in lacking]),
        numbers=dict(map(_number, there)),
        tables=(_table(there, groups), *by_query, *_lacking(lacking)),
    )


def _number(one: Taken) -> tuple[str, Interval]:
    """A name and the first group's value; of another group where that has none, and then the name says so."""
    group, value = next(iter(one.values.items()))
    return (one.measure.name if group == one.measure.of[0] else f"{one.measure.name} ({group})"), value


def _table(found: Sequence[Taken], groups: Groups) -> Table:
    rows = tuple((one.measure.name, *[one.values.get(name) for name in groups], one.measure.says) for one in found)
    heads = [f"{name} ({len(group)})" for name, group in groups.items()]
    note = "Flips: images whose answer became the wanted one; published work counts these alone."
    return Table(title="What the explanations are worth", columns=("number", *heads, "is"), rows=rows, note=note)


def _lacking(lacking: Sequence[tuple[str, str]]) -> Sequence[Table]:
    return [Table(title="Not taken", columns=("number", "why"), rows=tuple(lacking))] if lacking else []
