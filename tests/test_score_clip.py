"""CLIP: its training, what plain transformers reads of it, and the steps that ask it."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors import safe_open
from transformers import AutoProcessor, CLIPModel, CLIPProcessor, CLIPVisionModelWithProjection

from counterfactory.errors import BadConfig, BadData
from counterfactory.keys import digest
from counterfactory.run import Run
from counterfactory.score import clip_model
from counterfactory.score.clip import ClipEmbed, ClipScore, ClipZeroShot
from counterfactory.score.clip_training import contrast, shortened, trained
from counterfactory.score.rivals import rivals
from counterfactory.score.trainers import ClipTrainer
from counterfactory.testing import StepContract, TrainerContract
from counterfactory.training.schedule import Schedule
from counterfactory.training.towers import Tower
from counterfactory.types import Address, Dataset, Failed
from counterfactory.worker import Worker
from counterfactory.zoo.world import seen_scenes

SIZE = 16
TOWER = Tower(width=16, layers=1, heads=2)
TRAINER = ClipTrainer(
    schedule=Schedule(images=128, batch_size=4, learning_rate=2e-3, rise=5),
    size=SIZE,
    patch=4,
    image=TOWER,
    text=TOWER,
    embedding=8,
    vocabulary=540,  # so few pairs that none of them tie
    length=64,
)


def worker(folder: Path) -> Worker:
    return Worker(workspace=folder, processes=1)


def data(number: int = 48) -> dict[str, Dataset]:
    return {"train": seen_scenes("train", number, SIZE), "validation": seen_scenes("validation", 40, SIZE)}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was trained for a moment."""
    folder = tmp_path_factory.mktemp("clip")
    trained(TRAINER, worker(folder), folder / "clip", data())
    return folder / "clip"


def pairs() -> list[tuple[Address, str]]:
    return [(sample.image, sample.caption or "") for sample in data()["validation"].samples[:5]]


class TestClipTrainer(TrainerContract):
    def trainer(self) -> Any:
        return TRAINER.model_copy(update={"schedule": Schedule(images=16, batch_size=2)})

    def datasets(self, folder: Path) -> Mapping[str, Dataset]:
        return data()


class ClipStep(StepContract):
    """The three steps, whose numbers may differ in the last places between batch sizes."""

    @pytest.fixture(autouse=True)
    def _folder(self, clip: Path) -> None:
        self.clip = str(clip)

    def items(self) -> Sequence[Any]:
        return [image for image, _ in pairs()]

    def same(self, one: Any, other: Any) -> bool:
        return bool(np.allclose(one, other, atol=1e-5))


class TestClipScore(ClipStep):
    def step(self) -> Any:
        return ClipScore(model=self.clip)

    def items(self) -> Sequence[Any]:
        return [*pairs(), (data()["validation"].samples[0], "a dog")]


class TestClipEmbed(ClipStep):
    def step(self) -> Any:
        return ClipEmbed(model=self.clip)


class TestClipZeroShot(ClipStep):
    def step(self) -> Any:
        return ClipZeroShot(model=self.clip, classes=("car", "dog", "cup"))


