"""What a comparison of methods found: one table for every number of shots, what is more than chance, and the cost."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np

from counterfactory.metrics.significance import holm
from counterfactory.metrics.statistics import paired_chance, paired_difference
from counterfactory.recipes.comparison import (
    accuracies,
    chosen_method,
    difference_table,
    has_validation,
    methods,
    percent,
    shown,
    tag_table,
    tags_of,
)
from counterfactory.recipes.prepare import validated
from counterfactory.recipes.trials import Choice, Trial, measuring_splits
from counterfactory.types import Collection, Interval, Plot, Report, Series, Table

CLASSIC = ("none", "standard", "randaugment", "trivialaugment", "cutmix", "mixup")
SURE = 0.05


def compared(
    trials: Sequence[Trial], data: Collection, choices: Mapping[int | None, Choice], seconds: Mapping[str, float]
) -> Report:
    """The page of a comparison; of each number of shots one choice of images tells by which the best was kept."""
    splits = list(measuring_splits(data))
    groups = {shots: list(group) for shots, group in groupby(trials, key=lambda trial: trial.shots)}
    references = {shots: _reference(group) for shots, group in groups.items()}
    tagged = tags_of(data)
    return Report(
        title=f"Augmentation compared: {data.name}",
        summary=(
            *[line for shots, group in groups.items() for line in _words(group, splits, references[shots])],
            *[f"{_said(shots).capitalize()}: {validated(data, choices[shots], shots)}." for shots in groups],
        ),
        numbers={
            f"{method}, {_said(shots)}, {split}": round(float(np.mean(values)), 2)
            for shots, group in groups.items()
            for split in splits
            for method, values in accuracies(group, split).items()
        },
        tables=(
            _accuracy_table(groups, splits),
            *[_gains(group, splits, references[shots], shots) for shots, group in groups.items()],
            *[_tagged(tag_table(group, each, "unusual"), shots) for shots, group in groups.items() for each in tagged],
            *([_costs(seconds)] if seconds else []),
        ),
        plots=tuple(_plots(groups, splits)),
    )


def _reference(trials: Sequence[Trial]) -> str:
    """What others must beat: the classic augmentation that validation chose, else the first method."""
    classic = [trial for trial in trials if trial.method in CLASSIC]
    return chosen_method(classic) if classic else trials[0].method


def _words(trials: Sequence[Trial], splits: Sequence[str], reference: str) -> Iterator[str]:
    """Each method against the reference on each test split, tested together."""
    others = [method for method in methods(trials) if method not in {reference, *CLASSIC}]
    pairs = [(method, split) for method in others for split in splits]
    found = {split: accuracies(trials, split) for split in splits}
    chances = [paired_chance(found[split][method], found[split][reference]) for method, split in pairs]
    tested = [pair for pair, chance in zip(pairs, chances, strict=True) if chance is not None]
    corrected = dict(zip(tested, holm(np.array([one for one in chances if one is not None])).tolist(), strict=True))
    if others:
        chosen = f"validation chose {chosen_method(trials)}; " if has_validation(trials) else ""
        yield f"{_said(trials[0].shots).capitalize()}: {chosen}gains are over {reference}."
    for method, split in pairs:
        gain = paired_difference(found[split][method], found[split][reference])
        reached = f"{method} reaches {shown(percent(found[split][method]))} % on {split}"
        yield f"{reached}, {_signed(gain)} points, {_sure(corrected.get((method, split)), gain)}."


def _sure(chance: float | None, gain: Interval) -> str:
    if chance is None:
        seen = "one seed" if gain.low is None else "the same at each seed"
        return f"{seen}, so that nothing can be said of chance"
    how = f"p = {chance:.2g}, corrected" if chance >= 0.001 else "p < 0.001, corrected"
    return f"more than chance ({how})" if chance < SURE else f"which may be chance ({how})"


def _signed(gain: Interval) -> str:
    bounds = "" if gain.low is None or gain.high is None else f" [{gain.low:+.1f}, {gain.high:+.1f}]"
    return f"{gain.mean:+.1f}{bounds}"


def _accuracy_table(groups: Mapping[int | None, Sequence[Trial]], splits: Sequence[str]) -> Table:
    rows = []
    for shots, group in groups.items():
        by_split = [accuracies(group, split) for split in splits]
        rows += [(_said(shots), name, *[percent(each[name]) for each in by_split]) for name in methods(group)]
    seeds = len({trial.seed for group in groups.values() for trial in group})
    note = f"Accuracy in %, mean and 95 % interval over {seeds} seeds." if seeds > 1 else "Accuracy in %, one seed."
    return Table(title="Accuracy", columns=("shots", "method", *splits), rows=tuple(rows), note=note)


def _gains(trials: Sequence[Trial], splits: Sequence[str], reference: str, shots: int | None) -> Table:
    return _tagged(difference_table(trials, splits, reference), shots)


def _tagged(table: Table, shots: int | None) -> Table:
    return Table(title=f"{table.title}, {_said(shots)}", columns=table.columns, rows=table.rows, note=table.note)


def _costs(seconds: Mapping[str, float]) -> Table:
    return Table(
        title="What drawing cost",
        columns=("method", "seconds"),
        rows=tuple(seconds.items()),
        note="Prompts, tokens and drawings, as made by this run; what it found made already cost nothing.",
    )


def _plots(groups: Mapping[int | None, Sequence[Trial]], splits: Sequence[str]) -> Iterator[Plot]:
    """Accuracy against shots, a line for each method."""
    every = dict.fromkeys(name for group in groups.values() for name in methods(group))
    for split in splits:
        lines = []
        for name in every:
            found = {_said(shots): accuracies(group, split).get(name) for shots, group in groups.items()}
            points = {said: percent(values) for said, values in found.items() if values}
            low, high = (tuple(getattr(p, side) for p in points.values()) for side in ("low", "high"))
            bounds = {"low": low, "high": high} if None not in low else {}
            lines.append(Series(name=name, x=tuple(points), y=tuple(p.mean for p in points.values()), **bounds))
        yield Plot(
            title=f"Accuracy on {split}",
            kind="lines" if len(groups) > 1 else "bars",
            series=tuple(lines),
            x="shots",
            y="accuracy in %",
        )


def _said(shots: int | None) -> str:
    return "all images" if shots is None else f"{shots} shot{'s' if shots > 1 else ''}"
