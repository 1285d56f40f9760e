"""What a run of `explain` shows: how many answers flipped, each explanation, and which regions changed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from counterfactory.metrics.explanations import flip_rate, mean_distance
from counterfactory.metrics.statistics import in_percent
from counterfactory.recipes.explained import Explained
from counterfactory.run import Run
from counterfactory.score.difference import MeanMap, Pair
from counterfactory.types import Failed, Gallery, Interval, Picture, Report, Sample, Table

SHOWN = 120  # explanations on a page
ARROW = " → "


def explain_report(run: Run, title: str, words: Sequence[str], made: Sequence[Explained]) -> Report:
    """The page; what was asked in words of the method comes first."""
    flipped = [one for one in made if one.facts["flipped"]]
    rate = in_percent(flip_rate([one.facts["flipped"] for one in made]))
    return Report(
        title=title,
        summary=(f"{len(flipped)} of {len(made)} answers became the wanted one ({rate.mean:.0f} %).", *words),
        numbers={"explanations": len(made), "flip rate, %": rate, "change (L1)": _change(flipped or made)},
        tables=(_by_pair(made),),
        galleries=tuple(_galleries(run, made)),
    )


def _change(made: Sequence[Explained]) -> Interval:
    return mean_distance([one.facts["l1"] for one in made])


def _by_pair(made: Sequence[Explained]) -> Table:
    """How it went from each answer to each."""
    rows = []
    for pair, group in sorted(by_pair(made).items(), key=lambda item: -len(item[1])):
        scales = [one.facts["scale"] for one in group]
        rate = in_percent(flip_rate([one.facts["flipped"] for one in group]))
        rows.append((ARROW.join(pair), len(group), rate, _change(group), sum(scales) / len(scales)))
    columns = ("answer → wanted", "images", "flipped, %", "change (L1)", "mean scale")
    note = "Change: the mean difference of colours, from 0 to 1. Scale: how strongly the classifier pulled in the end."
    return Table(title="From answer to answer", columns=columns, rows=tuple(rows), note=note)


def by_pair(made: Sequence[Explained]) -> Mapping[tuple[str, str], list[Explained]]:
    """Explanations by what was said and what was wanted."""
    found: defaultdict[tuple[str, str], list[Explained]] = defaultdict(list)
    for one in made:
        found[one.facts["predicted"], one.facts["wanted"]].append(one)
    return found


def _galleries(run: Run, made: Sequence[Explained]) -> Iterator[Gallery]:
    groups = (
        ("Explanations", [one for one in made if one.facts["flipped"]], "The answer became the wanted one."),
        (
            "Not flipped",
            [one for one in made if not one.facts["flipped"]],
            "No scale that was tried changed the answer.",
        ),
    )
    for title, group, note in groups:
        if group:
            pictures = tuple(_picture(one) for one in group[:SHOWN])
            yield Gallery(title=title, pictures=pictures, note=f"{note} Source, result and where they differ.")
        if title == "Explanations" and group:
            yield _regions(run, group)


def _picture(one: Explained) -> Picture:
    facts: Mapping[str, Any] = one.facts
    return Picture(
        sample=one.changed,
        label=f"{facts['predicted']}{ARROW}{facts['wanted']}",
        note=f"{facts['wanted']}: {_percent(facts['before'])}{ARROW}{_percent(facts['after'])}",
        source=one.source.image,
        difference=one.difference,
        steps=one.trace,
        scores={"before": facts["before"], "after": facts["after"], "change": facts["l1"]},
    )


def _percent(probability: float) -> str:
    """A probability near to 0 or 1 is not said to be it."""
    shown = f"{100 * probability:.0f} %"
    return {"0 %": "under 1 %", "100 %": "over 99 %"}.get(shown, shown)


def _regions(run: Run, made: Sequence[Explained]) -> Gallery:
    """Where images of each pair of answers changed, on average."""
    groups = list(by_pair(made).items())
    pairs: list[tuple[Pair, ...]] = [tuple((one.source.image, one.changed.image) for one in g) for _, g in groups]
    pictures = tuple(
        Picture(
            sample=Sample(image=said),
            label=ARROW.join(pair),
            note=f"{len(group)} image{'' if len(group) == 1 else 's'}",
        )
        for (pair, group), said in zip(groups, run.map(MeanMap(), pairs), strict=True)
        if not isinstance(said, Failed)
    )
    note = "The mean difference of source and result: the brighter, the more changed there."
    return Gallery(title="Which regions change", pictures=pictures, note=note)
