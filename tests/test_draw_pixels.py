"""Drawing with diffusion models of pixels: by class and seed, with or without guidance, from any such folder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline, UNet2DModel

from counterfactory.diffusion.pixel_engine import DrawPixels
from counterfactory.diffusion.pixel_painting import (
    CLASSES,
    PixelParts,
    bounded,
    draw_pixels,
    with_margin,
    without_margin,
)
from counterfactory.diffusion.schedulers import scheduler_like
from counterfactory.errors import BadConfig
from counterfactory.run import Run
from counterfactory.types import Failed, Request, Sample
from counterfactory.worker import Worker
from tiny_pixels import network, save_tiny, scheduler

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

NAMES = ["cat", "dog", "owl"]
SCHEDULERS = ("own", "ddim", "pndm", "euler", "euler-ancestral", "dpm++", "unipc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three classes and of none."""
    return with_classes(save_tiny(tmp_path_factory.mktemp("model") / "tiny", labels=4, prediction="v_prediction"))


@pytest.fixture(scope="module")
def unconditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model") / "plain")


def with_classes(folder: Path) -> Path:
    (folder / CLASSES).write_text(json.dumps(NAMES))
    return folder


def worker(place: Path, **more: Any) -> Worker:
    return Worker(workspace=place / "workspace", processes=1, **more)


def asked(label: int | None = 0, seed: int = 1, guidance: float = 1.0, **more: Any) -> Request:
    return Request(prompt="", label=label, seed=seed, guidance=guidance, **more)


def drawn(place: Path, step: DrawPixels, *requests: Request, **more: Any) -> list[np.ndarray | Failed]:
    here = worker(place, **more)
    done = step.load(here)(requests)
    return [np.asarray(here.pixels.image(one.image)) if isinstance(one, Sample) else one for one in done]


class Counting(torch.nn.Module):
    """A network that says how many pictures each of its calls had."""

    def __init__(self, inner: Any):
        super().__init__()
        self.inner, self.config, self.device, self.dtype, self.calls = (
            inner,
            inner.config,
            inner.device,
            inner.dtype,
            [],
        )

    def forward(self, x: torch.Tensor, time: torch.Tensor, **told: Any) -> Any:
        self.calls.append(len(x))
        return self.inner(x, time, **told)


