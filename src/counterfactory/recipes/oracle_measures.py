"""What an oracle's readings say of explanations: seen as wanted, how much else changed, and whether as usual."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from counterfactory.errors import BadData
from counterfactory.metrics.attributes import CorrelationDifference, correlation_difference, number_changed
from counterfactory.metrics.explanations import flip_rate
from counterfactory.metrics.statistics import enough, in_percent, mean_interval, within
from counterfactory.recipes.explanation_measures import Group, Measure
from counterfactory.recipes.oracle import Seen, asked, queries, saw_wanted, usual
from counterfactory.types import Address, Dataset, Interval, Table

Look = Callable[[Sequence[Address]], Seen]  # all images in one call, so that their marks are the same
Labels = Callable[[], Dataset]  # read only when they are needed


def by_oracle(name: str, look: Look, labels: Labels) -> list[Measure]:
    """Three numbers of one oracle."""

    def seen_as_wanted(group: Group) -> Interval:
        _, after = _both(look, group)
        return in_percent(flip_rate(saw_wanted(group, after)))

    def changed(group: Group, without_asked: bool) -> Interval:
        before, after = _both(look, group)
        return number_changed(before.values, after.values, asked(group, before) if without_asked else None)

    def difference(group: Group) -> Interval:
        found = [one.value for one in differences(look, labels, group).values()]
        over_queries = replace(mean_interval([one.mean for one in found]), n=len(group))
        return found[0] if len(found) == 1 else within(over_queries, 0.0, np.inf)

    return [
        Measure(
            name=f"seen as wanted by {name}, %", take=seen_as_wanted, says="else an answer flips for nothing to see"
        ),
        Measure(name=f"MNAC by {name}", take=lambda group: changed(group, False), says="attributes that changed"),
        Measure(name=f"MNAC without the asked by {name}", take=lambda group: changed(group, True), says="the others"),
        Measure(
            name=f"CD by {name}",
            take=difference,
            says="how unlike their correlations attributes change; the mean over what was asked",
        ),
    ]


def differences(look: Look, labels: Labels, group: Group) -> dict[str, CorrelationDifference]:
    """CD of every attribute that was asked about and of which there is one."""
    before, after = _both(look, group)
    data, found, reason = labels(), {}, "CD needs images in which an oracle sees what was asked for."
    for query in queries(group, before):
        at = before.marks.index(query)
        try:
            found[query] = correlation_difference(before.there, after.there, usual(data, before, query), at)
        except BadData as error:
            reason = str(error)
    if not found:
        raise BadData(reason)
    return found


def differences_table(name: str, look: Look, labels: Labels, group: Group) -> Table:
    """CD by what was asked."""
    rows = tuple(
        (query, one.value, one.attributes, one.constant) for query, one in differences(look, labels, group).items()
    )
    note = "Left out: attributes that no image changed, or that are the same in all of the reference."
    return Table(
        title=f"Correlation difference by {name}",
        columns=("asked for", "CD", "attributes", "left out"),
        rows=rows,
        note=note,
    )


def _both(look: Look, group: Group) -> tuple[Seen, Seen]:
    """What the oracle sees in the sources and in the counterfactuals."""
    enough(len(group), 1, "An oracle")
    seen = look([one.source.image for one in group] + [one.changed.image for one in group])
    return seen.rows(slice(None, len(group))), seen.rows(slice(len(group), None))
