"""The captioner: its training, its words, what plain transformers reads of it, and the step that asks it."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoProcessor, BlipForConditionalGeneration, BlipProcessor, CLIPModel, CLIPVisionModel

from counterfactory.caption.blip_training import build, trained
from counterfactory.caption.captioner import Caption
from counterfactory.caption.models import open_captioner
from counterfactory.caption.trainers import CaptionTrainer
from counterfactory.caption.words import learn_words
from counterfactory.data.diorama.captions import caption
from counterfactory.data.diorama.place import scene_at
from counterfactory.errors import BadConfig
from counterfactory.keys import digest
from counterfactory.run import Run
from counterfactory.score.trainers import ClipTrainer
from counterfactory.testing import StepContract, TrainerContract
from counterfactory.training.drawing import Drawn, nucleus
from counterfactory.training.eyes import see_as_blip, see_as_clip
from counterfactory.training.schedule import Schedule
from counterfactory.training.towers import Tower
from counterfactory.types import Address, Dataset, Failed
from counterfactory.worker import Worker
from counterfactory.zoo.wording import in_part, named, plainly
from counterfactory.zoo.world import seen_scenes

SIZE = 16
TOWER = Tower(width=16, layers=2, heads=2)
TRAINER = CaptionTrainer(
    schedule=Schedule(images=1024, batch_size=8, learning_rate=4e-3, rise=10, smoothing=0.9),
    size=SIZE,
    patch=4,
    image=TOWER,
    text=TOWER,
    length=32,
)
SHORT = Schedule(images=32, batch_size=2)


def worker(folder: Path) -> Worker:
    return Worker(workspace=folder, processes=1)


def data(number: int = 48) -> dict[str, Dataset]:
    return {
        "train": plainly(seen_scenes("train", number, SIZE)),
        "validation": plainly(seen_scenes("validation", 6, SIZE)),
    }


SAMPLES = data()["validation"].samples


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was trained for a moment."""
    folder = tmp_path_factory.mktemp("blip")
    trained(TRAINER, worker(folder), folder / "blip", data())
    return folder / "blip"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of the same shape."""
    folder = tmp_path_factory.mktemp("clip")
    trainer = ClipTrainer(schedule=SHORT, size=SIZE, patch=4, image=TOWER, text=TOWER, vocabulary=600)
    trainer.fit(worker(folder), folder / "clip", data())
    return folder / "clip"


class TestCaptionTrainer(TrainerContract):
    def trainer(self) -> Any:
        return TRAINER.model_copy(update={"schedule": SHORT})

    def datasets(self, folder: Path) -> Mapping[str, Dataset]:
        return data()


class TestCaption(StepContract):
    @pytest.fixture(autouse=True)
    def _folder(self, blip: Path) -> None:
        self.blip = str(blip)

    def step(self) -> Any:
        return Caption(model=self.blip, captions=2)

    def items(self) -> Sequence[Any]:
        return [SAMPLES[0], *(sample.image for sample in SAMPLES[1:])]


def test_plain_transformers_loads_the_folder_without_a_word_and_captions(blip: Path, tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, processor = BlipForConditionalGeneration.from_pretrained(blip), BlipProcessor.from_pretrained(blip)
        AutoProcessor.from_pretrained(blip)
    image = worker(tmp_path).pixels.image(SAMPLES[0].image)
    numbers = model.generate(**processor(images=image, return_tensors="pt"), max_new_tokens=31)
    theirs = processor.decode(numbers[0], skip_special_tokens=True)
    assert Caption(model=str(blip)).load(worker(tmp_path))([SAMPLES[0]]) == [(theirs,)]


def test_captions_are_learnt(blip: Path, tmp_path: Path):
    lines = [json.loads(line) for line in (blip / "training" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"] / 3
    [(text,)] = Caption(model=str(blip)).load(worker(tmp_path))([SAMPLES[0]])
    assert len(named(text)) >= 3  # the order of words is learnt first, the truth of them later
    assert (blip / "training" / "grid.txt").exists()


def test_a_training_in_two_sittings_leaves_the_same_files(tmp_path: Path):
    course = Schedule(images=32, batch_size=2, rise=64, smoothing=0.5)
    # learning stands on its plateau for the first 60 % of either budget, so the shorter one is the longer one's start
    short, long = (
        TRAINER.model_copy(update={"schedule": course.model_copy(update={"images": images})}) for images in (32, 96)
    )
    for trainer in (short, long):
        trained(trainer, worker(tmp_path), tmp_path / "twice", data())
    long.fit(worker(tmp_path), tmp_path / "once", data())
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("once", "twice")]
    assert files[0] == files[1]
    assert not (tmp_path / "once" / "training").exists()


def test_drawn_captions_follow_from_the_seed_and_the_first_is_the_likeliest(blip: Path, tmp_path: Path):
    def said(**fields: Any) -> list[Any]:
        return list(Caption(model=str(blip), **fields).load(worker(tmp_path))(SAMPLES))

    several = said(captions=4, seed=1)
    assert [texts[:1] for texts in several] == said()
    assert several == said(captions=4, seed=1) != said(captions=4, seed=2)
    assert any(len(set(texts)) > 1 for texts in several)


def test_a_caption_is_no_longer_than_asked(blip: Path, tmp_path: Path):
    [(text,)] = Caption(model=str(blip), max_tokens=3).load(worker(tmp_path))([SAMPLES[0]])
    assert len(text.split()) == 3


def test_noise_draws_from_the_softmax_of_the_likeliest_words():
    scores = torch.tensor([[0.6, 0.3, 0.08, 0.02]]).log()
    assert nucleus(scores, 0.9).exp()[0].tolist() == pytest.approx([0.6, 0.3, 0, 0])
    drawn = Drawn(range(6000))(torch.empty(0), scores.repeat(6000, 1)).argmax(1)
    assert torch.bincount(drawn, minlength=4)[:3].div(6000).tolist() == pytest.approx([2 / 3, 1 / 3, 0], abs=0.02)


def test_the_tokenizer_knows_words_and_can_spell_the_others():
    words = learn_words(["a red car on grass", "a red bus"], 200, 20)
    assert words.tokenize("A red car!") == ["a", "red", "car", "!"]
    assert words.tokenize("zebra 7") == ["z", "##e", "##b", "##r", "##a", "7"]
    assert words.unk_token_id not in words("quite another story, told in 1984.").input_ids


def test_a_captioner_begins_with_the_eyes_of_a_clip(clip: Path, tmp_path: Path):
    module = build(TRAINER, learn_words(["a car"], 120, 32))
    x = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    before = module.vision_model(x).last_hidden_state
    see_as_clip(module.vision_model, clip, x)
    theirs = CLIPVisionModel.from_pretrained(clip)
    theirs = theirs.vision_model if hasattr(theirs, "vision_model") else theirs
    seen = theirs.post_layernorm(theirs(x).last_hidden_state)
    distance, strange = ((module.vision_model(x).last_hidden_state - seen).norm(), (before - seen).norm())
    assert distance < 0.3 * strange


def test_eyes_of_another_shape_are_refused(clip: Path, tmp_path: Path):
    wider = TRAINER.model_copy(update={"start": str(clip), "image": Tower(width=32, layers=2, heads=2)})
    with pytest.raises(BadConfig, match="hidden_size 16, those that begin with them 32"):
        wider.fit(worker(tmp_path), tmp_path / "out", data())


def test_a_clip_begins_with_the_eyes_of_a_captioner(blip: Path, clip: Path, tmp_path: Path):
    eyes = CLIPModel.from_pretrained(clip).vision_model
    x = torch.rand(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        wanted = BlipForConditionalGeneration.from_pretrained(blip).vision_model(x).last_hidden_state
        before = eyes.post_layernorm(eyes(x).last_hidden_state)
        see_as_blip(eyes, blip, x)
        after = eyes.post_layernorm(eyes(x).last_hidden_state)
    assert (after - wanted).norm() < 0.3 * (before - wanted).norm()
    trainer = ClipTrainer(schedule=SHORT, size=SIZE, patch=4, image=TOWER, text=TOWER, vocabulary=600)
    sees = trainer.model_copy(update={"start": str(blip)})
    assert sees.fit(worker(tmp_path), tmp_path / "out", data())["images"] >= 32
    with pytest.raises(BadConfig, match="expected the folder or hub id of a 'blip' model"):
        sees.model_copy(update={"start": str(clip)}).fit(worker(tmp_path), tmp_path / "no", data())


def test_a_captioner_with_a_start_is_trained(clip: Path, tmp_path: Path):
    trainer = TRAINER.model_copy(update={"schedule": SHORT, "start": str(clip)})
    numbers = trainer.fit(worker(tmp_path), tmp_path / "out", data())
    assert numbers["images"] >= 32


def test_a_caption_read_back_names_what_the_scene_shows():
    for sample in seen_scenes("validation", 200, SIZE).samples:
        scene, truth = scene_at(sample.image.place), sample.attributes
        complete = named(caption(scene))
        assert complete == {k: v for k, v in truth.items() if k != "weather" or scene.surface != "room"}
        for text in (*(caption(scene, n) for n in range(1, 6)), in_part(scene)):
            assert named(text).items() <= truth.items()
            assert "class" in named(text)
    assert named("something else") == {}


def test_a_folder_that_holds_no_captioner_is_refused(clip: Path, tmp_path: Path):
    with pytest.raises(BadConfig, match=r"holds a 'clip' model; expected .* a 'blip', 'blip-2' or other"):
        Caption(model=str(clip)).load(worker(tmp_path))


def test_weights_that_are_pickled_only_are_refused(blip: Path, tmp_path: Path):
    for file in blip.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save(BlipForConditionalGeneration.from_pretrained(blip).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(BadConfig, match="as safetensors"):
        open_captioner(tmp_path, "cpu")


def test_a_damaged_picture_is_a_failed_row_and_the_others_stand(blip: Path, tmp_path: Path):
    path = tmp_path / "damaged.jpg"
    path.write_bytes(b"\xff\xd8\xff nothing")
    damaged = Address(digest(path.read_bytes()), f"file:{path}")
    with Run(tmp_path / "run", Worker(workspace=tmp_path, batch_size=4, processes=1)) as run:
        first, failed, last = run.map(Caption(model=str(blip)), [SAMPLES[0], damaged, SAMPLES[1]])
    assert not isinstance(first, Failed)
    assert not isinstance(last, Failed)
    assert "damaged.jpg: cannot be decoded" in failed.reason
