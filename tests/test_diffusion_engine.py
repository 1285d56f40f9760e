"""The engine: requests of every sort in one batch, and samples whose size, mask, label and origin are right."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from companions import data, save_base
from counterfactory.diffusion.drawing import draw, open_parts
from counterfactory.diffusion.engine import Diffuse
from counterfactory.errors import BadConfig
from counterfactory.keys import digest, key
from counterfactory.names import identity
from counterfactory.run import Run
from counterfactory.testing import EngineContract
from counterfactory.training.pictures import to_pixels
from counterfactory.types import Address, Control, Request, Sample
from counterfactory.worker import Memory, Worker
from tiny_pipelines import save_controlnet, save_image_prompts, save_inpainting, save_sdxl

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

SAMPLES = data()["train"].samples


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A pipeline, two ControlNets and an IP-Adapter for it, SDXL, and a pipeline that fills holes."""
    where = tmp_path_factory.mktemp("pipelines")
    base = save_base(where / "base", side=64)
    return {
        "base": base,
        "edges": save_controlnet(base, where / "edges", 1),
        "masks": save_controlnet(base, where / "masks", 2),
        "prompts": save_image_prompts(base, where / "prompts"),
        "sdxl": save_sdxl(where / "sdxl"),
        "holes": save_inpainting(where / "holes"),
    }


def engine(folders: dict[str, Path], **more: Any) -> Diffuse:
    said = {
        "pipeline": str(folders["base"]),
        "controls": {kind: str(folders[kind]) for kind in ("edges", "masks")},
        "image_prompts": str(folders["prompts"]),
        "steps": 3,
    }
    return Diffuse.model_validate({**said, **more})


def plain(folders: dict[str, Path], name: str = "base", **more: Any) -> Diffuse:
    return engine(folders, pipeline=str(folders[name]), controls={}, image_prompts=None, **more)


def worker(folder: Path, **more: Any) -> Worker:
    return Worker(workspace=folder, processes=2, **more)


def drawn(step: Diffuse, worker: Worker, *requests: Request) -> list[Any]:
    return list(step.load(worker)(requests))


def saved(image: Image.Image | np.ndarray, path: Path) -> Address:
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path)
    return Address(digest(path.read_bytes()), f"file:{path}")


def photo(path: Path, size: tuple[int, int], seed: int = 0) -> Address:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return saved(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), path)


def pixels(worker: Worker, sample: Sample) -> np.ndarray:
    return np.asarray(worker.pixels.image(sample.image), np.int16)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
class TestContract(EngineContract):
    @pytest.fixture(autouse=True)
    def _folders(self, folders: dict[str, Path]) -> None:
        self.folders = folders

    def step(self) -> Diffuse:
        return plain(self.folders)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
class TestContractWithEverything(EngineContract):
    """Text, sources, holes, layouts and image prompts, which no batch can draw at once."""

    @pytest.fixture(autouse=True)
    def _folders(self, folders: dict[str, Path]) -> None:
        self.folders = folders

    def step(self) -> Diffuse:
        return engine(self.folders)

    def items(self) -> list[Request]:
        one, other = SAMPLES[:2]
        ask = Request(prompt="a red bus", seed=1, label=1)
        edges = Control(kind="edges", image=one.image, scale=0.5)
        return [
            replace(ask, size=(64, 64)),
            replace(ask, size=(32, 64), guidance=1.0),
            replace(ask, source=one.image, strength=0.4),
            replace(ask, source=other.image, strength=0.9, negative_prompt="fog"),
            replace(ask, source=one.image, strength=1.0, mask=one.mask, seed=2),
            replace(ask, source=one.image, controls=(edges, Control(kind="masks", image=one.mask)), guidance=0.0),
            replace(ask, source=other.image, image_prompt=one.image, image_prompt_scale=0.7),
        ]