def parts(labels: int | None = 4, **more: Any) -> PixelParts:
    classes = labels - 1 if labels else 0
    return PixelParts(
        network=Counting(network(labels)),
        scheduler=scheduler_like(scheduler(prediction_type="v_prediction"), "ddim"),
        classes=classes,
        nothing=classes or None,
        **more,
    )


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_picture_does_not_depend_on_its_neighbours(folder: Path, tmp_path: Path, name: Any):
    step = DrawPixels(model=str(folder), scheduler=name, steps=4)
    together = [asked(0, 1), asked(1, 2, 3.0), asked(2, 3, 1.5), asked(None, 4)]
    side_by_side, alone = drawn(tmp_path, step, *together), [drawn(tmp_path, step, one)[0] for one in together]
    for one, other in zip(side_by_side, alone, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
    assert any(np.abs(one.astype(int) - side_by_side[0]).max() > 1 for one in side_by_side[1:])


def test_guidance_1_is_the_class_alone_in_half_the_calls():
    alone, two = parts(), parts()
    ours = draw_pixels(alone, [asked(0, 1), asked(2, 2)], (8, 8), 3)
    assert alone.network.calls == [2, 2, 2]
    beside = draw_pixels(two, [asked(0, 1), asked(2, 2), asked(1, 3, 2.0)], (8, 8), 3)
    assert two.network.calls == [6, 6, 6]
    assert torch.allclose(ours, beside[:2], atol=1e-4)


def test_guidance_goes_from_nothing_to_the_class_and_beyond():
    one = parts()
    given = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    step = scheduler_like(scheduler(prediction_type="sample"), "ddim")  # so that what it says is what is drawn
    made = PixelParts(network=one.network, scheduler=step, classes=3, nothing=3)
    with_class, nothing = (one.network.inner(given, torch.tensor(49), torch.full((2,), n)).sample for n in (1, 3))
    from counterfactory.diffusion.pixel_painting import _predictor

    step.set_timesteps(1)
    said = _predictor(made, step, [asked(1, 1, 0.0), asked(1, 2, 0.4)])(given, torch.tensor(49))
    wanted = torch.stack([nothing[0], nothing[1] + 0.4 * (with_class[1] - nothing[1])]).clamp(-1, 1)
    assert torch.allclose(said, wanted, atol=1e-5)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_a_prediction_is_bounded_only_where_it_goes_too_far(kind: str):
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.rand(2, 3, 4, 4, generator=generator) * 4 - 2, torch.randn(2, 3, 4, 4, generator=generator)
    power = torch.tensor(0.6)
    noisy = power.sqrt() * clean + (1 - power).sqrt() * noise
    velocity = power.sqrt() * noise - (1 - power).sqrt() * clean
    said = {"epsilon": noise, "v_prediction": velocity, "sample": clean}[kind]
    found = bounded(said, noisy, power, kind)
    means = {
        "epsilon": (noisy - (1 - power).sqrt() * found) / power.sqrt(),
        "v_prediction": power.sqrt() * noisy - (1 - power).sqrt() * found,
        "sample": found,
    }[kind]
    assert torch.allclose(means, clean.clamp(-1, 1), atol=1e-5)
    inside = clean.abs() < 1
    assert torch.allclose(found[inside], said[inside], atol=1e-5)


def test_we_draw_what_diffusers_draws_with_and_without_a_learnt_variance(tmp_path: Path):
    for place, more in ((tmp_path / "plain", {}), (tmp_path / "learnt", {"out_channels": 6})):
        pipeline = DDPMPipeline.from_pretrained(save_tiny(place, **more))
        pipeline.set_progress_bar_config(disable=True)
        theirs = pipeline(generator=torch.Generator().manual_seed(7), num_inference_steps=10, output_type="np").images
        ours = drawn(tmp_path, DrawPixels(model=str(place), scheduler="own", steps=10), asked(None, 7))[0]
        assert np.abs(ours - 255 * theirs[0]).max() <= 1


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_learnt_variance_is_in_no_scheduler_s_way(tmp_path: Path, name: Any):
    place = save_tiny(tmp_path / "learnt", out_channels=6)
    assert drawn(tmp_path, DrawPixels(model=str(place), scheduler=name, steps=4), asked(None))[0].shape == (8, 8, 3)


def test_a_single_network_with_its_scheduler_beside_it_is_drawn_from(tmp_path: Path):
    network(labels=5).save_pretrained(tmp_path / "model")
    scheduler().save_pretrained(tmp_path / "model")
    step = DrawPixels(model=str(tmp_path / "model"), steps=2)
    good, guided, nameless, beyond = drawn(tmp_path, step, asked(4), asked(4, 1, 2.0), asked(None), asked(5))
    assert good.shape == (8, 8, 3)
    assert "guidance of 1" in guided.reason
    assert "draws its 5 classes and nothing else" in nameless.reason
    assert "0 to 4" in beyond.reason


def test_a_model_without_classes_draws_none_and_says_so(unconditional: Path, tmp_path: Path):
    step = DrawPixels(model=str(unconditional), steps=2)
    good, refused = drawn(tmp_path, step, asked(None, 1, 7.5), asked(2))
    assert good.shape == (8, 8, 3)
    assert "knows no classes; leave the label out" in refused.reason


@pytest.mark.parametrize(
    ("more", "words"),
    [({"negative_prompt": "blur"}, "negative_prompt"), ({"strength": 0.5}, "strength"), ({"label": 3}, "0 to 2")],
)
def test_what_it_cannot_heed_is_refused(folder: Path, tmp_path: Path, more: dict[str, Any], words: str):
    request = Request(**{"prompt": "", "seed": 1, "label": 0, "guidance": 1.0, **more})
    assert words in drawn(tmp_path, DrawPixels(model=str(folder), steps=2), request)[0].reason


def test_any_size_is_drawn_with_a_margin_that_is_cut_off(folder: Path, tmp_path: Path):
    step = DrawPixels(model=str(folder), steps=2)
    odd, plain = drawn(tmp_path, step, asked(size=(11, 9)), asked())
    assert odd.shape == (9, 11, 3)
    assert plain.shape == (8, 8, 3)
    x = torch.arange(2 * 3 * 7 * 5.0).reshape(2, 3, 7, 5)
    assert with_margin(x, 4).shape == (2, 3, 8, 8)
    assert torch.equal(without_margin(with_margin(x, 4), (5, 7)), x)
    assert torch.equal(with_margin(x, 1), x)


def test_a_model_of_greys_draws_three_equal_colours(tmp_path: Path):
    picture = drawn(tmp_path, DrawPixels(model=str(save_tiny(tmp_path / "grey", channels=1)), steps=2), asked(None))[0]
    assert picture.shape == (8, 8, 3)
    assert (picture[..., 0] == picture[..., 2]).all()


def test_noise_at_each_step_is_each_picture_s_own(folder: Path, tmp_path: Path):
    plain, noisy = (DrawPixels(model=str(folder), scheduler="ddim", steps=4, eta=eta) for eta in (0.0, 1.0))
    alone, beside = drawn(tmp_path, noisy, asked(0, 5))[0], drawn(tmp_path, noisy, asked(1, 4), asked(0, 5))[1]
    assert np.abs(alone.astype(int) - beside).max() <= 1
    assert np.abs(alone.astype(int) - drawn(tmp_path, plain, asked(0, 5))[0]).max() > 1
    with pytest.raises(BadConfig, match="say scheduler: ddim"):
        DrawPixels(model=str(folder), eta=0.5).load(worker(tmp_path))


def test_sixteen_bits_draw_nearly_the_same(folder: Path, tmp_path: Path):
    step = DrawPixels(model=str(folder), steps=4)
    half, full = drawn(tmp_path, step, asked(0), dtype="bfloat16")[0], drawn(tmp_path, step, asked(0))[0]
    assert np.abs(half.astype(int) - full).mean() < 10


def test_an_epoch_is_drawn_from_and_one_that_was_not_kept_is_named(folder: Path, tmp_path: Path):
    with_classes(save_tiny(tmp_path / "epochs" / "004", 4, "v_prediction"))
    assert drawn(tmp_path, DrawPixels(model=str(tmp_path), epoch=4, steps=2), asked(0))[0].shape == (8, 8, 3)
    with pytest.raises(BadConfig, match="epoch: 3 was not kept"):
        DrawPixels(model=str(tmp_path), epoch=3).load(worker(tmp_path))
    with pytest.raises(BadConfig, match="none but the last"):
        DrawPixels(model=str(folder), epoch=3).load(worker(tmp_path))


def test_a_sample_says_how_it_was_made_and_is_drawn_once(folder: Path, tmp_path: Path):
    requests = [Request(prompt="a dog", label=1, seed=seed, guidance=1.5) for seed in range(3)]
    with Run(tmp_path / "workspace" / "run", worker(tmp_path, batch_size=2)) as run:
        step = DrawPixels(model=str(folder), steps=2)
        samples = list(run.map(step, requests))
        assert (run.made, list(run.map(step, requests))) == (3, samples)
    assert [(one.target, one.caption, one.origin.seed) for one in samples] == [(1, "a dog", n) for n in range(3)]
    assert str(folder) in samples[0].origin.model
    assert step.alike(worker(tmp_path), requests[0]) != step.alike(worker(tmp_path), asked(1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: (network(channels=4), scheduler()), "4 channels"),
        (lambda: (network(class_embed_type="timestep"), scheduler()), "'timestep'"),
        (lambda: (network(), scheduler_of_another_kind()), "EDMEulerScheduler"),
    ],
)
def test_models_of_another_kind_are_refused(tmp_path: Path, make: Any, words: str):
    unet, noising = make()
    unet.save_pretrained(tmp_path / "model")
    noising.save_pretrained(tmp_path / "model")
    with pytest.raises(BadConfig, match=words):
        DrawPixels(model=str(tmp_path / "model"), steps=2).load(worker(tmp_path))


def scheduler_of_another_kind() -> Any:
    from diffusers import EDMEulerScheduler

    return EDMEulerScheduler()


def test_more_steps_than_were_learnt_and_a_folder_without_weights_are_refused(folder: Path, tmp_path: Path):
    with pytest.raises(BadConfig, match="51 steps were asked for and it learnt 50"):
        DrawPixels(model=str(folder), steps=51).load(worker(tmp_path))
    with pytest.raises(BadConfig, match="has no weights"):
        DrawPixels(model=str(tmp_path)).load(worker(tmp_path))
    network(labels=4).save_pretrained(tmp_path / "alone")
    with pytest.raises(BadConfig, match="scheduler_config"):
        DrawPixels(model=str(tmp_path / "alone")).load(worker(tmp_path))


def test_class_names_that_are_not_the_network_s_are_refused(tmp_path: Path):
    place = with_classes(save_tiny(tmp_path / "tiny", labels=7))
    with pytest.raises(BadConfig, match="3 classes, and the network beside it knows 7"):
        DrawPixels(model=str(place)).load(worker(tmp_path))
    assert isinstance(UNet2DModel.from_pretrained(place / "unet"), UNet2DModel)
