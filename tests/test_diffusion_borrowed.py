"""SD3 and FLUX are drawn through their own pipelines, and what they cannot do is said."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from companions import data, save_base
from counterfactory.diffusion.engine import Diffuse
from counterfactory.diffusion.fits import left_out
from counterfactory.errors import BadConfig
from counterfactory.types import Control, Request, Sample
from counterfactory.worker import Worker
from tiny_pipelines import save_flux, save_sd3

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

SAMPLES = data()["train"].samples
ASK = Request(prompt="a dog", seed=1, guidance=3.0, size=(16, 16))


@pytest.fixture(scope="module", params=[save_sd3, save_flux], ids=["sd3", "flux"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    save: Callable[[Path], Path] = request.param
    return save(tmp_path_factory.mktemp("pipeline"))


def drawn(folder: Path, workspace: Path, *requests: Request) -> list[Any]:
    worker = Worker(workspace=workspace, processes=1)
    return Diffuse(pipeline=str(folder), steps=2).load(worker)(requests)


def pixels(workspace: Path, sample: Sample) -> np.ndarray:
    return np.asarray(Worker(workspace=workspace).pixels.image(sample.image), np.int16)


def test_text_sources_and_holes_are_drawn_with_settings_of_their_own(folder: Path, tmp_path: Path):
    one = SAMPLES[0]
    requests = [
        ASK,
        replace(ASK, guidance=5.0),
        replace(ASK, source=one.image, strength=0.6, size=None),
        replace(ASK, source=one.image, mask=one.mask, strength=1.0, size=(16, 16)),
        replace(ASK, seed=2),
    ]
    samples = drawn(folder, tmp_path, *requests)
    alone = [drawn(folder, tmp_path, request)[0] for request in requests[:3]]
    for sample, single in zip(samples, alone, strict=False):
        assert np.abs(pixels(tmp_path, sample) - pixels(tmp_path, single)).max() <= 1
    assert {pixels(tmp_path, sample).shape for sample in samples[:2]} == {(16, 16, 3)}
    assert len({sample.image for sample in samples}) == 5


def test_it_is_what_the_plain_pipeline_draws(folder: Path, tmp_path: Path):
    (sample,) = drawn(folder, tmp_path, ASK)
    pipeline = DiffusionPipeline.from_pretrained(folder, **dict.fromkeys(left_out(folder)))
    pipeline.set_progress_bar_config(disable=True)
    (image,) = pipeline(
        "a dog", width=16, height=16, num_inference_steps=2, guidance_scale=3.0,
        generator=torch.Generator().manual_seed(1),
    ).images  # fmt: skip
    assert np.abs(pixels(tmp_path, sample) - np.asarray(image, np.int16)).max() <= 1


def test_what_it_lacks_is_said_in_one_sentence(folder: Path, tmp_path: Path):
    layout, prompt = drawn(
        folder,
        tmp_path,
        replace(ASK, controls=(Control(kind="edges", image=SAMPLES[0].image),)),
        replace(ASK, image_prompt=SAMPLES[0].image),
    )
    assert "is drawn from without a ControlNet; take a pipeline of the kind of SD 1.5 or SDXL" in layout.reason
    assert "is drawn from without an IP-Adapter" in prompt.reason


@pytest.mark.parametrize("field", [{"controls": {"edges": "a/b"}}, {"image_prompts": "a/b"}, {"scheduler": "ddim"}])
def test_fields_that_its_own_call_does_not_take_are_refused(folder: Path, tmp_path: Path, field: dict[str, Any]):
    with pytest.raises(BadConfig, match="drawn from by its own call, which takes no other"):
        Diffuse(pipeline=str(folder), **field).load(Worker(workspace=tmp_path))


def test_flux_says_that_it_heeds_no_negative_prompt(tmp_path: Path):
    (failed,) = drawn(save_flux(tmp_path / "flux"), tmp_path, replace(ASK, negative_prompt="fog"))
    assert "FluxPipeline heeds no negative prompt" in failed.reason


def test_sd3_heeds_it(tmp_path: Path):
    folder = save_sd3(tmp_path / "sd3")
    with_it, without = drawn(folder, tmp_path, replace(ASK, negative_prompt="fog on a boat"), ASK)
    assert with_it.image != without.image


def test_a_pipeline_of_something_else_is_named(tmp_path: Path):
    save_base(tmp_path)
    index = tmp_path / "model_index.json"
    index.write_text(index.read_text().replace('"unet"', '"prior"'))
    with pytest.raises(BadConfig):
        Diffuse(pipeline=str(tmp_path)).load(Worker(workspace=tmp_path))
