"""The sieve: bounds that need someone to measure them, and reasons against drawings."""

from pathlib import Path
from typing import Any

import pytest

from counterfactory.classify.train import ClassifierTrainer
from counterfactory.errors import BadConfig
from counterfactory.recipes.augmentation import Candidate, synthetic
from counterfactory.recipes.job import build
from counterfactory.recipes.sieve import Sieve
from counterfactory.run import Run
from counterfactory.types import Dataset, Request
from squares import squares, worker

EYES = "zoo:diorama/clip"


def sifted(folder: Path, sieve: Sieve, drawn: Dataset, real: Dataset) -> list[Candidate]:
    found = [
        Candidate(request=Request(prompt="", seed=n), sample=sample, source=real.samples[n % len(real)])
        for n, sample in enumerate(drawn.samples)
    ]
    with Run(folder / "workspace" / "run", worker(folder)) as run:
        return sieve.sifted(run, found, {"train": real})


@pytest.mark.parametrize(
    ("sets", "why"),
    [
        (["sieve.least_confidence=0.1"], "least_confidence is a bound on what weigh_by says, and weigh_by is not set"),
        (["sieve.most_confidence=0.9"], "most_confidence is a bound on what weigh_by says"),
        (["sieve.least_likelihood=0.1"], "least_likelihood is a bound on what clip says, and clip is not set"),
        (["sieve.most_likeness=0.9"], "most_likeness is a bound on what clip says"),
        (["sieve.most_repetition=0.9"], "set both or none"),
        ([f"sieve.clip={EYES}"], "clip is set and no bound that it is for"),
        (["sieve.weigh_by={}", "sieve.least_confidence=0.9", "sieve.most_confidence=0.2"], "exchange them"),
    ],
)
def test_a_bound_that_nobody_measures_is_refused_before_anything_runs(sets: list[str], why: str):
    with pytest.raises(BadConfig, match=why) as caught:
        build({"job": "augment", "recipe": "real-guidance", "data": "x"}, None, sets, None)
    assert "Field 'sieve'" in str(caught.value)


def test_a_filter_that_is_switched_off_takes_its_bound_along_or_says_so():
    sets = ["sieve.least_confidence=0.1"]
    assert build({"job": "augment", "recipe": "diagen", "data": "x"}, None, sets, None)
    with pytest.raises(BadConfig, match="set both or none"):
        build({"job": "augment", "recipe": "diagen", "data": "x"}, None, [*sets, "sieve.weigh_by=null"], None)


def test_confidence_is_bounded_both_ways_and_each_reason_is_told(tmp_path: Path):
    real, drawn = squares(tmp_path, 6), squares(tmp_path, 3, "drawn")
    judge = ClassifierTrainer(steps=2, size=32)  # knows nothing: a third for each class, about
    for bounds, why in (
        ({"least_confidence": 0.99}, "the filter does not see the class (confidence 0."),
        ({"most_confidence": 0.01}, "nothing has changed for the filter (confidence 0."),
    ):
        found = sifted(tmp_path, Sieve(weigh_by=judge, **bounds), drawn, real)
        assert [one.why_not[: len(why)] for one in found] == [why] * 3
        assert all(0 < one.scores["confidence"] < 1 for one in found)


def test_of_drawings_that_are_all_but_the_same_the_first_counts(tmp_path: Path):
    real, drawn = squares(tmp_path, 3), squares(tmp_path, 3, "drawn", 64)
    twice = Dataset(samples=(*drawn.samples, drawn.samples[0]), classes=drawn.classes)
    found = sifted(tmp_path, Sieve(clip=EYES, most_repetition=0.9999), twice, real)
    assert [one.counts for one in found] == [True, True, True, False]
    assert found[3].why_not == "it is another drawing again (repetition 1.00 above 1.00)"


def test_a_repetition_of_what_was_left_out_before_still_counts(tmp_path: Path):
    real = squares(tmp_path, 3)
    again: Any = Dataset(samples=(real.samples[0], real.samples[0]), classes=real.classes)
    sieve = Sieve(clip=EYES, most_likeness=0.9999, most_repetition=0.9999)
    assert [one.why_not.partition(" (")[0] for one in sifted(tmp_path, sieve, again, real)] == [
        "it is a training image again"
    ] * 2


def test_what_is_left_out_is_published_with_its_reason(tmp_path: Path):
    real = squares(tmp_path, 3)
    reasons: tuple[tuple[str, ...], ...] = ((), ("blurred", "too dark"), ())
    found = [
        Candidate(request=Request(prompt="", seed=0), sample=sample, reasons=why, weight=weight)
        for sample, why, weight in zip(real.samples, reasons, (1.0, 1.0, 0.0), strict=True)
    ]
    parts = synthetic(found, real)
    assert {name: len(data) for name, data in parts.items()} == {"synthetic": 1, "rejected": 2}
    told = [sample.attributes["left out because"] for sample in parts["rejected"].samples]
    assert told == ["blurred; too dark", "it weighs nothing"]
