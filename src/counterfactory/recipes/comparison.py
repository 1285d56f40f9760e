"""One table for all: what trials of several methods found, paired by seed, in words, numbers, plots and pictures."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

from counterfactory.metrics.classification import accuracy, measure, measure_labels
from counterfactory.metrics.statistics import mean_interval, paired_difference, within
from counterfactory.recipes.trials import Trial
from counterfactory.types import Collection, Dataset, Interval, Table


def _interval(name: str, values: Sequence[float]) -> Interval:
    return mean_interval(values) if name == "nll" else percent([100 * value for value in values])


def accuracies(trials: Sequence[Trial], split: str) -> dict[str, list[float]]:
    """Accuracy in percent by method, in the order of the seeds."""
    found: dict[str, list[float]] = {}
    for trial in sorted(trials, key=lambda trial: trial.seed):
        found.setdefault(trial.method, []).append(100 * numbers(trial, split)["accuracy"])
    return {method: found[method] for method in methods(trials)}


def methods(trials: Sequence[Trial]) -> list[str]:
    """The methods in the order they were tried."""
    return list(dict.fromkeys(trial.method for trial in trials))


def numbers(trial: Trial, split: str) -> Mapping[str, float]:
    """Every number of one trial on one split."""
    answer = trial.answers[split]
    measured = measure_labels if trial.task == "multi-label" else measure
    return measured(answer["probabilities"], answer["targets"])


def accuracy_table(trials: Sequence[Trial], splits: Sequence[str]) -> Table:
    """Methods by test splits: mean accuracy with its 95 % interval over seeds."""
    by_split = [accuracies(trials, split) for split in splits]
    rows = tuple((method, *[percent(found[method]) for found in by_split]) for method in methods(trials))
    count = len({trial.seed for trial in trials})
    note = f"Accuracy in %, mean and 95 % interval over {count} seeds." if count > 1 else "Accuracy in %, one seed."
    return Table(title="Accuracy", columns=("method", *splits), rows=rows, note=note)


def difference_table(trials: Sequence[Trial], splits: Sequence[str], reference: str) -> Table:
    """What each method adds to the reference, seed by seed."""
    by_split = [accuracies(trials, split) for split in splits]
    others = [method for method in methods(trials) if method != reference]
    rows = tuple(
        (method, *[paired_difference(found[method], found[reference]) for found in by_split]) for method in others
    )
    note = (
        f"Points of accuracy over {reference!r} with the same images and seed; an interval without 0 is a difference."
    )
    return Table(title=f"Gain over {reference}", columns=("method", *splits), rows=rows, note=note)


def other_numbers_table(trials: Sequence[Trial], split: str) -> Table:
    """Every other number on one split, means over seeds."""
    names = list(numbers(trials[0], split))
    rows = []
    for method in methods(trials):
        found = [numbers(trial, split) for trial in trials if trial.method == method]
        rows.append((method, *[_interval(name, [f[name] for f in found]) for name in names]))
    note = "In % but for nll (negative log likelihood, in nats)."
    return Table(title=f"More numbers on {split}", columns=("method", *names), rows=tuple(rows), note=note)


def tag_table(trials: Sequence[Trial], dataset: Dataset, attribute: str) -> Table:
    """Accuracy by the value of an attribute: out of distribution, factor by factor."""
    tags = [sample.attributes.get(attribute) or "nothing" for sample in dataset.samples]
    values = [str(value) for value, _ in Counter(tags).most_common()]
    rows = []
    for method in methods(trials):
        answers = [trial.answers[dataset.split] for trial in trials if trial.method == method]
        cells = []
        for value in values:
            at = [i for i, tag in enumerate(tags) if str(tag) == value]
            cells.append(percent([100 * accuracy(a["probabilities"][at], a["targets"][at]) for a in answers]))
        rows.append((method, *cells))
    counts = ", ".join(f"{value}: {sum(str(tag) == value for tag in tags)}" for value in values)
    return Table(
        title=f"Accuracy on {dataset.split} by what is {attribute}",
        columns=("method", *values),
        rows=tuple(rows),
        note=f"In %. Images: {counts}.",
    )


def verdicts(trials: Sequence[Trial], splits: Sequence[str], reference: str) -> tuple[str, ...]:
    """The findings in words: what the method that validation chose is worth, and whether that is more than chance.

    The choice is not made on the test splits: the best of six by luck would look like a finding.
    """
    chosen = chosen_method(trials)
    how = "best on validation" if has_validation(trials) else "the last one tried, as nothing was left to choose by"
    return tuple(_verdict(accuracies(trials, split), split, (chosen, how), reference) for split in splits)


def has_validation(trials: Sequence[Trial]) -> bool:
    """Whether there were images to choose by."""
    return any("validation_accuracy" in trial.classifier.numbers for trial in trials)


def chosen_method(trials: Sequence[Trial]) -> str:
    """The method with the best mean accuracy on validation; the last one tried where there was none."""
    found: dict[str, list[float]] = {}
    for trial in trials:
        found.setdefault(trial.method, []).append(trial.classifier.numbers.get("validation_accuracy", 0.0))
    return max(reversed(found), key=lambda method: fmean(found[method]))


def _verdict(found: Mapping[str, Sequence[float]], split: str, choice: tuple[str, str], reference: str) -> str:
    chosen, how = choice
    reached = f"On {split}, {chosen} ({how}) reaches {shown(percent(found[chosen]))} %"
    if chosen == reference:
        return f"{reached}; no other method did better on validation."
    gain = paired_difference(found[chosen], found[reference])
    if gain.low is None or gain.high is None:
        return f"{reached}, {gain.mean:+.1f} points over {reference} (one seed: no interval)."
    sure = "more than chance" if gain.low > 0 else "less than nothing" if gain.high < 0 else "which may be chance"
    if math.isclose(gain.low, gain.high, abs_tol=1e-6):  # few images, equal counts: no width claims too much
        sure = "equal for each seed, so that nothing can be said of chance"
    return f"{reached}, {gain.mean:+.1f} points [{gain.low:.1f}, {gain.high:.1f}] over {reference}, {sure}."


def percent(values: Sequence[float]) -> Interval:
    """A mean of percentages; its interval does not leave 0 to 100."""
    return within(mean_interval(values), 0.0, 100.0)


def shown(value: Interval) -> str:
    """An interval in words."""
    if value.low is None or value.high is None:
        return f"{value.mean:.1f}"
    return f"{value.mean:.1f} [{value.low:.1f}, {value.high:.1f}]"


def best_on_validation(trials: Sequence[Trial]) -> Trial:
    """The trial to look at more closely: of the chosen method, the one that did best where choices are made."""
    chosen = [trial for trial in trials if trial.method == chosen_method(trials)]
    return max(chosen, key=lambda trial: trial.classifier.numbers.get("validation_accuracy", 0.0))


def tags_of(collection: Collection) -> list[Dataset]:
    """The test splits whose images say what is unusual about them."""
    tests = (data for name, data in collection.splits.items() if name.startswith("test"))
    return [data for data in tests if len({sample.attributes.get("unusual") for sample in data.samples}) > 1]
