"""The autoencoder's, the tokenizer's and the text-to-image model's trainings, and what plain libraries read of them."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from safetensors import safe_open
from transformers import CLIPTextModel, CLIPTokenizer

from counterfactory.diffusion import autoencoder, latent
from counterfactory.diffusion.drawing import Parts, draw, open_parts
from counterfactory.diffusion.latents import kept_latents, load_autoencoder
from counterfactory.diffusion.trainers import AutoencoderTrainer, LatentTrainer, Network
from counterfactory.errors import BadConfig, BadData, DiskTrouble
from counterfactory.pixels import Pixels
from counterfactory.training import arrays
from counterfactory.training.pictures import to_tensor
from counterfactory.training.schedule import Schedule
from counterfactory.training.tokenizer import learn_tokenizer, save_tokenizer, tokens
from counterfactory.types import Dataset, Request
from counterfactory.worker import Worker
from counterfactory.zoo.world import seen_scenes

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

SIZE = 16
AUTOENCODER = AutoencoderTrainer(
    schedule=Schedule(images=64, batch_size=2, learning_rate=2e-3, rise=5), size=SIZE, crop=8, channels=(8, 8, 8)
)
NETWORK = Network(channels=(8, 16), attends=(False, True), heads=2, groups=4, text_width=16, text_layers=1)


def worker(folder: Path) -> Worker:
    return Worker(workspace=folder, processes=1)


def data(number: int = 24) -> dict[str, Dataset]:
    return {
        "train": seen_scenes("train", number, SIZE),
        "validation": seen_scenes("validation", 4, SIZE),
    }


def latent_trainer(autoencoder: Path) -> LatentTrainer:
    return LatentTrainer(
        autoencoder=str(autoencoder),
        schedule=Schedule(images=64, batch_size=2, learning_rate=1e-3, rise=5),
        network=NETWORK,
        size=SIZE,
        vocabulary=600,
    )


CAPTIONS = [sample.caption or "" for sample in data(200)["train"].samples]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both models, trained for a moment."""
    folder = tmp_path_factory.mktemp("zoo")
    autoencoder.trained(AUTOENCODER, worker(folder), folder / "autoencoder", data())
    frozen = folder / "frozen"
    AutoencoderTiny.from_pretrained(folder / "autoencoder").save_pretrained(frozen)
    latent.trained(latent_trainer(frozen), worker(folder), folder / "latent", data())
    return folder


def requests(*guidances: float) -> list[Request]:
    words = ("a red car on grass", "a blue boat in fog", "a dog", "a white cup at night")
    return [Request(prompt=words[n % 4], seed=n, guidance=guidance) for n, guidance in enumerate(guidances)]