def test_the_engine_draws_what_plain_diffusers_draws(folders: dict[str, Path], tmp_path: Path):
    request = Request(prompt="a red bus", seed=5, guidance=4.0)
    (sample,) = drawn(plain(folders), worker(tmp_path), request)
    pipeline = StableDiffusionPipeline.from_pretrained(folders["base"])
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(5)
    (image,) = pipeline("a red bus", num_inference_steps=3, guidance_scale=4.0, generator=generator).images
    assert np.abs(pixels(worker(tmp_path), sample) - np.asarray(image, np.int16)).max() <= 1


def test_sources_of_any_size_come_back_in_it_with_their_masks(folders: dict[str, Path], tmp_path: Path):
    wide, tall = photo(tmp_path / "wide.png", (90, 60)), photo(tmp_path / "tall.png", (41, 100))
    mask = saved(np.arange(90 * 60, dtype=np.uint8).reshape(60, 90) % 3, tmp_path / "mask.png")
    here = worker(tmp_path)
    requests = [
        Request(prompt="a dog", seed=0, source=wide, mask=mask),
        Request(prompt="a dog", seed=0, source=tall, strength=0.7),
        Request(prompt="a dog", seed=0, controls=(Control(kind="edges", image=wide),)),
    ]
    results = drawn(engine(folders), here, *requests)
    assert [here.pixels.image(sample.image).size for sample in results] == [(90, 60), (41, 100), (90, 60)]
    assert results[0].mask == mask
    assert results[1].mask is None
    assert [sample.origin.parent for sample in results] == [wide.digest, tall.digest, None]


def test_a_mask_follows_a_picture_into_another_size(folders: dict[str, Path], tmp_path: Path):
    layout = saved(np.repeat(np.uint8([[3] * 16 + [7] * 16]), 32, 0), tmp_path / "mask.png")
    request = Request(prompt="a dog", seed=0, size=(64, 64), controls=(Control(kind="masks", image=layout),))
    here = worker(tmp_path)
    (sample,) = drawn(engine(folders), here, request)
    found = here.pixels.mask(sample.mask)
    assert found.shape == (64, 64)
    assert np.unique(found).tolist() == [3, 7]


@pytest.mark.parametrize("keeps_masked", [False, True])
def test_what_is_not_drawn_anew_has_the_source_s_own_pixels(
    folders: dict[str, Path], tmp_path: Path, keeps_masked: bool
):
    source, here = photo(tmp_path / "wide.png", (90, 60)), worker(tmp_path)
    numbers = np.zeros((60, 90), np.uint8)
    numbers[20:40, 30:60] = 2
    mask = saved(numbers, tmp_path / "mask.png")
    request = Request(prompt="a dog", seed=0, source=source, mask=mask, strength=1.0, keeps_masked=keeps_masked)
    kept, anew = (2, 0) if keeps_masked else (0, 2)
    for step in (plain(folders), plain(folders, "holes")):
        (sample,) = drawn(step, here, request)
        apart = np.abs(pixels(here, sample) - np.asarray(here.pixels.image(source), np.int16)).max(-1)
        assert apart[numbers == kept].max() == 0
        assert apart[numbers == anew].mean() > 4
        assert sample.mask == mask
        assert sample.origin.settings["drawn anew"].startswith("all but" if keeps_masked else "what is")


def test_one_source_has_different_holes_in_one_batch(folders: dict[str, Path], tmp_path: Path):
    source, here = photo(tmp_path / "a.png", (16, 16)), worker(tmp_path)
    mask = saved(np.repeat(np.uint8([[0] * 8 + [1] * 8]), 16, 0), tmp_path / "mask.png")
    ask = Request(prompt="a dog", seed=0, source=source, mask=mask, strength=1.0)
    asked = (ask, replace(ask, keeps_masked=True))
    step = plain(folders, "holes")
    together = drawn(step, here, *asked)
    for sample, request in zip(together, asked, strict=True):
        (alone,) = drawn(step, here, request)
        assert np.abs(pixels(here, sample) - pixels(here, alone)).max() <= 1


