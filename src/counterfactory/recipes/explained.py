"""Explanations as recipes handle them: each beside its source, with its facts in words and its map of differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterfactory.run import Run
from counterfactory.score.difference import Differ
from counterfactory.types import Address, Dataset, Explanation, Failed, Origin, Plain, Question, Sample, Target

Case = tuple[Sample, Question, Explanation]

NOT = "not "  # how the absence of an attribute is said


@dataclass(frozen=True, kw_only=True, eq=False)
class Explained:
    """A source, what it became, and what is known of that."""

    source: Sample
    changed: Sample  # its attributes are the facts
    start: Address | None = None  # the source under noise
    difference: Address | None = None
    trace: tuple[Address, ...] = ()

    @property
    def facts(self) -> Mapping[str, Any]:
        """label, predicted, wanted, answered (in words), flipped, before, after (of the wanted), l1, l2, scale, tries.

        Of attributes also `attribute`, the one that was asked about. The label is none where nobody knows it.
        """
        return self.changed.attributes

    @property
    def is_correct(self) -> bool:
        """Whether the classifier was right about the source."""
        return bool(self.facts["predicted"] == self.facts["label"])


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a classifier can say, in its own order and as the data call it; `several` at a time, or one."""

    names: tuple[str, ...]
    several: bool = False

    def label(self, sample: Sample, question: Question, data: Dataset) -> str | None:
        """The truth, in words."""
        if not self.several:
            return data.classes[sample.target] if isinstance(sample.target, int) else None
        name = self.names[question.wanted]
        known = dict(zip(data.classes, sample.target, strict=True)) if isinstance(sample.target, tuple) else {}
        return None if known.get(name) is None else self.in_words(question.wanted, known[name] == 1)

    def said(self, probabilities: Sequence[float], question: Question) -> str:
        """The answer, in words; of attributes, about the asked one."""
        if self.several:
            return self.in_words(question.wanted, probabilities[question.wanted] > 0.5)
        return self.in_words(int(np.argmax(probabilities)))

    def in_words(self, number: int, present: bool = True) -> str:
        """A class, or an attribute that is there or not."""
        return self.names[number] if present or not self.several else NOT + self.names[number]

    def alike(self, number: int) -> tuple[int, ...]:
        """The other outputs of the same name."""
        return tuple(n for n, name in enumerate(self.names) if name == self.names[number] and n != number)

    def sure(self, probabilities: Sequence[float], question: Question) -> float:
        """The probability of what is wanted."""
        wanted = float(sum(probabilities[number] for number in (question.wanted, *question.also)))
        return 1 - wanted if self.several and not question.present else wanted


def explained(
    run: Run,
    asked: Sequence[tuple[Sample, Question]],
    found: Sequence[Explanation | Failed],
    answers: Answers,
    data: Dataset,
) -> list[Explained]:
    """Each explanation that was found beside its source."""
    there = [(*case, one) for case, one in zip(asked, found, strict=True) if not isinstance(one, Failed)]
    apart = run.map(Differ(), [(source.image, one.sample.image) for source, _, one in there])
    return [
        _explained(one, differs["map"], {**_facts(one, answers, data), "l1": differs["l1"], "l2": differs["l2"]}, data)
        for one, differs in zip(there, apart, strict=True)
        if not isinstance(differs, Failed)
    ]


def _facts(case: Case, answers: Answers, data: Dataset) -> dict[str, Plain]:
    source, question, found = case
    return {
        "label": answers.label(source, question, data),
        "predicted": answers.said(found.before, question),
        "wanted": answers.in_words(question.wanted, question.present),
        "answered": answers.said(found.after, question),
        "before": answers.sure(found.before, question),
        "after": answers.sure(found.after, question),
        **({"attribute": answers.names[question.wanted]} if answers.several else {}),
        "flipped": found.flipped,
        "scale": found.scale,
        "tries": found.tries,
    }


def _explained(case: Case, difference: Address, facts: Mapping[str, Plain], data: Dataset) -> Explained:
    source, _, found = case
    target = _as_answered(source.target, facts, data.classes)
    origin = replace(found.sample.origin or Origin(), parent=source.image.digest)
    return Explained(
        source=source,
        changed=replace(found.sample, target=target, attributes=facts, origin=origin),
        start=found.start,
        difference=difference,
        trace=found.trace,
    )


def _as_answered(target: Target, facts: Mapping[str, Plain], classes: Sequence[str]) -> Target:
    """The label of a counterfactual: the answer, where the data have it; of attributes the asked one turns alone."""
    answer, attribute = str(facts["answered"]), facts.get("attribute")
    if attribute and isinstance(target, tuple):
        marks: Any = zip(classes, target, strict=True)
        return tuple(int(answer == attribute) if name == attribute else mark for name, mark in marks)
    return classes.index(answer) if answer in classes and not attribute else None
