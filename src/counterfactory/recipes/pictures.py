"""What trials found, to look at: bars, confusions, the surest mistakes, and the images that were trained on."""

from collections.abc import Mapping, Sequence

import numpy as np

from counterfactory.metrics.classification import confusion_matrix, labels
from counterfactory.recipes.comparison import accuracies, percent
from counterfactory.recipes.trials import Trial
from counterfactory.types import Dataset, Gallery, Picture, Plot, Sample, Series

MISTAKES = 60  # shown on the page


def accuracy_plot(trials: Sequence[Trial], splits: Sequence[str]) -> Plot:
    """Bars of the accuracy table."""
    series = []
    for split in splits:
        found = accuracies(trials, split)
        means = [percent(values) for values in found.values()]
        low = tuple(m.low for m in means if m.low is not None)
        high = tuple(m.high for m in means if m.high is not None)
        bounds = {"low": low, "high": high} if len(low) == len(means) else {}
        series.append(Series(name=split, x=tuple(found), y=tuple(m.mean for m in means), **bounds))
    return Plot(title="Accuracy by method", kind="bars", series=tuple(series), y="accuracy in %")


def confusion_plot(trial: Trial, dataset: Dataset) -> Plot:
    """Which classes are taken for which, row by row in percent."""
    answer = trial.answers[dataset.split]
    counts = confusion_matrix(answer["probabilities"], answer["targets"])
    shares = np.round(100 * counts / np.maximum(counts.sum(1, keepdims=True), 1))
    rows = zip(dataset.classes, shares, strict=True)
    series = tuple(Series(name=name, x=dataset.classes, y=tuple(map(float, row))) for name, row in rows)
    title = f"Confusion on {dataset.split}: {trial.method}, seed {trial.seed}"
    return Plot(title=title, kind="matrix", series=series, x="answered", y="is")


def mistakes(trial: Trial, dataset: Dataset) -> Gallery:
    """The surest wrong answers, surest first."""
    answer = trial.answers[dataset.split]
    said, true = answer["probabilities"].argmax(1), labels(answer["targets"])
    sure = answer["probabilities"].max(1)
    wrong = sorted(np.flatnonzero(said != true), key=lambda i: (-sure[i], dataset.samples[i].image.digest))
    pictures = tuple(
        _picture(dataset, dataset.samples[i], {"confidence": round(float(sure[i]), 4)}, dataset.classes[said[i]])
        for i in wrong[:MISTAKES]
    )
    note = f"{len(wrong)} of {len(dataset)} images are taken for another class; these are the surest."
    return Gallery(title=f"Surest mistakes on {dataset.split}: {trial.method}", pictures=pictures, note=note)


def shots_gallery(dataset: Dataset, title: str) -> Gallery:
    """What a classifier was trained on."""
    pictures = tuple(_picture(dataset, sample, {}, None) for sample in dataset.samples[: 4 * MISTAKES])
    return Gallery(title=title, pictures=pictures, note=f"{len(dataset)} images.")


def _picture(dataset: Dataset, sample: Sample, scores: Mapping[str, float], answered: str | None) -> Picture:
    label = dataset.classes[sample.target] if isinstance(sample.target, int) else ""
    note = f"taken for {answered}" if answered else ""
    return Picture(sample=sample, label=label, scores=scores, note=note)