def test_what_a_request_said_is_in_the_lineage(folders: dict[str, Path], tmp_path: Path):
    source, here = photo(tmp_path / "a.png", (16, 16)), worker(tmp_path)
    ask = Request(prompt="a dog", seed=0, guidance=3.0)
    more = replace(ask, source=source, strength=0.5, image_prompt=source, image_prompt_scale=0.7, negative_prompt="fog")
    first, second = drawn(engine(folders), here, ask, more)
    assert first.origin.settings == {"guidance": 3.0}
    assert second.origin.settings == {
        "guidance": 3.0,
        "negative prompt": "fog",
        "strength": 0.5,
        "image prompt": source.digest,
        "image prompt scale": 0.7,
    }


def test_a_pipeline_that_fills_holes_needs_no_strength_but_a_mask(folders: dict[str, Path], tmp_path: Path):
    source, here = photo(tmp_path / "a.png", (16, 16)), worker(tmp_path)
    mask = saved(np.full((16, 16), 255, np.uint8), tmp_path / "mask.png")
    whole, bare = drawn(
        plain(folders, "holes"),
        here,
        Request(prompt="a dog", seed=0, source=source, mask=mask),
        Request(prompt="", seed=0),
    )
    assert isinstance(whole, Sample)
    assert "this pipeline only paints into holes" in bare.reason


def test_sdxl_is_drawn_by_the_same_step(folders: dict[str, Path], tmp_path: Path):
    source, here = photo(tmp_path / "a.png", (24, 16)), worker(tmp_path)
    requests = [Request(prompt="a dog", seed=1), Request(prompt="a dog", seed=1, source=source, strength=0.8)]
    samples = drawn(plain(folders, "sdxl", scheduler="ddim"), here, *requests)
    assert [here.pixels.image(sample.image).size for sample in samples] == [(16, 16), (24, 16)]


def test_origin_names_the_pipeline_and_what_its_files_hold(folders: dict[str, Path], tmp_path: Path):
    (sample,) = drawn(plain(folders), worker(tmp_path), Request(prompt="a dog", seed=3, label=2))
    assert sample.origin.model == f"{folders['base']} {identity(str(folders['base']))}"
    assert (sample.target, sample.caption, sample.origin.seed) == (2, "a dog", 3)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"controls": (Control(kind="depth", image=SAMPLES[0].image),)}, "'depth' is asked for and the engine has no"),
        ({"image_prompt": SAMPLES[0].image}, "has no IP-Adapter"),
        ({"strength": 0.5}, "there is none; give a source"),
        ({"strength": 1.5, "source": SAMPLES[0].image}, "1.5 is not between"),
        ({"size": (30, 64)}, "not a multiple of 4 pixels"),
        ({"source": Address("0" * 32, "file:/nowhere.png")}, "there is no such image any more"),
        ({"source": Address("0" * 32)}, "is not in this workspace any more"),
    ],
)
def test_what_cannot_be_drawn_fails_alone_with_one_sentence(
    folders: dict[str, Path], tmp_path: Path, request_: dict[str, Any], words: str
):
    good, bad = Request(prompt="a dog", seed=0), Request(prompt="a dog", seed=0, **request_)
    one, failed, other = drawn(plain(folders), worker(tmp_path), good, bad, good)
    assert words in failed.reason
    assert one == other
    assert isinstance(one, Sample)


def test_small_images_and_masks_of_another_size_are_refused(folders: dict[str, Path], tmp_path: Path):
    small = photo(tmp_path / "small.png", (64, 5))
    mask = saved(np.zeros((8, 8), np.uint8), tmp_path / "mask.png")
    ask = Request(prompt="a dog", seed=0)
    tiny, carried, layout = drawn(
        engine(folders),
        worker(tmp_path),
        replace(ask, controls=(Control(kind="edges", image=small),)),
        replace(ask, source=SAMPLES[0].image, mask=mask),
        replace(ask, source=SAMPLES[0].image, controls=(Control(kind="masks", image=mask),)),
    )
    assert "64 x 5 pixels are too few for the control 'edges'" in tiny.reason
    assert "this mask has 8 x 8 pixels and its image 16 x 16" in carried.reason
    assert carried.reason == layout.reason


