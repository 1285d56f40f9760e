"""All that can be said of one classifier: what `train` and `evaluate` report."""

from collections.abc import Mapping, Sequence

import numpy as np

from counterfactory.metrics.classification import confusion_matrix, recalls
from counterfactory.recipes.comparison import numbers
from counterfactory.recipes.pictures import confusion_plot, mistakes
from counterfactory.recipes.trials import Trial
from counterfactory.types import Dataset, Report, Table


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
        plots=() if several else tuple(confusion_plot(trial, data) for data in tests.values()),
        galleries=() if several else tuple(mistakes(trial, data) for data in tests.values()),
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


def _percent(name: str, value: float | None) -> float | None:
    return value if value is None or name == "nll" else 100 * value
