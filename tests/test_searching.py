"""Ways of drawing are compared on equal terms, whatever failed and whatever was known before: by drawings of noise."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counterfactory.classify.models import SmallResNet
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.data.choose import levelled
from counterfactory.diffusion.adapted import Adapted
from counterfactory.errors import TooManyFailures
from counterfactory.recipes.generators import Way
from counterfactory.recipes.searching import Study
from counterfactory.recipes.tuning import Tuning
from counterfactory.recipes.tuning_report import numbers, words
from counterfactory.run import Run
from counterfactory.search.course import Stopped
from counterfactory.types import Failed, Sample
from counterfactory.worker import Worker
from squares import squares
from steps_for_tests import Noise

TRAINER = ClassifierTrainer(model=SmallResNet(width=8), size=32, steps=3, evaluate_every=1, calibrate=False)
TUNING = Tuning(trials=(3,), images=6, finalists=1, repeats=1, rung=None, classifier=TRAINER)
KNOWN = Adapted(model=".")


@dataclass(frozen=True)
class Painter:
    """Whoever draws: noise, whichever way."""

    learn = ("encoder",)

    def engine(self, known: Adapted, way: Way) -> Any:
        return Noise()


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    validation = squares(tmp_path, 12, "validation")
    choice = {"train": squares(tmp_path, 6), "validation": validation}
    with Run(tmp_path / "work" / "run", Worker(workspace=tmp_path / "work", processes=1)) as run:
        yield Study(
            run=run, generator=Painter(), tuning=TUNING, usual=Way(steps=9), choice=choice,
            judges=validation, size=(32, 32), seed=0,
        )  # fmt: skip


def test_what_is_drawn_with_is_the_epoch_of_the_start_and_no_other(study: Study, tmp_path: Path):
    for epoch in (1, 2, 3):
        (tmp_path / f"adapted/epochs/{epoch:03d}").mkdir(parents=True)
    idle = replace(study, tuning=TUNING.model_copy(update={"trials": ()}))
    for given, epoch in ((2, 2), (None, 3)):
        assert idle.best(0, None, Adapted(model=str(tmp_path / "adapted"), epoch=given), None).way.epoch == epoch


def test_a_way_of_which_a_part_could_not_be_drawn_has_no_score(study: Study, monkeypatch: pytest.MonkeyPatch):
    drawn = Noise.drawn

    def scarce(self: Noise, worker: Worker, request: Any) -> Sample | Failed:
        return Failed("", "out of memory: it does not fit") if request.label == 1 else drawn(self, worker, request)

    with monkeypatch.context() as patch:
        patch.setattr(Noise, "drawn", scarce)
        with pytest.raises(TooManyFailures, match="2 of 6 drawings failed, one so: out of memory"):
            study.score(KNOWN, study.usual, 0)
    assert study.score(KNOWN, study.usual, 0) >= 0


def test_a_training_that_is_known_is_heard_as_if_it_were_new(study: Study):
    heard: list[tuple[int, float]] = []
    first = study.score(KNOWN, study.usual, 0, lambda *said: heard.append(said))
    assert study.score(KNOWN, study.usual, 0, lambda *said: heard.append(said)) == first
    assert [step for step, _ in heard] == [1, 2, 1, 2]
    assert heard[:2] == heard[2:]

    def stop(step: int, value: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        study.score(KNOWN, study.usual, 0, stop)


def test_a_trial_is_heard_by_the_measure_of_its_score(study: Study):
    rare = study.choice["validation"]
    rare = replace(rare, samples=tuple(one for n, one in enumerate(rare.samples) if one.target == 0 or n in (1, 2)))
    assert np.bincount([one.target for one in rare.samples]).tolist() == [4, 1, 1]
    assert np.bincount([one.target for one in levelled(rare).samples]).tolist() == [4, 4, 4]
    assert levelled(study.choice["validation"]).samples == study.choice["validation"].samples
    tuning = TUNING.model_copy(update={"classifier": TRAINER.with_(steps=None, epochs=3)})
    one = replace(study, tuning=tuning, choice={**study.choice, "validation": rare}, judges=rare)
    heard: dict[int, float] = {}
    score = one.score(KNOWN, one.usual, 0, heard.__setitem__)
    assert max(heard.values()) == pytest.approx(score)  # of the best state


def test_what_a_search_gained_is_told_by_a_seed_that_chose_nothing(study: Study, monkeypatch: pytest.MonkeyPatch):
    def lucky(self: Study, known: Adapted, way: Way, seed: int, *_: Any) -> float:
        return 0.9 if way != self.usual and seed <= TUNING.repeats else 0.5

    monkeypatch.setattr(Study, "score", lucky)
    found = study.best(0, "encoder", KNOWN, None)
    assert found.way != study.usual
    assert numbers([found]) == {"search 1, by hand, %": 50, "search 1, found, %": 50}
    assert "scores 50.0 % and that by hand 50.0 %" in words([found])[0]
    monkeypatch.setattr(Study, "score", lambda *_: 0.5)
    stays = replace(study, seed=1).best(0, "encoder", KNOWN, None)
    assert stays.way == study.usual
    assert "none of 3 ways of drawing was better than that by hand, which scores 50.0 %" in words([stays])[0]


def test_a_trial_sees_its_drawings_in_the_size_of_the_real_images(study: Study, monkeypatch: pytest.MonkeyPatch):
    sizes: list[int] = []
    fit = Run.fit
    monkeypatch.setattr(Run, "fit", lambda run, one, *a, **b: sizes.append(one.size) or fit(run, one, *a, **b))
    tuning = TUNING.model_copy(update={"classifier": TRAINER.with_(size=None, steps=1)})
    replace(study, tuning=tuning, size=(150, 150)).score(KNOWN, study.usual, 0)
    assert sizes == [64]
