"""A small network from scratch: that it learns, can be loaded by others, is reproducible and survives a kill."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch.nn.modules.module import register_module_forward_hook

from counterfactory.classify import lesson, pictures, progress
from counterfactory.classify.models import Checkpoint, ClipHead, SmallResNet
from counterfactory.classify.networks import Logits
from counterfactory.classify.predict import Evaluate
from counterfactory.classify.train import ClassifierTrainer
from counterfactory.config import resolve
from counterfactory.errors import BadConfig, BadData
from counterfactory.executors.local import LocalExecutor
from counterfactory.types import Dataset, Origin
from squares import squares, worker

TINY = ClassifierTrainer(model=SmallResNet(width=8), size=32, steps=24, batch_size=12, evaluate_every=6)


def fitted(trainer: ClassifierTrainer, folder: Path, name: str = "artifact", **more: Any) -> Path:
    """The folder that a training on toy squares leaves."""
    datasets = {"train": squares(folder, 18), "validation": squares(folder, 12, "validation"), **more}
    trainer.fit(worker(folder), folder / name, {split: data for split, data in datasets.items() if data})
    return folder / name


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def share_right(folder: Path, data: Dataset) -> float:
    [found] = Evaluate(classifier=str(folder)).load(worker(folder))([data])
    return float((found["probabilities"].argmax(1) == found["targets"]).mean())


def test_a_small_network_learns_colours(tmp_path: Path):
    folder = fitted(TINY.model_copy(update={"steps": 60, "augment": "none"}), tmp_path)
    assert share_right(folder, squares(tmp_path, 30, "test")) == 1
    assert sorted(path.name for path in folder.iterdir()) == [
        *("calibration.json", "config.json", "model.safetensors", "preprocessor_config.json")
    ]


def test_others_load_it_and_get_the_same_answer(tmp_path: Path):
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    folder, test = fitted(TINY.model_copy(update={"calibrate": False}), tmp_path), squares(tmp_path, 4, "test", size=48)
    model = AutoModelForImageClassification.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder, use_fast=False)
    images = [Image.open(sample.image.place.removeprefix("file:")) for sample in test.samples]
    with torch.no_grad():
        theirs = model(**processor(images, return_tensors="pt")).logits.softmax(1)
    [ours] = Evaluate(classifier=str(folder)).load(worker(tmp_path))([test])
    assert np.allclose(theirs, ours["probabilities"], atol=1e-4)
    assert model.config.label2id == {"red": 0, "green": 1, "blue": 2}


def test_one_seed_gives_one_network_and_leaves_every_generator_alone(tmp_path: Path):
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]
    first = weights(fitted(TINY, tmp_path))
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tolist(), random.getstate())  # type: ignore[index]
    torch.manual_seed(5)
    assert same(first, weights(fitted(TINY, tmp_path, "again")))
    assert not same(first, weights(fitted(TINY.model_copy(update={"seed": 1}), tmp_path, "other")))


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.mark.parametrize("augment", ["standard", "mixup"])
def test_a_killed_training_goes_on_and_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, augment: str
):
    trainer = TINY.model_copy(update={"augment": augment})
    whole = weights(fitted(trainer, tmp_path, "whole"))
    monkeypatch.setattr(progress, "EVERY_STEPS", 5)
    due = progress.Keeper.save_when_due
    for last in (3, 13, 22):

        def save_and_die(self: Any, now: progress.Progress, *rest: Any, last: int = last) -> None:
            due(self, now, *rest)
            if now.step == last:
                raise Killed

        monkeypatch.setattr(progress.Keeper, "save_when_due", save_and_die)
        with pytest.raises(Killed):
            fitted(trainer, tmp_path, "killed")
    monkeypatch.setattr(progress.Keeper, "save_when_due", due)
    assert same(whole, weights(fitted(trainer, tmp_path, "killed")))
    assert not (tmp_path / "killed" / "unfinished").exists()


def test_the_best_weights_come_back_and_not_the_last(tmp_path: Path):
    """Late steps at a rate that destroys everything: what is saved must be what the validation liked."""
    trainer = TINY.model_copy(update={"learning_rate": 0.5, "steps": 30, "evaluate_every": 3, "augment": "none"})
    validation = squares(tmp_path, 12, "validation")
    numbers = trainer.fit(worker(tmp_path), tmp_path / "a", {"train": squares(tmp_path, 18), "validation": validation})
    accuracies = [accuracy for _, _, _, accuracy in numbers["history"]]
    assert numbers["validation_accuracy"] == max(accuracies)
    assert share_right(tmp_path / "a", validation) == pytest.approx(max(accuracies))


def test_a_validation_that_is_large_judges_by_a_part_of_it_whatever_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lesson, "JUDGES", 6)
    validation = squares(tmp_path, 12, "validation")
    turned = replace(validation, samples=validation.samples[::-1])
    numbers = [
        TINY.fit(worker(tmp_path), tmp_path / name, {"train": squares(tmp_path, 18), "validation": data})
        for name, data in (("a", validation), ("b", turned))
    ]
    assert numbers[0] == numbers[1]
    assert numbers[0]["validation_images"] == 6


@pytest.mark.parametrize(("steps", "evaluations"), [(50, [25, 50]), (400, list(range(50, 401, 50)))])
def test_a_training_is_evaluated_a_few_times(tmp_path: Path, steps: int, evaluations: list[int]):
    trainer = TINY.with_(evaluate_every=None, steps=steps, batch_size=2, size=8, model={"width": 4})
    datasets = {"train": squares(tmp_path, 6), "validation": squares(tmp_path, 3, "validation")}
    numbers = trainer.fit(worker(tmp_path), tmp_path / "a", datasets)
    assert [step for step, *_ in numbers["history"]] == evaluations


def test_a_deterministic_worker_trains_and_asks_by_exact_algorithms_and_leaves_torch_as_it_was(tmp_path: Path):
    seen = []
    for deterministic in (True, False):
        one = replace(
            worker(tmp_path),
            deterministic=deterministic,
            tell=lambda done, total: seen.append(torch.are_deterministic_algorithms_enabled()),
        )
        TINY.with_(steps=2).fit(one, tmp_path / str(deterministic), {"train": squares(tmp_path, 6)})
        hook = register_module_forward_hook(
            lambda *_: seen.append(torch.are_deterministic_algorithms_enabled())  # type: ignore[arg-type]
        )
        try:
            Evaluate(classifier=str(tmp_path / str(deterministic))).load(one)([squares(tmp_path, 3)])
        finally:
            hook.remove()
        assert set(seen) == {deterministic}
        assert not torch.are_deterministic_algorithms_enabled()
        seen.clear()


def test_saving_a_state_copies_no_best_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(self: torch.Tensor, memo: Any) -> torch.Tensor:
        raise AssertionError("copied")

    linear = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(linear.parameters())
    now = progress.Progress(step=500, best=progress.learned(linear))
    monkeypatch.setattr(torch.Tensor, "__deepcopy__", refuse)
    progress.Keeper(path=tmp_path / "state").save_when_due(now, linear, optimizer, None)
    kept = progress.Keeper(path=tmp_path / "state").resume(linear, optimizer, None)
    assert same(kept.best, now.best)
    assert kept.step == 500


def test_whole_data_sets_fill_up_no_batch(tmp_path: Path):
    asked: list[int] = []
    folder = fitted(TINY.with_(steps=2), tmp_path)
    one = replace(worker(tmp_path), deterministic=True, batch_size=4)
    hook = register_module_forward_hook(
        lambda module, images, _: asked.append(len(images[0])) if isinstance(module, Logits) else None
    )
    # a `Logits` is called by position, with its images
    try:
        [[found]] = LocalExecutor(one).map(Evaluate(classifier=str(folder)), [[squares(tmp_path, 3, "test")]])
    finally:
        hook.remove()
    assert asked == [3]
    assert len(found["probabilities"]) == 3


def test_kept_weights_do_not_change_when_training_goes_on():
    linear = torch.nn.Linear(2, 2)
    kept = progress.learned(linear)
    torch.nn.init.zeros_(linear.weight)
    assert kept["weight"].abs().sum() > 0


def test_patience_ends_a_training_that_does_not_get_better(tmp_path: Path):
    datasets = {"train": squares(tmp_path, 18), "validation": squares(tmp_path, 12, "validation")}
    trainer = TINY.model_copy(update={"learning_rate": 1e-9, "patience": 2, "evaluate_every": 2, "steps": 100})
    assert trainer.fit(worker(tmp_path), tmp_path / "a", datasets)["steps"] < 30


@pytest.mark.parametrize("processes", [1, 2])
def test_images_that_do_not_fit_into_memory_give_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
):
    held = weights(fitted(TINY, tmp_path))
    monkeypatch.setattr(pictures, "MEMORY", 0)
    datasets = {"train": squares(tmp_path, 18), "validation": squares(tmp_path, 12, "validation")}
    TINY.fit(worker(tmp_path, processes), tmp_path / "read", datasets)
    assert same(held, weights(tmp_path / "read"))


def test_soft_labels_train(tmp_path: Path):
    rows = {0: (0.9, 0.1, 0.0), 1: (0.0, 0.9, 0.1), 2: (0.1, 0.0, 0.9)}

    def soft(data: Dataset) -> Dataset:
        samples = tuple(replace(sample, target=rows[sample.target]) for sample in data.samples)  # type: ignore[index]
        return replace(data, samples=samples, task="soft-label")

    train, validation = soft(squares(tmp_path, 18)), soft(squares(tmp_path, 12, "validation"))
    trainer = TINY.model_copy(update={"steps": 60, "augment": "none"})
    folder = fitted(trainer, tmp_path, train=train, validation=validation)
    assert share_right(folder, squares(tmp_path, 12, "test")) > 0.9


def test_several_labels_train_though_some_are_unknown(tmp_path: Path):
    def several(data: Dataset) -> Dataset:
        samples = tuple(
            replace(sample, target=tuple(None if (n + c) % 4 == 0 else int(sample.target == c) for c in range(3)))
            for n, sample in enumerate(data.samples)
        )
        return replace(data, samples=samples, task="multi-label")

    datasets = {"train": several(squares(tmp_path, 24)), "validation": several(squares(tmp_path, 12, "validation"))}
    trainer = TINY.model_copy(update={"steps": 150, "augment": "none"})
    trainer.fit(worker(tmp_path), tmp_path / "a", datasets)
    test = several(squares(tmp_path, 12, "test"))
    [found] = Evaluate(classifier=str(tmp_path / "a")).load(worker(tmp_path))([test])
    known = ~np.isnan(found["targets"])
    assert ((found["probabilities"] > 0.5) == (found["targets"] > 0.5))[known].mean() > 0.9
    assert not np.allclose(found["probabilities"].sum(1), 1)


def test_a_filtered_image_leaves_no_trace(tmp_path: Path):
    """Wrong labels of weight 0 train the same network as their absence."""
    data = squares(tmp_path, 18)
    wrong = tuple(replace(sample, target=(sample.target + 1) % 3) for sample in data.samples[:6])  # type: ignore[operator]
    filtered = replace(data, samples=data.samples + wrong, weights=(1.0,) * 18 + (0.0,) * 6)
    assert same(weights(fitted(TINY, tmp_path)), weights(fitted(TINY, tmp_path, "filtered", train=filtered)))


def test_synthetic_images_do_not_make_a_training_longer(tmp_path: Path):
    data = squares(tmp_path, 18)
    children = tuple(
        replace(s, origin=Origin(parent=data.samples[0].image.digest)) for s in squares(tmp_path, 9, "c").samples
    )
    more = replace(data, samples=data.samples + children)
    trainer = TINY.model_copy(update={"steps": None, "epochs": 2})
    lengths = [
        trainer.fit(worker(tmp_path), tmp_path / str(number), {"train": train})["steps"]
        for number, train in enumerate((data, more))
    ]
    assert lengths == [4, 4]


def test_bfloat16_trains(tmp_path: Path):
    one = replace(worker(tmp_path), dtype="bfloat16")
    trainer = TINY.model_copy(update={"steps": 3})
    trainer.fit(one, tmp_path / "a", {"train": squares(tmp_path, 18), "validation": squares(tmp_path, 6, "validation")})
    [found] = Evaluate(classifier=str(tmp_path / "a")).load(one)([squares(tmp_path, 3, "test")])
    assert found["probabilities"].dtype == np.float32
    assert all(tensor.dtype != torch.bfloat16 for tensor in weights(tmp_path / "a").values())


def test_a_validation_of_other_classes_is_refused(tmp_path: Path):
    other = replace(squares(tmp_path, 6, "validation"), classes=("a", "b", "c"))
    with pytest.raises(BadData, match="validation"):
        fitted(TINY, tmp_path, validation=other)


def test_a_loss_that_explodes_says_what_to_do(tmp_path: Path):
    with pytest.raises(BadConfig, match="smaller learning_rate"):
        fitted(TINY.model_copy(update={"learning_rate": 1e30}), tmp_path)


def test_mixing_and_a_frozen_backbone_exclude_each_other():
    with pytest.raises(ValidationError, match="cutmix mixes images anew"):
        ClassifierTrainer(model=ClipHead(name="a/b"), augment="cutmix")


def test_a_changed_trainer_is_checked_anew():
    frozen = ClassifierTrainer(model=ClipHead(name="a/b"))
    assert frozen.with_(augment="none", seed=3) == ClassifierTrainer(model=ClipHead(name="a/b"), augment="none", seed=3)
    assert frozen.with_(model=SmallResNet(width=8)).model == SmallResNet(width=8)
    with pytest.raises(BadConfig, match="cutmix mixes images anew"):
        frozen.with_(augment="cutmix")


def test_a_length_is_given_in_steps_or_in_epochs():
    with pytest.raises(BadConfig, match=r"^Field 'ClassifierTrainer': steps or epochs, not both; set one of them"):
        ClassifierTrainer(epochs=20).with_(steps=300)
    assert ClassifierTrainer(epochs=20).with_(steps=300, epochs=None).steps == 300


def test_a_setting_of_the_model_chooses_its_kind():
    frozen = resolve(ClassifierTrainer(), {"model": {"name": "a/b", "tune": "lora"}})
    assert frozen.model == Checkpoint(name="a/b", tune="lora")
    with pytest.raises(BadConfig, match=r"'model\.nam'.*Did you mean 'model\.name'.*Known: model\.kind, model\.name"):
        resolve(frozen, {"model": {"nam": "c/d"}})


def test_a_model_with_a_name_alone_is_a_checkpoint_and_without_one_small():
    assert ClassifierTrainer(model={"name": "a/b"}).model.kind == "checkpoint"  # type: ignore[arg-type]
    assert ClassifierTrainer(model={"width": 8}).model.kind == "small-resnet"  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="clip-head"):
        ClassifierTrainer(model={"kind": "vgg"})  # type: ignore[arg-type]


def test_configuring_imports_no_torch():
    import subprocess
    import sys

    code = "import sys, counterfactory.classify.train, counterfactory.classify.predict; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
