"""What recipes report: trials of several methods side by side, or one classifier by itself."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from counterfactory.metrics.classification import confusion_matrix, recalls
from counterfactory.recipes import comparison, pictures
from counterfactory.recipes.comparison import numbers
from counterfactory.recipes.trials import Trial, measuring_splits
from counterfactory.types import Collection, Dataset, Report, Table


def several_methods(title: str, trials: Sequence[Trial], data: Collection, words: Sequence[str]) -> Report:
    """The one table that every augmentation recipe joins; gains are told over the first method."""
    tests = measuring_splits(data)
    splits, reference = list(tests), trials[0].method
    best = comparison.best_on_validation(trials)
    one_label = data.task != "multi-label"
    tagged = comparison.tags_of(data) if one_label else []
    return Report(
        title=title,
        summary=(*comparison.verdicts(trials, splits, reference), *words),
        numbers={
            f"{method} on {split}": round(fmean(values), 2)
            for split in splits
            for method, values in comparison.accuracies(trials, split).items()
        },
        tables=(
            comparison.accuracy_table(trials, splits),
            comparison.difference_table(trials, splits, reference),
            *[comparison.tag_table(trials, dataset, "unusual") for dataset in tagged],
            *[comparison.other_numbers_table(trials, split) for split in splits],
        ),
        plots=(
            pictures.accuracy_plot(trials, splits),
            *[pictures.confusion_plot(best, dataset) for dataset in tests.values() if one_label],
        ),
        galleries=tuple(pictures.mistakes(best, dataset) for dataset in tests.values() if one_label),
    )


def one_classifier(title: str, summary: str, trial: Trial, tests: Mapping[str, Dataset]) -> Report:
    """All that can be said of one classifier."""
    found = {split: numbers(trial, split) for split in tests}
    words = [f"Accuracy on {split}: {100 * said['accuracy']:.1f} %." for split, said in found.items()]
    names = list(dict.fromkeys(name for said in found.values() for name in said))
    rows = tuple((split, *[_percent(name, said.get(name)) for name in names]) for split, said in found.items())
    note = "In % but for nll (negative log likelihood, in nats)."
    several = trial.task == "multi-label"
    by_class = [] if several else [class_table(trial, list(tests.values()))] if tests else []
    return Report(
        title=title,
        summary=(summary, *words),
        numbers={
            f"{name} on {split}": round(value, 4) for split, said in found.items() for name, value in said.items()
        },
        tables=(Table(title="Every test split", columns=("split", *names), rows=rows, note=note), *by_class)
        if tests
        else (),
        plots=() if several else tuple(pictures.confusion_plot(trial, data) for data in tests.values()),
        galleries=() if several else tuple(pictures.mistakes(trial, data) for data in tests.values()),
    )


def class_table(trial: Trial, tests: Sequence[Dataset]) -> Table:
    """Accuracy of each class on each split."""
    by_split = []
    for data in tests:
        answer = trial.answers[data.split]
        by_split.append(recalls(confusion_matrix(answer["probabilities"], answer["targets"])))
    rows = tuple(
        (name, *[None if np.isnan(found[i]) else 100 * float(found[i]) for found in by_split])
        for i, name in enumerate(tests[0].classes)
    )
    return Table(title="By class", columns=("class", *[data.split for data in tests]), rows=rows, note="Accuracy in %.")


def _rounded(value: float) -> float | None:
    """Not a number is no number: what cannot be measured is left empty."""
    return None if np.isnan(value) else round(value, 4)


def _percent(name: str, value: float | None) -> float | None:
    if value is None or np.isnan(value):
        return None
    return value if name == "nll" else 100 * value