def test_diffusers_loads_the_autoencoder_and_its_latents_are_unit_sized(zoo: Path):
    loaded = AutoencoderTiny.from_pretrained(zoo / "autoencoder")
    pictures = to_tensor(Pixels().arrays([s.image for s in data()["validation"].samples], (SIZE, SIZE)))
    z = loaded.encode(pictures).latents * loaded.config.scaling_factor
    assert z.shape == (4, 4, SIZE // 4, SIZE // 4)
    assert z.pow(2).mean().sqrt().item() == pytest.approx(1, abs=0.02)
    with safe_open(zoo / "autoencoder" / "diffusion_pytorch_model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118


def test_the_autoencoder_learns(zoo: Path, tmp_path: Path):
    course = AUTOENCODER.schedule.model_copy(update={"images": 2000, "batch_size": 8, "learning_rate": 4e-3})
    longer = AUTOENCODER.model_copy(update={"schedule": course, "channels": (16, 16, 16)})
    numbers = longer.fit(worker(tmp_path), tmp_path / "out", data())
    first = json.loads((zoo / "autoencoder" / "training" / "quality.jsonl").read_text().splitlines()[-1])
    assert numbers["psnr"] > first["psnr"] + 2
    assert not (tmp_path / "out" / "training").exists()


def test_a_training_in_two_sittings_leaves_the_same_files(tmp_path: Path):
    short = AUTOENCODER.model_copy(
        update={"schedule": AUTOENCODER.schedule.model_copy(update={"images": 32, "smoothing": 0.5, "rise": 32})}
    )
    # learning stands on its plateau for the first 60 % of either budget, so the shorter one is the longer one's start
    long = short.model_copy(update={"schedule": short.schedule.model_copy(update={"images": 96})})
    for trainer in (short, long):
        autoencoder.trained(trainer, worker(tmp_path), tmp_path / "twice", data())
    autoencoder.trained(long, worker(tmp_path), tmp_path / "once", data())
    files = [(tmp_path / name / "diffusion_pytorch_model.safetensors").read_bytes() for name in ("once", "twice")]
    assert files[0] == files[1]


def test_latents_are_computed_once(zoo: Path, tmp_path: Path):
    kept = partial(kept_latents, worker(tmp_path), autoencoder=str(zoo / "frozen"), size=SIZE)
    path = kept(data()["train"])
    first, stamp = np.load(path), path.stat().st_mtime_ns
    assert kept(data()["train"]) == path
    assert path.stat().st_mtime_ns == stamp
    longer = kept(data(30)["train"])
    assert longer != path
    assert np.array_equal(np.load(longer)[:24], first)


def test_an_array_is_filled_from_where_a_killed_call_came_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arrays, "CHUNK", 2)
    asked: list[int] = []

    def rows(start: int, stop: int) -> np.ndarray:
        asked.append(start)
        if asked == [0, 2, 4]:
            raise KeyboardInterrupt
        return np.arange(start, stop, dtype=np.float16)

    fill = partial(arrays.kept_rows, tmp_path / "a.npy", (7,), np.float16, rows)
    with pytest.raises(KeyboardInterrupt):
        fill()
    assert np.load(fill()).tolist() == list(range(7))
    assert asked == [0, 2, 4, 4, 6]


def test_an_array_that_the_disk_does_not_hold_is_a_sentence_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    resource = pytest.importorskip("resource", reason="only POSIX bounds what a process may write")
    monkeypatch.setattr(arrays, "CHUNK", 2)
    asked: list[int] = []

    def rows(start: int, stop: int) -> np.ndarray:
        asked.append(start)
        return np.full((stop - start, 1000), start, np.uint8)

    fill = partial(arrays.kept_rows, tmp_path / "a.npy", (6, 1000), np.uint8, rows)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(DiskTrouble, match="Nothing that was finished is lost"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert np.load(fill())[:, 0].tolist() == [0, 0, 2, 2, 4, 4]
    assert asked == [0, 2, 2, 4]


def test_the_tokenizer_says_captions_briefly_and_any_text_at_all(tmp_path: Path):
    save_tokenizer(learn_tokenizer(CAPTIONS, 1000, 32), tmp_path)
    assert {"vocab.json", "merges.txt", "tokenizer_config.json"} <= {path.name for path in tmp_path.iterdir()}
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    assert loaded.model_max_length == 32
    assert max(len(row) for row in loaded(CAPTIONS).input_ids) <= 32
    numbers = loaded("a purple zebra, naïvely 7 §").input_ids
    assert loaded.unk_token_id not in numbers[1:-1]
    assert loaded.decode(numbers, skip_special_tokens=True) == "a purple zebra , naïvely 7 §"
    assert len(loaded("in the rain").input_ids) == 5
    assert tokens(loaded, ["", "a car"]).shape == (2, 32)


def test_the_classic_files_of_the_tokenizer_say_the_same(tmp_path: Path):
    save_tokenizer(learn_tokenizer(CAPTIONS, 1000, 32), tmp_path)
    classic = CLIPTokenizer(vocab=str(tmp_path / "vocab.json"), merges=str(tmp_path / "merges.txt"))
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    assert classic(CAPTIONS[:20]).input_ids == loaded(CAPTIONS[:20]).input_ids


def test_diffusers_loads_the_folder_and_draws(zoo: Path):
    pipeline = StableDiffusionPipeline.from_pretrained(zoo / "latent")
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(["a red bus on grass in the rain"], num_inference_steps=3).images
    assert images[0].size == (SIZE, SIZE)
    assert isinstance(pipeline.text_encoder, CLIPTextModel)
    assert (zoo / "latent" / "training" / "grid.png").exists()


def test_the_drawing_loop_agrees_with_diffusers(zoo: Path):
    parts, asked = open_parts(str(zoo / "latent"), "cpu"), requests(3.0, 3.0, 3.0)
    ours = (draw(parts, asked, steps=4) + 1) / 2
    pipeline = StableDiffusionPipeline.from_pretrained(zoo / "latent").to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(request.seed) for request in asked]
    theirs = pipeline(
        [request.prompt for request in asked],
        num_inference_steps=4,
        guidance_scale=3.0,
        generator=generators,
        output_type="pt",
    ).images
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_drawing_from_a_picture_agrees_with_diffusers(zoo: Path):
    parts = open_parts(str(zoo / "latent"), "cpu")
    asked = [Request(prompt="a red car", seed=n, guidance=3.0, strength=0.6) for n in range(2)]
    sources = to_tensor(Pixels().arrays([s.image for s in data()["train"].samples[:2]], (SIZE, SIZE)))
    ours = (draw(parts, asked, steps=5, sources=sources) + 1) / 2
    pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(zoo / "latent").to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        ["a red car"] * 2,
        image=(sources + 1) / 2,
        strength=0.6,
        num_inference_steps=5,
        guidance_scale=3.0,
        generator=[torch.Generator().manual_seed(n) for n in range(2)],
        output_type="pt",
    ).images
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_picture_is_the_same_whatever_it_is_drawn_beside(zoo: Path):
    parts, asked = open_parts(str(zoo / "latent"), "cpu"), requests(0.0, 1.0, 3.0, 7.5, 2.0)
    together = draw(parts, asked, steps=4)
    alone = torch.cat([draw(parts, [request], steps=4) for request in reversed(asked)]).flip(0)
    assert (together - alone).abs().max() <= 2 / 255


