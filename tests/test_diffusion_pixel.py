"""The training of a diffusion model of pixels, what plain diffusers reads of it, and what is drawn from it."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline, UNet2DModel
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from counterfactory.diffusion import pixel
from counterfactory.diffusion.gaussian import alpha_bars
from counterfactory.diffusion.pixel import build, errors, scheduler, shrunk, spread, trained, training_chain, weights_of
from counterfactory.diffusion.sampling import draw, draw_fast, open_denoiser
from counterfactory.diffusion.trainers import ClassPixelTrainer, PixelNetwork, PixelTrainer
from counterfactory.errors import BadConfig
from counterfactory.training.schedule import Schedule
from counterfactory.types import Dataset
from counterfactory.worker import Worker
from counterfactory.zoo.world import seen_scenes
from tiny_pixels import save_tiny

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

COURSE = Schedule(images=64, batch_size=2, learning_rate=1e-3, rise=5)
TRAINER = PixelTrainer(
    schedule=COURSE,
    network=PixelNetwork(channels=(8, 16), attends=(False, True), head_width=8, groups=4),
    size=8,
    shrink=2,
    times=50,
)


@pytest.fixture(autouse=True)
def _short_shows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pixel, "STEPS", 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained for a moment."""
    place = tmp_path_factory.mktemp("pixel")
    trained(TRAINER, worker(place), place / "model", data())
    return place / "model"


def worker(place: Path) -> Worker:
    return Worker(workspace=place, processes=1)


def data() -> dict[str, Dataset]:
    return {"train": seen_scenes("train", 24, 16), "validation": seen_scenes("validation", 4, 16)}


def longer(**course: object) -> PixelTrainer:
    return TRAINER.model_copy(update={"schedule": COURSE.model_copy(update=course)})


def test_plain_diffusers_draws_from_the_folder(folder: Path):
    pipeline = DDPMPipeline.from_pretrained(folder)
    assert pipeline.scheduler.config.variance_type == "learned_range"
    assert pipeline.unet.config.out_channels == 6
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline(batch_size=2, num_inference_steps=5, output_type="np").images
    assert drawn.shape == (2, 8, 8, 3)
    assert np.isfinite(drawn).all()
    with safe_open(folder / "unet" / "diffusion_pytorch_model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118


def test_we_draw_what_diffusers_draws_step_by_step(folder: Path):
    ours = draw(open_denoiser(str(folder)), [7], 10)
    pipeline = DDPMPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(7)
    theirs = pipeline(generator=generator, num_inference_steps=10, output_type="pt").images
    assert torch.allclose((ours + 1) / 2, theirs, atol=1e-4)


@pytest.mark.parametrize("drawing", [draw, draw_fast])
def test_a_picture_does_not_depend_on_its_neighbours(folder: Path, drawing):
    model = open_denoiser(str(folder))
    assert torch.allclose(drawing(model, [1, 2, 3], 5)[1:2], drawing(model, [2], 5), atol=1e-5)


def test_a_network_of_16_bits_draws_nearly_the_same(folder: Path):
    half = draw_fast(open_denoiser(str(folder), dtype=torch.bfloat16), [1, 2], 5)
    assert half.dtype == torch.float32
    assert torch.allclose(half, draw_fast(open_denoiser(str(folder)), [1, 2], 5), atol=0.2)


@pytest.mark.parametrize("noising", ["linear", "cosine"])
def test_what_is_saved_says_how_noise_was_laid_on(noising: str):
    trainer = TRAINER.model_copy(update={"noising": noising, "times": 1000})
    links = training_chain(trainer, "cpu")
    assert torch.allclose(links.signal**2, alpha_bars(scheduler(trainer).betas).float(), atol=1e-6)


def test_a_training_in_two_sittings_leaves_the_same_files(tmp_path: Path):
    # learning stands on its plateau for the first 60 % of either budget, so the shorter one is the longer one's start
    for trainer in (longer(images=32, rise=32, smoothing=0.5), longer(images=96, rise=32, smoothing=0.5)):
        trained(trainer, worker(tmp_path), tmp_path / "twice", data())
    trained(longer(images=96, rise=32, smoothing=0.5), worker(tmp_path), tmp_path / "once", data())
    files = [
        (tmp_path / name / "unet" / "diffusion_pytorch_model.safetensors").read_bytes() for name in ("once", "twice")
    ]
    assert files[0] == files[1]


def test_it_learns_and_forgets_how(folder: Path, tmp_path: Path):
    trainer = longer(images=640, batch_size=8, learning_rate=1e-2, smoothing=0.9)
    numbers = trainer.fit(worker(tmp_path), tmp_path / "out", data())
    first = json.loads((folder / "training" / "quality.jsonl").read_text().splitlines()[-1])
    assert numbers["noise_error"] < 0.8 * first["noise_error"]
    assert not (tmp_path / "out" / "training").exists()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model_index.json", "scheduler", "unet"}


def test_a_batch_has_early_and_late_times_and_every_time_comes():
    links = training_chain(TRAINER, "cpu")
    seen: list[torch.Tensor] = []

    class Listening(torch.nn.Module):
        def forward(self, x: torch.Tensor, times: torch.Tensor) -> object:
            seen.append(times)
            return type("Said", (), {"sample": torch.cat([x, x], 1)})

    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        errors(Listening(), links, torch.zeros(5, 3, 4, 4), generator)
    times = torch.stack(seen)
    assert ((times // 10) == torch.arange(5)).all()
    assert set(times.flatten().tolist()) == set(range(50))


def test_errors_count_by_the_weight_of_their_time():
    class Silent(torch.nn.Module):
        def forward(self, x_BCHW: torch.Tensor, _: torch.Tensor) -> SimpleNamespace:
            return SimpleNamespace(sample=torch.zeros_like(x_BCHW).repeat(1, 2, 1, 1))

    links = training_chain(TRAINER, "cpu")
    plain, weighed = (
        errors(Silent(), links, torch.zeros(50, 3, 8, 8), torch.Generator().manual_seed(0), weights)[0]
        for weights in (None, torch.arange(50.0))
    )
    assert torch.allclose(weighed / plain, torch.arange(50.0))


def test_errors_of_noise_weigh_as_those_of_the_velocity_up_to_a_bound():
    links = training_chain(TRAINER, "cpu")
    weights = weights_of(TRAINER.model_copy(update={"weight_of_noise": 25.0}), links)
    assert weights[0] == pytest.approx(1 / links.signal[0].item() ** 2)
    assert weights[-1] == 25
    assert (weights.diff() >= 0).all()
    assert (weights_of(TRAINER, links) == 1).all()


def test_errors_weigh_less_where_there_is_more_signal_than_a_bound():
    links = training_chain(TRAINER, "cpu")
    weights = weights_of(TRAINER.model_copy(update={"most_signal": 5.0}), links)
    signal = links.signal.square() / links.noise.square()
    assert torch.allclose(weights[signal > 5] * signal[signal > 5], torch.tensor(5.0))
    assert (weights[signal <= 5] == 1).all()


def test_a_training_begins_with_the_weights_of_its_start(folder: Path):
    known = UNet2DModel.from_pretrained(str(folder), subfolder="unet").state_dict()
    begun = build(TRAINER.model_copy(update={"start": str(folder)})).state_dict()
    assert all(torch.equal(begun[name], known[name].float()) for name in begun)


def test_a_start_of_other_shapes_is_refused(folder: Path):
    other = TRAINER.model_copy(update={"start": str(folder), "size": 16})
    with pytest.raises(BadConfig, match="other shapes"):
        build(other)


def test_pictures_shrink_by_the_mean_of_their_squares():
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    pixels[0, :2, :2] = [[[10, 0, 0], [20, 0, 0]], [[30, 0, 0], [43, 0, 0]]]
    small = shrunk(pixels, 2)
    assert small.shape == (1, 2, 2, 3)
    assert small[0, :, :, 0].tolist() == [[26, 0], [0, 0]]
    assert shrunk(pixels, 1) is pixels


def test_a_size_that_the_network_cannot_halve_is_refused():
    with pytest.raises(ValidationError, match="multiple of 8"):
        PixelTrainer(size=36)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"attends": [True]}, "1 values for 2 levels"),
        ({"channels": []}, "at least 1 item"),
        ({"channels": [8, 18]}, "18 is no multiple of groups, 4"),
        ({"head_width": 32}, "more than the 16 channels"),
        ({"attends": [True, False], "head_width": 16}, "more than the 8 channels"),
    ],
)
def test_a_network_whose_levels_do_not_fit_is_refused(said: dict[str, object], reason: str):
    shape = {"channels": [8, 16], "attends": [False, True], "head_width": 8, "groups": 4}
    for kind in (PixelTrainer, ClassPixelTrainer):
        with pytest.raises(ValidationError, match=reason):
            kind.model_validate({"network": {**shape, **said}, "size": 8})


