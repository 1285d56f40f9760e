"""What becomes of drawings that are no pictures, of a device without room, and of encodings asked for again."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPConfig, CLIPImageProcessor

from companions import data, save_base
from counterfactory.diffusion.drawing import Parts, open_parts
from counterfactory.diffusion.encodings import Encodings
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.finishing import Finish
from counterfactory.diffusion.frames import Grid, Size, nearest
from counterfactory.diffusion.painting import Drawn
from counterfactory.diffusion.placing import Placing
from counterfactory.diffusion.recent import Recent
from counterfactory.diffusion.studio import Studio
from counterfactory.pixels import Pixels
from counterfactory.types import Address, Control, Failed, Request, Sample
from counterfactory.worker import Worker, is_out_of_memory

SAMPLES = data()["train"].samples


@dataclass(frozen=True, kw_only=True, eq=False)
class Brush:
    """A painter with room for so many pictures, of which a seed says what goes wrong with them."""

    room: int = 100
    asked: list[int] = field(default_factory=list)

    @property
    def grid(self) -> Grid:
        return Grid(factor=4, side=8)

    def accept(self, request: Request) -> Request:
        return request

    def alike(self, request: Request) -> Hashable:
        return request.guidance

    def draw(self, requests: Sequence[Request], size: Size) -> Drawn:
        self.asked.append(len(requests))
        if len(requests) > self.room:
            raise torch.OutOfMemoryError("out of memory. Tried to allocate 4 GiB")
        pictures = torch.stack([torch.rand(3, size[1], size[0]) for _ in requests])
        for picture, request in zip(pictures, requests, strict=True):
            picture[request.prompt == "plain"] = 0.3
            picture[request.prompt == "no number", 0, 0] = torch.nan
        return Drawn(pictures=pictures, flagged=[request.prompt == "flagged" for request in requests])


def studio(brush: Brush, folder: Path, **more: Any) -> Studio:
    worker = Worker(workspace=folder, processes=1, **more)
    return Studio(painter=brush, worker=worker, finish=Finish(worker=worker, model="brush"))


def requests(*prompts: str) -> list[Request]:
    return [Request(prompt=prompt, seed=seed) for seed, prompt in enumerate(prompts)]


def test_blank_flagged_and_overflown_drawings_say_what_is_wrong_with_them(tmp_path: Path):
    prompts = requests("a dog", "plain", "flagged", "no number")
    good, blank, flagged, overflown = studio(Brush(), tmp_path)(prompts)
    assert isinstance(good, Sample)
    assert "blank" in blank.reason
    assert "safety checker" in flagged.reason
    assert "overflows in this number format" in overflown.reason
    assert len(list(Worker(workspace=tmp_path).blobs)) == 1


def test_where_there_is_no_room_half_as_many_are_drawn_at_once(tmp_path: Path):
    brush = Brush(room=2)
    results = studio(brush, tmp_path, batch_size=8)(requests(*["a dog"] * 7))
    assert all(isinstance(result, Sample) for result in results)
    assert brush.asked == [7, 3, 1, 2, 4, 2, 2]


def test_one_picture_that_does_not_fit_says_what_would_help(tmp_path: Path):
    (failed,) = studio(Brush(room=0), tmp_path)(requests("a dog"))
    assert isinstance(failed, Failed)
    assert "8 x 8 pixels does not fit into the device's memory" in failed.reason


def test_want_of_memory_is_told_from_other_errors():
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert is_out_of_memory(MemoryError())


def test_groups_are_cut_to_the_worker_s_batch_and_keep_their_places(tmp_path: Path):
    brush = Brush()
    asked = [Request(prompt="a dog", seed=n, guidance=float(n % 2)) for n in range(7)]
    results = studio(brush, tmp_path, batch_size=3)(asked)
    assert brush.asked == [3, 1, 3]
    assert [result.origin.seed for result in results] == list(range(7))


def test_a_fixed_shape_of_batch_is_kept_in_deterministic_mode(tmp_path: Path):
    brush = Brush()
    studio(brush, tmp_path, batch_size=4, deterministic=True)(requests(*["a dog"] * 5))
    assert brush.asked == [4, 4]


@pytest.mark.parametrize(
    ("size", "factor", "side", "expected"),
    [
        ((500, 375), 8, 512, (592, 440)),
        ((1280, 800), 8, 512, (648, 408)),
        ((64, 64), 8, 512, (512, 512)),
        ((64, 64), 4, 64, (64, 64)),
        ((2000, 2), 8, 64, (2024, 8)),
    ],
)
def test_a_source_is_drawn_in_its_own_shape_and_as_large_as_the_model_learnt(size, factor, side, expected):
    assert nearest(size, Grid(factor=factor, side=side)) == expected


def test_what_was_made_is_made_once_while_there_is_room():
    made: list[list[int]] = []
    recent: Recent[int, np.ndarray] = Recent(room=3 * 8)

    def make(keys: list[int]) -> list[np.ndarray]:
        made.append(keys)
        return [np.full(1, key, np.int64) for key in keys]

    assert [recent.each([1, 2, 1], make)[key].item() for key in (1, 2)] == [1, 2]
    recent.each([2, 3, 4], make, at_once=1)  # 1 was asked for longest ago
    recent.each([1, 2], make)
    assert made == [[1, 2], [3], [4], [1]]


def test_a_value_larger_than_all_room_is_still_given():
    recent: Recent[int, np.ndarray] = Recent(room=1)
    assert recent.each([1], lambda keys: [np.zeros(5)])[1].shape == (5,)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return open_parts(str(save_base(tmp_path_factory.mktemp("base"))), "cpu")


def test_texts_sources_and_layouts_are_encoded_once_over_batches(parts: Parts):
    counts = {"texts": 0, "pictures": 0}

    def count(what: str) -> Any:
        return lambda module, inputs: counts.update({what: counts[what] + len(inputs[0])})

    hooks = [
        parts.text_encoder.register_forward_pre_hook(count("texts")),
        parts.autoencoder.encoder.register_forward_pre_hook(count("pictures")),
    ]
    encodings = Encodings(parts, Pixels(), Placing(device="cpu", waits="cpu"), 8)
    one, other = (sample.image for sample in SAMPLES[:2])
    batch = [
        Request(prompt=prompt, seed=n, source=source, strength=0.5, controls=(Control(kind="edges", image=one),))
        for n, (prompt, source) in enumerate([("a dog", one), ("a cup", one), ("a dog", other), ("a dog", one)])
    ]
    for _ in range(2):
        seen, canvas = encodings.seen(batch, (16, 16)), encodings.canvas(batch, (16, 16))
        assert canvas is not None
        assert len(canvas.latents) == 4
    for hook in hooks:
        hook.remove()
    assert counts == {"texts": 3, "pictures": 2}  # nothing is said against the pictures: that is a text too
    assert seen.controls.keys() == {("edges", one)}


def with_checker(folder: Path, threshold: float) -> Path:
    """A pipeline whose safety checker objects to all that is more like its concepts than the threshold."""
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**shape, "image_size": 8, "patch_size": 4}
    text = {**shape, "vocab_size": 9, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    checker = StableDiffusionSafetyChecker(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
    for weights in (checker.concept_embeds_weights, checker.special_care_embeds_weights):
        weights.data.fill_(threshold)
    checker.save_pretrained(save_base(folder) / "safety_checker")
    CLIPImageProcessor(size=8, crop_size=8).save_pretrained(folder / "feature_extractor")
    index = (folder / "model_index.json").read_text()
    for part, library, kind in (
        ("safety_checker", "stable_diffusion", "StableDiffusionSafetyChecker"),
        ("feature_extractor", "transformers", "CLIPImageProcessor"),
    ):
        nothing = f'"{part}": [\n    null,\n    null\n  ]'
        assert nothing in index
        index = index.replace(nothing, f'"{part}": ["{library}", "{kind}"]')
    (folder / "model_index.json").write_text(index)
    return folder


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
@pytest.mark.parametrize(("threshold", "passes"), [(2.0, True), (-2.0, False)])
def test_a_pipeline_s_own_safety_checker_is_heard(tmp_path: Path, threshold: float, passes: bool):
    step = Diffuse(pipeline=str(with_checker(tmp_path / "pipeline", threshold)), steps=1)
    (result,) = step.load(Worker(workspace=tmp_path, processes=1))([Request(prompt="a dog", seed=0)])
    assert isinstance(result, Sample) == passes
    assert passes or "safety checker objects" in result.reason


def test_a_source_that_is_no_image_is_named(tmp_path: Path):
    (tmp_path / "text.png").write_text("this is no image")
    place = f"file:{tmp_path / 'text.png'}"
    (failed,) = studio(Brush(), tmp_path)([Request(prompt="", seed=0, source=Address("1" * 32, place))])
    assert failed.reason.startswith(f"{place}: cannot be decoded as an image")