def test_plain_transformers_loads_the_folder_without_a_word(clip: Path, capfd: pytest.CaptureFixture[str]):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, processor = CLIPModel.from_pretrained(clip), CLIPProcessor.from_pretrained(clip)
        AutoProcessor.from_pretrained(clip)
        tower = CLIPVisionModelWithProjection.from_pretrained(clip)
    assert "not initialized" not in capfd.readouterr().err
    inputs = processor(images=[Image.new("RGB", (40, 30))], text=["a red car"], return_tensors="pt")
    assert model(**inputs).logits_per_image.shape == (1, 1)
    features = tower(pixel_values=inputs.pixel_values).image_embeds
    assert torch.allclose(features, model.get_image_features(pixel_values=inputs.pixel_values).pooler_output)
    with safe_open(clip / "model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118


def test_the_steps_say_what_transformers_says(clip: Path, tmp_path: Path):
    asked, here = pairs(), worker(tmp_path)
    classes = ("car", "dog")
    model, processor = CLIPModel.from_pretrained(clip).eval(), CLIPProcessor.from_pretrained(clip)
    images = [here.pixels.image(address) for address, _ in asked]
    with torch.no_grad():
        whole = model(
            **processor(
                images=images, text=[text for _, text in asked], padding=True, truncation=True, return_tensors="pt"
            )
        )
        prompts = [f"a photo of a {name}" for name in classes]
        told = model(**processor(images=images, text=prompts, padding=True, truncation=True, return_tensors="pt"))
    cosines = (whole.image_embeds * whole.text_embeds).sum(1)
    assert ClipScore(model=str(clip)).load(here)(asked) == pytest.approx(cosines.tolist(), abs=1e-5)
    embedded = ClipEmbed(model=str(clip)).load(here)([address for address, _ in asked])
    assert np.allclose(embedded, whole.image_embeds, atol=1e-5)
    probabilities = ClipZeroShot(model=str(clip), classes=classes).load(here)([address for address, _ in asked])
    assert np.allclose(probabilities, told.logits_per_image.softmax(1), atol=1e-5)


def test_a_thousand_classes_are_one_softmax(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    classes = tuple(f"thing {number}" for number in range(1000))
    step, asked = ClipZeroShot(model=str(clip), classes=classes), [address for address, _ in pairs()[:2]]
    found = step.load(worker(tmp_path))(asked)
    assert np.sum(found, axis=1) == pytest.approx([1, 1], abs=1e-5)
    monkeypatch.setattr(clip_model, "AT_ONCE", 1000)
    assert np.allclose(found, step.load(worker(tmp_path))(asked), atol=1e-6)


def test_pictures_learn_to_find_their_captions(clip: Path, tmp_path: Path):
    lines = [json.loads(line) for line in (clip / "training" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"]
    numbers = TRAINER.fit(worker(tmp_path), tmp_path / "out", data())
    assert 0 <= numbers["retrieval_of_32"] <= 1
    assert not (tmp_path / "out" / "training").exists()


def test_a_training_in_two_sittings_leaves_the_same_files(tmp_path: Path):
    course = TRAINER.schedule.model_copy(update={"images": 64, "batch_size": 2, "rise": 64})
    short = TRAINER.model_copy(update={"schedule": course})
    # learning stands on its plateau for the first 60 % of either budget, so the shorter one is the longer one's start
    long = TRAINER.model_copy(update={"schedule": course.model_copy(update={"images": 192, "smoothing": 0.5})})
    short = short.model_copy(update={"schedule": course.model_copy(update={"images": 32, "smoothing": 0.5})})
    for trainer in (short, long):
        trained(trainer, worker(tmp_path), tmp_path / "twice", data())
    trained(long, worker(tmp_path), tmp_path / "once", data())
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("once", "twice")]
    assert files[0] == files[1]


def test_a_caption_that_two_pictures_share_is_right_for_both():
    logits = torch.tensor([[9.0, 9.0, -9.0], [9.0, 9.0, -9.0], [-9.0, -9.0, 9.0]])
    assert contrast(logits, torch.tensor([4, 4, 7])).item() == pytest.approx(2 * np.log(2) / 3, abs=1e-4)
    assert (
        contrast(10 * logits, torch.tensor([1, 2, 3])).item()
        > contrast(10 * logits, torch.tensor([4, 4, 7])).item() - 1e-6
    )
    assert contrast(torch.zeros(2, 2), torch.tensor([0, 1])).item() == pytest.approx(np.log(2))


def test_a_rival_draws_a_picture_away_from_its_text_and_an_equal_text_does_not():
    own = 20 * torch.eye(2)
    near = torch.tensor([[20.0], [0.0]])  # as near to the first picture as its own text
    logits = torch.cat([own, near], 1).requires_grad_()
    contrast(logits, torch.tensor([1, 2, 3])).backward()
    assert logits.grad[0, 0] < -0.1  # nearer to its own is better
    assert logits.grad[0, 2] > 0.1
    alike = logits.detach().requires_grad_()
    contrast(alike, torch.tensor([1, 2, 1])).backward()
    assert alike.grad.abs().max() < 1e-3


def test_rivals_differ_in_one_word_where_there_are_such():
    texts = ["a red car", "a blue car", "a red dog", "nothing of it", "a red car"]
    found = rivals(texts, 4, seed=0)
    assert found.shape == (5, 4)
    assert {int(row) for row in found[[0, 4]].flatten()} <= {1, 2}
    assert set(found[1]) <= {0, 4}
    assert (rivals(texts, 4, seed=0) == found).all()
    assert rivals(texts, 0, seed=0).shape == (5, 0)


def test_texts_are_as_long_as_the_longest():
    assert shortened(torch.tensor([[1, 5, 9, 9, 9], [1, 5, 6, 9, 9]]), end=9).tolist() == [[1, 5, 9, 9], [1, 5, 6, 9]]


def test_another_model_is_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(BadConfig, match="holds a 'bert' model; expected the folder or hub id of a 'clip' model"):
        ClipEmbed(model=str(tmp_path)).load(worker(tmp_path))


def test_a_folder_without_a_model_and_a_broken_configuration_are_refused(tmp_path: Path):
    with pytest.raises(BadConfig, match="names a model"):
        ClipEmbed(model=str(tmp_path)).load(worker(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BadConfig, match="is not JSON"):
        ClipEmbed(model=str(tmp_path)).load(worker(tmp_path))


def test_weights_that_are_pickled_only_are_refused(clip: Path, tmp_path: Path):
    for file in clip.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save(CLIPModel.from_pretrained(clip).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(BadConfig, match="as safetensors"):
        ClipScore(model=str(tmp_path)).load(worker(tmp_path))


def test_a_damaged_picture_is_a_failed_row_and_the_others_stand(clip: Path, tmp_path: Path):
    path = tmp_path / "damaged.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    damaged = (Address(digest(path.read_bytes()), f"file:{path}"), "a car")
    with Run(tmp_path / "run", Worker(workspace=tmp_path, batch_size=4, processes=1)) as run:
        first, failed, last = run.map(ClipScore(model=str(clip)), [pairs()[0], damaged, pairs()[1]])
    assert isinstance(first, float)
    assert isinstance(last, float)
    assert isinstance(failed, Failed)
    assert "damaged.png: cannot be decoded" in failed.reason


def test_a_prompt_without_a_place_for_the_class_is_refused():
    with pytest.raises(ValidationError, match="say with"):
        ClipZeroShot(model="some/clip", classes=("a",), prompt="a photo")


def test_pictures_without_captions_are_named(tmp_path: Path):
    silent = data(3)["train"]
    samples = tuple(type(s)(image=s.image, target=s.target) for s in silent.samples)
    with pytest.raises(BadData, match="3 of 3 images have no caption"):
        TRAINER.fit(worker(tmp_path), tmp_path / "out", {"train": Dataset(samples=samples, classes=silent.classes)})