def test_a_training_in_fewer_steps_than_its_grid_is_drawn_in_comes_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pixel, "STEPS", 20)
    few = longer(images=4).model_copy(update={"times": 10})
    assert "noise_error" in few.fit(worker(tmp_path), tmp_path / "out", data())


def test_errors_are_measured_from_the_first_picture_to_the_last():
    pictures = np.arange(1000)
    found = spread(pictures)
    assert (len(found), found[0], found[-1]) == (64, 0, 999)
    assert set(np.diff(found)) <= {15, 16}
    assert (spread(pictures[:5]) == pictures[:5]).all()


def test_linear_noise_in_so_few_steps_that_nothing_is_left_is_refused():
    with pytest.raises(ValidationError, match="more than 20"):
        PixelTrainer(noising="linear", times=20)


def test_a_network_that_did_not_learn_its_variance_is_refused(tmp_path: Path):
    plain = UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4,
    )
    DDPMPipeline(unet=plain, scheduler=scheduler(TRAINER)).save_pretrained(tmp_path)
    with pytest.raises(BadConfig, match="3 channels in and 3 out"):
        open_denoiser(str(tmp_path))


@pytest.mark.parametrize("size", [None, 9, [8, 8, 8], [8, 9]])
def test_a_network_whose_pictures_have_no_size_that_it_halves_is_refused(tmp_path: Path, size: object):
    config = save_tiny(tmp_path, out_channels=6) / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "sample_size": size}))
    with pytest.raises(BadConfig, match="multiples of 2"):
        open_denoiser(str(tmp_path))


def test_a_network_that_lacks_weights_is_refused(tmp_path: Path):
    file = save_tiny(tmp_path, out_channels=6) / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    del weights["conv_out.weight"]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(BadConfig, match=r"lacks weights of its network \(conv_out.weight\)"):
        open_denoiser(str(tmp_path))


def test_the_first_weights_follow_from_the_seed():
    first, second = (build(TRAINER).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
