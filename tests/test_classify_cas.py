"""The published classifier of the score and its recipe: the network's shape, the plateaus, and where it stops."""

from pathlib import Path

import pytest
import torch

from counterfactory.classify import fitting
from counterfactory.classify.cas import PUBLISHED, PUBLISHED_SEARCH
from counterfactory.classify.models import Checkpoint, CifarResNet, Model
from counterfactory.classify.networks import build
from counterfactory.classify.predict import Evaluate
from counterfactory.classify.progress import Progress
from counterfactory.classify.train import ClassifierTrainer
from squares import CLASSES, squares, worker

SMALL = PUBLISHED.with_(model=CifarResNet(width=8, blocks=1), batch_size=12, epochs=4)


def network(model: Model, side: int = 32) -> torch.nn.Module:
    return build(model, tuple("abcdefghij"), "single-label", (side, side)).whole


def fitted(trainer: ClassifierTrainer, folder: Path, name: str = "artifact") -> dict:
    datasets = {"train": squares(folder, 24), "validation": squares(folder, 12, "validation")}
    return dict(trainer.fit(worker(folder), folder / name, datasets))


def test_the_published_network_has_its_published_size_and_sees_every_pixel():
    whole = network(PUBLISHED.model)
    assert sum(parameter.numel() for parameter in whole.parameters()) == 4_286_026  # "4.29 M"
    stages = whole.resnet(torch.zeros(1, 3, 28, 28), output_hidden_states=True).hidden_states
    assert [tuple(stage.shape[1:]) for stage in stages] == [(64, 28, 28), (64, 28, 28), (128, 14, 14), (256, 7, 7)]


def test_a_shortcut_that_halves_the_picture_keeps_what_it_passes():
    thinned = network(CifarResNet(width=4, blocks=1)).resnet.encoder.stages[1].layers[0].shortcut
    x = torch.randn(2, 4, 5, 6)
    passed = thinned(x)
    assert torch.equal(passed[:, :4], x[:, :, ::2, ::2])
    assert passed.shape == (2, 8, 3, 3)
    assert not passed[:, 4:].any()


def test_what_was_learnt_comes_back_from_its_folder_and_can_be_learnt_further(tmp_path: Path):
    numbers = fitted(SMALL.with_(epochs=30), tmp_path)
    test = squares(tmp_path, 30, "test")
    [found] = Evaluate(classifier=str(tmp_path / "artifact")).load(worker(tmp_path))([test])
    assert (found["probabilities"].argmax(1) == found["targets"]).mean() > 0.9
    assert numbers["temperature"] == 1
    again = Checkpoint(name=str(tmp_path / "artifact"))
    assert build(again, CLASSES, "single-label", None).preparation.size == (32, 32)


def test_small_images_are_seen_at_their_own_size(tmp_path: Path):
    data = {"train": squares(tmp_path, 12, size=28), "validation": squares(tmp_path, 12, "validation", size=28)}
    SMALL.with_(epochs=1).fit(worker(tmp_path), tmp_path / "artifact", data)
    assert build(Checkpoint(name=str(tmp_path / "artifact")), CLASSES, "single-label", None).preparation.size[0] == 28


def test_a_plateau_is_so_many_passes_without_a_better_one_and_each_counts_anew():
    assert fitting.plateaus([], 2) == 0
    assert fitting.plateaus([0.1, 0.2, 0.2, 0.3, 0.1], 2) == 0
    assert fitting.plateaus([0.5, 0.5, 0.4], 2) == 1
    assert fitting.plateaus([0.5, 0.4, 0.4, 0.4, 0.4, 0.6, 0.6, 0.6], 2) == 3
    assert fitting.plateaus([0.5, 0.50005, 0.5001], 2) == 1  # no better than chance


def test_the_rate_falls_to_a_tenth_at_each_plateau_but_not_below_the_least(monkeypatch, tmp_path: Path):
    rates = []
    rate = fitting._rate
    monkeypatch.setattr(fitting, "_rate", lambda lesson, progress: rates.append(rate(lesson, progress)) or rates[-1])
    monkeypatch.setattr(fitting.losses, "accuracy", lambda *_: 0.5)
    numbers = fitted(SMALL.with_(plateau=1, patience=None, epochs=6), tmp_path)
    assert rates[::2] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5, 1e-5, 1e-5])
    assert [row[0] for row in numbers["history"]] == [2, 4, 6, 8, 10, 12]  # after each pass of two steps


def test_training_stops_where_patience_ends_and_keeps_the_best(monkeypatch, tmp_path: Path):
    said = iter([0.2, 0.6, 0.5, 0.5, 0.5, 0.9])
    monkeypatch.setattr(fitting.losses, "accuracy", lambda *_: next(said))
    numbers = fitted(SMALL.with_(patience=3, epochs=20), tmp_path)
    assert (numbers["best_step"], numbers["steps"], numbers["validation_accuracy"]) == (4, 10, 0.6)


def test_a_killed_training_goes_on_at_the_rate_it_had():
    history = [(step, 0.0, 0.0, 0.5) for step in range(12)]
    lesson = type("Lesson", (), {"trainer": PUBLISHED, "total": 100})
    assert fitting._rate(lesson, Progress(step=12, history=history)) == pytest.approx(1e-4)


def test_the_search_waits_longer_than_the_score():
    assert (PUBLISHED.plateau, PUBLISHED.patience) == (10, 25)
    assert (PUBLISHED_SEARCH.plateau, PUBLISHED_SEARCH.patience) == (25, 50)