def test_guidance_of_zero_is_the_negative_prompt(zoo: Path):
    parts = open_parts(str(zoo / "latent"), "cpu")
    negative = Request(prompt="a dog", negative_prompt="a cup", seed=1, guidance=0.0)
    positive = Request(prompt="a cup", negative_prompt="a dog", seed=1, guidance=1.0)
    one, other = draw(parts, [negative, positive], steps=3)
    assert torch.allclose(one, other, atol=1e-4)


def test_pictures_drawn_together_share_one_strength(zoo: Path):
    parts: Parts = open_parts(str(zoo / "latent"), "cpu")
    asked = [Request(prompt="a car", seed=0, strength=strength) for strength in (0.2, 0.8)]
    with pytest.raises(BadConfig, match="share one strength"):
        draw(parts, asked, steps=3, sources=torch.zeros(2, 3, SIZE, SIZE))


def test_the_loss_of_noise_falls_as_the_model_learns(zoo: Path):
    lines = [json.loads(line) for line in (zoo / "latent" / "training" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_a_time_with_little_noise_weighs_most_where_the_ratio_is_bounded():
    weight = latent.weights(torch.tensor([0.001, 0.5, 5 / 6, 0.999]))
    assert weight.tolist() == pytest.approx([0.501, 1.0, 0.5 + 5 / 6, 0.505], abs=1e-3)


def test_images_without_captions_are_named(tmp_path: Path):
    silent = data(3)["train"]
    samples = tuple(type(s)(image=s.image, target=s.target) for s in silent.samples)
    mute = type(silent)(samples=samples, classes=silent.classes)
    with pytest.raises(BadData, match="3 of 3 images have no caption"):
        latent_trainer(tmp_path).fit(worker(tmp_path), tmp_path, {"train": mute})


def test_the_loaded_autoencoder_is_for_use(zoo: Path):
    network = load_autoencoder(str(zoo / "frozen"), "cpu")
    assert not any(parameter.requires_grad for parameter in network.parameters())