def test_a_controlnet_of_another_pipeline_is_refused_when_it_is_loaded(folders: dict[str, Path], tmp_path: Path):
    step = engine(folders, pipeline=str(folders["sdxl"]), image_prompts=None)
    with pytest.raises(BadConfig, match="made for another pipeline"):
        step.load(worker(tmp_path))


def test_companions_join_the_key_by_what_they_hold(folders: dict[str, Path], tmp_path: Path):
    copied = save_controlnet(folders["base"], tmp_path / "renamed", 1)
    other = save_controlnet(folders["base"], tmp_path / "other", 9)
    same, changed = (engine(folders, controls={"edges": str(name)}) for name in (copied, other))
    assert key(same) == key(engine(folders, controls={"edges": str(folders["edges"])}))
    assert key(changed) != key(same)


def test_in_deterministic_mode_pictures_are_equal_byte_for_byte(folders: dict[str, Path], tmp_path: Path):
    step, here = plain(folders), worker(tmp_path, deterministic=True, batch_size=3)
    requests = [Request(prompt=word, seed=n) for n, word in enumerate(("a dog", "a cup", "a red car", "a boat"))]
    together = drawn(step, here, *requests)
    alone = [drawn(step, here, request)[0] for request in reversed(requests)]
    assert [sample.image for sample in together] == [sample.image for sample in reversed(alone)]


def test_a_run_gives_the_engine_requests_of_one_shape_together(folders: dict[str, Path], tmp_path: Path):
    wide, square = photo(tmp_path / "wide.png", (96, 64)), photo(tmp_path / "square.png", (48, 48))
    requests = [Request(prompt="a dog", seed=n, source=(wide, square)[n % 2], strength=0.7) for n in range(6)]
    with Run(tmp_path / "run", worker(tmp_path, batch_size=3)) as run:
        results = list(run.map(plain(folders), requests))
        again = list(run.map(plain(folders), requests))
    assert [sample.origin.seed for sample in results] == list(range(6))
    assert results == again
    step = plain(folders)
    groups = [step.alike(worker(tmp_path), request) for request in requests]
    assert groups == groups[:2] * 3
    assert groups[0] != groups[1]


@pytest.mark.parametrize("memory", [Memory(offload=True), Memory(slicing=True, tiling=True)])
def test_sparing_memory_changes_no_picture(folders: dict[str, Path], tmp_path: Path, memory: Memory):
    request = Request(prompt="a dog", seed=0, source=SAMPLES[0].image, strength=0.8)
    here, spared = worker(tmp_path), worker(tmp_path, memory=memory)
    one, other = (drawn(plain(folders), place, request)[0] for place in (here, spared))
    assert np.abs(pixels(here, one) - pixels(here, other)).max() <= 1
    assert ("tiling" in spared.settings) == memory.tiling


def test_several_pieces_of_a_batch_are_what_one_draws(folders: dict[str, Path], tmp_path: Path):
    requests = [Request(prompt="a dog", seed=seed, size=(64, 64)) for seed in range(5)]
    here = worker(tmp_path, batch_size=2)
    samples = drawn(plain(folders), here, *requests)
    expected = to_pixels(draw(open_parts(str(folders["base"]), "cpu"), requests, 3))
    for sample, picture in zip(samples, expected, strict=True):
        assert np.abs(pixels(here, sample) - picture).max() <= 1


def test_sixteen_bits_are_the_worker_s_to_say(folders: dict[str, Path], tmp_path: Path):
    here = worker(tmp_path, dtype="bfloat16")
    one, other = drawn(
        engine(folders), here, Request(prompt="a dog", seed=0),
        Request(prompt="a dog", seed=0, controls=(Control(kind="edges", image=SAMPLES[0].image),)),
    )  # fmt: skip
    assert isinstance(one, Sample)
    assert isinstance(other, Sample)
