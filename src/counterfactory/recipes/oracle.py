"""What an oracle sees in sources and counterfactuals: whether the wanted is there, and what else changed.

An oracle is a classifier of several attributes, or Diorama's judge, which reads every factor of a scene. Neither
takes part in any search.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterfactory.classify.predict import Classify, open_classifier
from counterfactory.errors import BadData
from counterfactory.metrics.attributes import Marks, Readings, correlations, shown
from counterfactory.recipes.explained import Explained
from counterfactory.recipes.explanation_measures import all_of
from counterfactory.run import Run
from counterfactory.types import Address, Dataset, Sample
from counterfactory.zoo.check.reading import Look

CLASS = "class"  # the judge's factor that a classifier is asked about


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """Attributes of some images as values, and as marks of 1 and 0, one for each value of several."""

    names: tuple[str, ...]
    values: Readings  # (N, names)
    marks: tuple[str, ...]
    there: Marks  # (N, marks)

    def rows(self, rows: slice) -> "Seen":
        """Some of the images."""
        return replace(self, values=self.values[rows], there=self.there[rows])


def by_attributes(run: Run, oracle: str, images: Sequence[Address]) -> Seen:
    """What a classifier of several attributes sees."""
    classifier = open_classifier(oracle, run.worker)
    if not classifier.has_several_labels:
        raise BadData(f"needs an oracle of several attributes, and {oracle} tells one class an image")
    said = all_of(run.map(Classify(classifier=oracle), images))
    there = shown(np.array(said, np.float64))
    names = classifier.classes
    return Seen(names=names, values=there, marks=names, there=there.astype(np.float64))


def by_judge(run: Run, judge: str, images: Sequence[Address]) -> Seen:
    """What Diorama's judge sees."""
    return _of_factors([look["said"] for look in all_of(run.map(Look(judge=judge), images))])


def asked(group: Sequence[Explained], seen: Seen) -> list[int]:
    """Which attribute each question was about."""
    names = [one.facts.get("attribute") or CLASS for one in group]
    if lost := sorted({*names} - {*seen.names}):
        raise BadData(f"needs an oracle that reads {lost[0]!r}, and this one reads {', '.join(seen.names)}")
    return [seen.names.index(name) for name in names]


def saw_wanted(group: Sequence[Explained], seen: Seen) -> list[bool]:
    """Whether the oracle sees in each counterfactual what was wanted."""
    rows = zip(group, seen.values, asked(group, seen), strict=True)
    return [_is_wanted(one.facts, values[number]) for one, values, number in rows]


def queries(group: Sequence[Explained], seen: Seen) -> list[str]:
    """Every mark that was asked for and that the oracle saw somewhere."""
    return sorted({one.facts.get("attribute") or _mark(CLASS, one.facts["wanted"]) for one in group} & {*seen.marks})


def usual(data: Dataset, seen: Seen, query: str) -> Marks:
    """How the labels of some data go with a query, in the order of the marks; not a number where they do not say."""
    marks = _labels(data, seen)
    found: Marks = correlations(marks, seen.marks.index(query))
    return found


def _labels(data: Dataset, seen: Seen) -> Marks:
    if data.task == "multi-label":
        return np.array([_of_targets(sample, data, seen) for sample in data.samples], np.float64)
    if not all(isinstance(sample.attributes.get(CLASS), str) for sample in data.samples):
        raise BadData("needs labels of the oracle's attributes: --set reference=DATA, whose images have them")
    marks = [_marks_of(sample) for sample in data.samples]
    return np.array([[float(mark in one) for mark in seen.marks] for one in marks])


def _of_targets(sample: Sample, data: Dataset, seen: Seen) -> list[float | None]:
    known: Mapping[str, Any] = (
        dict(zip(data.classes, sample.target, strict=True)) if isinstance(sample.target, tuple) else {}
    )
    return [known.get(name) for name in seen.marks]


def _marks_of(sample: Sample) -> set[str]:
    return {_mark(factor, value) for factor, value in sample.attributes.items() if isinstance(value, str)}


def _of_factors(said: Sequence[Mapping[str, str]]) -> Seen:
    names = tuple(said[0])
    values = np.array([[one[name] for name in names] for one in said])
    marks = tuple(sorted({_mark(name, one[name]) for one in said for name in names}))
    there = [[float(mark in {_mark(name, one[name]) for name in names}) for mark in marks] for one in said]
    return Seen(names=names, values=values, marks=marks, there=np.array(there))


def _mark(factor: str, value: str) -> str:
    return f"{factor}: {value}"


def _is_wanted(facts: Mapping[str, Any], value: Any) -> bool:
    """Whether a reading is the answer that was asked for."""
    if "attribute" in facts:
        return bool(value) is bool(facts["wanted"] == facts["attribute"])
    return bool(value == facts["wanted"])
