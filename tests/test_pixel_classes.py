"""The training of a diffusion model of pixels by class: what is left out, what is kept, and that it learns."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline
from pydantic import ValidationError

from counterfactory.diffusion import class_pixels
from counterfactory.diffusion.adapted import epochs
from counterfactory.diffusion.class_pixels import build, errors, flipped, left_out, open_noising, trained
from counterfactory.diffusion.pixel import spread_times
from counterfactory.diffusion.pixel_engine import DrawPixels
from counterfactory.diffusion.trainers import ClassPixelTrainer, PixelNetwork
from counterfactory.errors import BadConfig, BadData
from counterfactory.training.schedule import Schedule
from counterfactory.types import Artifact, Dataset, Request, Sample
from squares import CLASSES, squares, worker

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

WEIGHTS = Path("unet") / "diffusion_pytorch_model.safetensors"
COURSE = Schedule(images=64, batch_size=2, learning_rate=1e-3, rise=5)
TRAINER = ClassPixelTrainer(
    schedule=COURSE,
    network=PixelNetwork(channels=(8, 16), attends=(False, True), head_width=8, groups=4),
    size=8,
    times=50,
)


@pytest.fixture(autouse=True)
def _short_shows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(class_pixels, "STEPS", 3)


def like(trainer: ClassPixelTrainer = TRAINER, course: dict[str, object] | None = None, **more: object):
    return trainer.model_copy(update={"schedule": COURSE.model_copy(update=course or {}), **more})


def data(folder: Path, count: int = 12) -> dict[str, Dataset]:
    return {
        "train": squares(folder / "images", count, size=16),
        "validation": squares(folder / "images", 3, "validation", size=16),
    }


def test_plain_diffusers_opens_the_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    numbers = TRAINER.fit(worker(tmp_path), tmp_path / "out", data(tmp_path))
    pipeline = DDPMPipeline.from_pretrained(tmp_path / "out")
    assert pipeline.unet.config.num_class_embeds == len(CLASSES) + 1
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    assert "not expected" not in capfd.readouterr().err
    assert {"seconds", "parameters", "images", "error"} <= set(numbers)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model_index.json",
        "scheduler",
        "unet",
        "classes.json",
    }
    assert json.loads((tmp_path / "out" / "classes.json").read_text()) == list(CLASSES)


def test_a_training_in_two_sittings_leaves_the_same_files_and_epochs(tmp_path: Path):
    # learning stands on its plateau for the first 60 % of either budget, so the shorter one is the longer one's start
    for images in (32, 96):
        trained(
            like(course={"images": images, "rise": 32}, every=2), worker(tmp_path), tmp_path / "two", data(tmp_path)
        )
    trained(like(course={"images": 96, "rise": 32}, every=2), worker(tmp_path), tmp_path / "one", data(tmp_path))
    assert epochs(tmp_path / "one") == epochs(tmp_path / "two") == [2, 4, 6, 8]
    for place in (WEIGHTS, *(Path("epochs") / f"{n:03d}" / WEIGHTS for n in (2, 4, 6, 8))):
        assert (tmp_path / "one" / place).read_bytes() == (tmp_path / "two" / place).read_bytes()
    assert (tmp_path / "one" / "epochs" / "008" / WEIGHTS).read_bytes() == (tmp_path / "one" / WEIGHTS).read_bytes()


@pytest.mark.slow
def test_two_processes_learn_one_model(tmp_path: Path):
    numbers = like(course={"processes": 2}).fit(worker(tmp_path), tmp_path / "out", data(tmp_path))
    assert numbers["images"] == 64
    assert (tmp_path / "out" / WEIGHTS).exists()


def test_it_learns_its_classes(tmp_path: Path):
    course = {"images": 1600, "batch_size": 16, "learning_rate": 1e-2, "smoothing": 0.9, "rise": 10}
    artifact = Artifact(kind="class-pixels", key="squares")
    here = worker(tmp_path)
    numbers = like(course=course).fit(here, here.artifact(artifact), data(tmp_path, 48))
    assert numbers["error"] < 0.2
    requests = [Request(prompt="", label=n % 3, seed=n, guidance=2.0) for n in range(12)]
    drawn = DrawPixels(model=artifact, steps=10).load(here)(requests)
    means = [np.asarray(here.pixels.image(sample.image)).mean((0, 1)) for sample in drawn]
    hits = [int(mean.argmax()) == request.label for mean, request in zip(means, requests, strict=True)]
    assert np.mean(hits) >= 0.8


def test_the_asked_share_of_labels_is_left_out_and_no_other_changes():
    labels, generator = torch.arange(20_000) % 5, torch.Generator().manual_seed(0)
    said = left_out(labels, 0.1, 5, generator)
    assert abs((said == 5).float().mean().item() - 0.1) < 0.01
    assert torch.equal(said[said != 5], labels[said != 5])
    assert torch.equal(left_out(labels, 0.0, 5, generator), labels)


def test_the_asked_share_of_pictures_is_mirrored():
    x = torch.arange(4.0).expand(10_000, 3, 2, 4)
    turned = flipped(x, 0.3, torch.Generator().manual_seed(0))[:, 0, 0, 0] == 3
    assert abs(turned.float().mean().item() - 0.3) < 0.02
    assert torch.equal(flipped(x, 0.0, torch.Generator()), x)


def test_a_network_that_says_the_velocity_has_no_error():
    noising = open_noising(TRAINER, "cpu")
    x = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    said = torch.arange(5)

    class Knowing(torch.nn.Module):
        def forward(self, noisy: torch.Tensor, times: torch.Tensor, class_labels: torch.Tensor) -> object:
            assert torch.equal(class_labels, said)
            power = noising.signal[times][:, None, None, None]
            noise = (noisy - power.sqrt() * x) / (1 - power).sqrt()
            velocity = power.sqrt() * noise - (1 - power).sqrt() * x
            return type("Said", (), {"sample": velocity})

    assert errors(Knowing(), noising, x, said, torch.Generator().manual_seed(1)).max() < 1e-6


def test_times_are_spread_over_all():
    times = spread_times(5, 50, torch.Generator().manual_seed(0))
    assert (times // 10).tolist() == [0, 1, 2, 3, 4]


def test_a_size_that_the_network_cannot_halve_is_learnt_with_a_margin(tmp_path: Path):
    like(size=9).fit(worker(tmp_path), tmp_path / "out", data(tmp_path))
    here = worker(tmp_path)
    sample = DrawPixels(model=str(tmp_path / "out"), steps=2).load(here)([Request(prompt="", label=0, seed=1)])[0]
    assert isinstance(sample, Sample)
    assert here.pixels.image(sample.image).size == (9, 9)
    with pytest.raises(ValidationError, match="size"):
        ClassPixelTrainer(size=4)


def test_the_first_weights_follow_from_the_seed():
    first, second = (build(TRAINER, 3).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["class_embedding.weight"].shape[0] == 4


def test_a_class_of_one_picture_is_learnt_and_one_of_none_is_named(tmp_path: Path):
    whole = data(tmp_path)["train"]
    without = {"train": replace(whole, weights=tuple(float(sample.target != 0) for sample in whole.samples))}
    with pytest.raises(BadData, match="learn from for red"):
        TRAINER.fit(worker(tmp_path), tmp_path / "out", without)
    three = {"train": replace(whole, samples=whole.samples[:3])}
    assert like(course={"images": 2}).fit(worker(tmp_path), tmp_path / "out", three)["images"] == 32


def test_rejected_pictures_are_not_learnt_from(tmp_path: Path):
    whole, asked = data(tmp_path)["train"], {}

    def noted(task: class_pixels.Task, _: int) -> dict[str, object]:
        asked["rows"], asked["labels"] = task.known.rows.tolist(), task.known.labels.tolist()
        return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(class_pixels, "together", noted)
        half = replace(whole, weights=(0.0, *[1.0] * 11))
        one_class = replace(whole, samples=whole.samples[:1])  # to judge by; it need not show all classes
        trained(TRAINER, worker(tmp_path), tmp_path / "out", {"train": half, "validation": one_class})
    assert asked == {"rows": list(range(1, 12)), "labels": [sample.target for sample in whole.samples[1:]]}


def test_other_tasks_are_refused(tmp_path: Path):
    several = {"train": replace(data(tmp_path)["train"], task="multi-label")}
    with pytest.raises(BadConfig, match="multi-label"):
        TRAINER.fit(worker(tmp_path), tmp_path / "out", several)
