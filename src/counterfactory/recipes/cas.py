"""The classification accuracy score (Ravuri and Vinyals 2019): trained on drawings, tested on photographs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.metrics.classification import confusion_matrix, recalls
from counterfactory.recipes.comparison import accuracies, methods, percent
from counterfactory.recipes.trials import Arm, Choice, Trial
from counterfactory.types import Dataset, Interval, Plot, Series, Table
from counterfactory.worker import Worker

REAL = "real images"


def arms(
    worker: Worker, choice: Choice, sets: Mapping[str, Dataset], trainer: ClassifierTrainer, seeds: Sequence[int]
) -> list[Arm]:
    """By one recipe: from real images, from each set alone, and from the real images and the largest set together.

    All are seen in the size of the real ones, on which all are tested.
    """
    real, (largest, most) = choice["train"], list(sets.items())[-1]
    weights = real.weights and (*real.weights, *[1.0] * len(most))
    both = replace(real, samples=(*real.samples, *most.samples), weights=weights)
    learnt = {REAL: real, **sets, f"{REAL} + {largest}": both}
    trainers = [trainer.with_(seed=seed).sized(real, worker) for seed in seeds]
    return [
        Arm(method=method, shots=None, trainer=own, data=_choice(choice, train))
        for method, train in learnt.items()
        for own in trainers
    ]


def _choice(choice: Choice, train: Dataset) -> Choice:
    return {**choice, "train": replace(train, split="train")}


def of_real(trials: Sequence[Trial], split: str) -> dict[str, float]:
    """Each method's mean accuracy as a part of that of real images."""
    found = {method: fmean(values) for method, values in accuracies(trials, split).items()}
    return {method: value / found[REAL] for method, value in found.items() if found[REAL] and method != REAL}


def size_plot(trials: Sequence[Trial], sizes: Mapping[str, int], split: str) -> Plot:
    """The score against the number of pictures, beside what real images reach."""
    found = {method: percent(values) for method, values in accuracies(trials, split).items()}
    real = [found[REAL]] * len(sizes)
    lines = {"drawings alone": [found[name] for name in sizes], REAL: real}
    series = tuple(_line(name, list(sizes.values()), values) for name, values in lines.items())
    return Plot(title=f"Accuracy on {split} against size", kind="lines", series=series, x="pictures", y="accuracy in %")


def _line(name: str, x: Sequence[int], values: Sequence[Interval]) -> Series:
    low, high = ([getattr(value, bound) for value in values] for bound in ("low", "high"))
    bounds = {} if None in low else {"low": tuple(low), "high": tuple(high)}
    return Series(name=name, x=tuple(x), y=tuple(value.mean for value in values), **bounds)


def class_table(trials: Sequence[Trial], tests: Dataset) -> Table:
    """Each class's accuracy by what was learnt from."""
    found = {method: list(_recalls(trials, method, tests.split)) for method in methods(trials)}
    rows = [
        (name, *[_known([recall[label] for recall in own]) for own in found.values()])
        for label, name in enumerate(tests.classes)
    ]
    note = "Accuracy in %, means over seeds."
    return Table(title=f"By class on {tests.split}", columns=("class", *found), rows=tuple(rows), note=note)


def _recalls(trials: Sequence[Trial], method: str, split: str) -> Iterator[np.ndarray]:
    for trial in trials:
        if trial.method == method:
            answer = trial.answers[split]
            yield 100 * recalls(confusion_matrix(answer["probabilities"], answer["targets"]))


def _known(values: Sequence[float]) -> Interval | None:
    """None for a class that no test image shows."""
    return None if np.isnan(values).any() else percent(list(map(float, values)))
