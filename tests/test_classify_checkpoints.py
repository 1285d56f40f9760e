"""Checkpoints as a start: frozen means frozen, adapters are merged, inputs are normalised as the checkpoint says."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from counterfactory.classify import material, progress
from counterfactory.classify.augment import augment
from counterfactory.classify.models import Checkpoint
from counterfactory.classify.networks import build
from counterfactory.classify.pictures import open_pictures
from counterfactory.classify.predict import Classify, Evaluate
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.errors import BadConfig
from counterfactory.keys import key
from counterfactory.types import Artifact, Failed
from squares import CLASSES, squares, worker


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import ResNetConfig, ResNetForImageClassification

    return saved(
        tmp_path_factory,
        ResNetForImageClassification,
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=5),
    )


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import ViTConfig, ViTForImageClassification

    return saved(
        tmp_path_factory,
        ViTForImageClassification,
        ViTConfig(
            image_size=32,
            patch_size=8,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            num_labels=3,
            hidden_dropout_prob=0.1,
        ),
    )


def saved(factory: pytest.TempPathFactory, kind: Any, config: Any) -> Path:
    """A random network of a real class, as the hub would hold it."""
    folder = factory.mktemp("checkpoint")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind(config).save_pretrained(folder)
    said = {
        "size": {"height": 32, "width": 32},
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.2, 0.3, 0.4],
        "resample": 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


def trained(name: Path, folder: Path, tune: str, **more: Any) -> dict[str, torch.Tensor]:
    """The weights that a training leaves in `folder/artifact`."""
    model = Checkpoint(name=str(name), tune=tune, views=3, rank=2)  # type: ignore[arg-type]
    trainer = ClassifierTrainer(model=model, **{"steps": 12, "batch_size": 9, "evaluate_every": 6, **more})
    datasets = {"train": squares(folder, 18), "validation": squares(folder, 9, "validation")}
    trainer.fit(worker(folder), folder / "artifact", datasets)
    return load_file(folder / "artifact" / "model.safetensors")


def changed(before: Path, after: dict[str, torch.Tensor]) -> set[str]:
    old = load_file(before / "model.safetensors")
    return {
        name
        for name in after
        if name not in old or old[name].shape != after[name].shape or not old[name].equal(after[name])
    }


def test_a_frozen_backbone_keeps_its_weights_and_its_statistics(resnet: Path, tmp_path: Path):
    assert changed(resnet, trained(resnet, tmp_path, "frozen")) == {"classifier.1.weight", "classifier.1.bias"}


def test_adapters_leave_statistics_alone_and_are_merged(resnet: Path, tmp_path: Path):
    after = trained(resnet, tmp_path, "lora")
    assert after.keys() == load_file(resnet / "model.safetensors").keys()
    moved = changed(resnet, after)
    assert not any("normalization" in name for name in moved)
    assert any("convolution" in name for name in moved)
    assert {"classifier.1.weight", "classifier.1.bias"} <= moved


def test_adapters_train_a_transformer(transformer: Path, tmp_path: Path):
    moved = changed(transformer, trained(transformer, tmp_path, "lora"))
    assert any("attention" in name for name in moved)
    assert "classifier.weight" in moved
    assert not any("layernorm" in name for name in moved)


def test_all_of_it_may_learn(resnet: Path, tmp_path: Path):
    moved = changed(resnet, trained(resnet, tmp_path, "full", learning_rate=1e-3))
    assert any("running_mean" in name for name in moved)
    assert any("convolution" in name for name in moved)


def test_dropout_follows_the_seed_and_the_step(transformer: Path, tmp_path: Path):
    first, again = (trained(transformer, tmp_path / name, "full", steps=3) for name in ("a", "b"))
    assert all(first[name].equal(again[name]) for name in first)


def test_what_a_frozen_training_saw_is_what_the_saved_one_says(transformer: Path, tmp_path: Path):
    model = Checkpoint(name=str(transformer))
    trainer = ClassifierTrainer(model=model, steps=40, evaluate_every=10, augment="none", calibrate=False)
    data = {"train": squares(tmp_path, 18), "validation": squares(tmp_path, 9, "validation")}
    numbers = trainer.fit(worker(tmp_path), tmp_path / "artifact", data)
    [found] = Evaluate(classifier=str(tmp_path / "artifact")).load(worker(tmp_path))([data["validation"]])
    targets = found["targets"]
    loss = -np.log(found["probabilities"][np.arange(9), targets]).mean()
    assert loss == pytest.approx(numbers["validation_loss"], rel=1e-4)
    assert numbers["parameters"] == 16 * 3 + 3


def test_features_are_of_the_image_as_it_is_and_then_of_augmented_views(resnet: Path, tmp_path: Path):
    model = Checkpoint(name=str(resnet), views=4)
    trainer, data = ClassifierTrainer(model=model), squares(tmp_path, 6)
    network = build(model, CLASSES, "single-label", None)
    pictures = open_pictures(data, network.preparation, worker(tmp_path))
    kept = tmp_path / "features.safetensors"
    targets = material.Targets(values=torch.tensor([0, 1, 2] * 2), classes=3)
    material.from_features(trainer, network, pictures, targets, None, kept)
    views = load_file(kept)["train_VND"]
    assert views.shape == (4, 6, 16)
    assert len({tuple(view.flatten().tolist()) for view in views}) == 4
    assert augment("none", views, np.random.default_rng(0)) is views


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_killed_training_on_features_goes_on_with_them_and_ends_with_the_same_weights(
    resnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = trained(resnet, tmp_path / "whole", "frozen")
    due, embedded = progress.Keeper.save_when_due, material._features

    def save_and_die(self: Any, now: progress.Progress, *rest: Any) -> None:
        due(self, now, *rest)
        if now.step == 8:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(progress, "EVERY_STEPS", 5)
        patch.setattr(progress.Keeper, "save_when_due", save_and_die)
        with pytest.raises(Killed):
            trained(resnet, tmp_path / "killed", "frozen")
    asked: list[Any] = []
    monkeypatch.setattr(material, "_features", lambda *inputs: asked.append(inputs) or embedded(*inputs))
    again = trained(resnet, tmp_path / "killed", "frozen")
    assert all(whole[name].equal(again[name]) for name in whole)
    assert not asked, "images were embedded twice"


def test_too_many_views_say_how_many_fit(resnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(material, "MEMORY", 18 * 16 * 4 * 2)
    with pytest.raises(BadConfig, match="at most 2 views"):
        trained(resnet, tmp_path, "frozen")


def test_inputs_are_normalised_as_the_checkpoint_says(resnet: Path, tmp_path: Path):
    trained(resnet, tmp_path, "frozen")
    said = json.loads((tmp_path / "artifact" / "preprocessor_config.json").read_text())
    assert (said["image_mean"], said["image_std"]) == ([0.4, 0.5, 0.6], [0.2, 0.3, 0.4])


def test_a_head_for_the_same_number_of_other_classes_is_new(transformer: Path):
    head = build(Checkpoint(name=str(transformer)), CLASSES, "single-label", None).module
    assert not head.weight.equal(load_file(transformer / "model.safetensors")["classifier.weight"])  # type: ignore[operator]


def test_a_trained_classifier_goes_on_with_its_own_head(resnet: Path, tmp_path: Path):
    after = trained(resnet, tmp_path, "frozen")
    head = build(Checkpoint(name=str(tmp_path / "artifact")), CLASSES, "single-label", None).module
    assert head.weight.equal(after["classifier.1.weight"])  # type: ignore[operator]


def test_a_size_that_a_checkpoint_cannot_take_is_said(transformer: Path, tmp_path: Path):
    with pytest.raises(BadConfig, match="48 x 48"):
        trained(transformer, tmp_path, "frozen", size=48)


def test_probabilities_come_in_the_order_that_is_asked_for(resnet: Path, tmp_path: Path):
    trained(resnet, tmp_path, "frozen")
    images = [sample.image for sample in squares(tmp_path, 4, "test").samples]
    own, turned = (
        Classify(classifier=str(tmp_path / "artifact"), classes=classes).load(worker(tmp_path))(images)
        for classes in (None, ("blue", "green", "red"))
    )
    for one, other in zip(own, turned, strict=True):
        assert not isinstance(one, Failed)
        assert one[::-1] == other
        assert sum(one) == pytest.approx(1, abs=1e-5)


def test_the_temperature_is_applied_and_an_artifact_is_found(resnet: Path, tmp_path: Path):
    artifact, place = Artifact(kind="classifier", key="k"), worker(tmp_path)
    trained(resnet, tmp_path, "frozen")
    folder = place.artifact(artifact)
    folder.parent.mkdir(parents=True)
    (tmp_path / "artifact").rename(folder)
    data, found = squares(tmp_path, 4, "test"), {}
    for temperature in (1.0, 1e6):
        (folder / "calibration.json").write_text(json.dumps({"temperature": temperature}))
        [found[temperature]] = Evaluate(classifier=artifact).load(place)([data])
    assert np.allclose(found[1e6]["probabilities"], 1 / 3, atol=1e-4)
    assert not np.allclose(found[1.0]["probabilities"], 1 / 3, atol=1e-4)


def test_a_folder_without_a_model_is_met_with_one_sentence(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    for step in (Evaluate(classifier=str(tmp_path)), Classify(classifier=str(tmp_path))):
        with pytest.raises(BadConfig, match="does not hold such a model"):
            step.load(worker(tmp_path))


def test_a_training_is_named_by_what_the_checkpoint_holds(resnet: Path, tmp_path: Path):
    copies = [tmp_path / name for name in ("a", "b", "c")]
    for copy in copies:
        shutil.copytree(resnet, copy)
    (copies[2] / "more.txt").write_text("another model")
    keys = [key(ClassifierTrainer(model=Checkpoint(name=str(copy))), Classify(classifier=str(copy))) for copy in copies]
    assert keys[0] == keys[1] != keys[2]
