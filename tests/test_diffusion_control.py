"""Layouts, the ControlNet that follows them, and drawings in which every picture has its own."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from PIL import Image

from companions import COURSE, SIZE, data, requests, save_base, worker
from counterfactory.diffusion import control
from counterfactory.diffusion.controls import control_pictures, from_bytes, palette, soft_edges
from counterfactory.diffusion.drawing import Parts, draw, open_parts
from counterfactory.diffusion.seeing import see, with_controls
from counterfactory.diffusion.trainers import ControlTrainer
from counterfactory.errors import BadConfig, BadData, UnknownName
from counterfactory.keys import digest
from counterfactory.pixels import Pixels
from counterfactory.types import Address, Control, Request

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

SAMPLES = data()["train"].samples


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def parts(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """A pipeline with two ControlNets that say something at random."""
    names = {}
    for number, kind in enumerate(("edges", "masks")):
        trainer = ControlTrainer(base=str(base), control=kind, schedule=COURSE)
        network = control.build(trainer, open_parts(str(base), "cpu"))
        generator = torch.Generator().manual_seed(number)
        for parameter in network.parameters():
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
        names[kind] = str(tmp_path_factory.mktemp(kind))
        network.save_pretrained(names[kind])
    return with_controls(open_parts(str(base), "cpu"), names)


def trainer(base: Path, kind: str = "edges", **more: object) -> ControlTrainer:
    return ControlTrainer.model_validate({"base": str(base), "control": kind, "schedule": COURSE, "size": SIZE, **more})


def saved(image: Image.Image, path: Path) -> Address:
    image.save(path)
    return Address(digest(path.read_bytes()), f"file:{path}")


def after(request: Request, kind: str, scale: float, number: int) -> Request:
    layout = SAMPLES[number].mask if kind == "masks" else SAMPLES[number].image
    assert layout is not None
    return replace(request, controls=(*request.controls, Control(kind=kind, image=layout, scale=scale)))


def test_a_step_of_brightness_is_an_edge_where_it_is_and_nowhere_else():
    x = torch.zeros(1, 3, 64, 64)
    x[:, 1, :, 32:] = 1  # in one colour alone
    edges = soft_edges(x)
    assert edges.shape == (1, 3, 64, 64)
    assert edges[0, 0, 10, 31:33].min() > 0.99
    assert edges[..., :28].max() == 0
    assert edges[..., 36:].max() == 0


def test_edges_are_the_same_in_fog_and_dark():
    x = torch.zeros(1, 3, 64, 64)
    x[..., 20:40, 20:40] = 0.8
    assert (soft_edges(x) - soft_edges(0.3 * x + 0.4)).abs().max() <= 2 / 255


def test_a_plain_picture_has_no_edges_but_for_grain_that_stays_faint():
    grain = 0.5 + 0.01 * torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert soft_edges(torch.full((1, 3, 16, 16), 0.3)).max() == 0
    assert soft_edges(grain).max() < 0.2


def test_edges_are_whole_steps_of_eight_bits_and_do_not_depend_on_their_company():
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    edges = soft_edges(x)
    as_bytes = (edges * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert torch.equal(from_bytes(as_bytes), edges)
    assert torch.equal(soft_edges(x[1:2])[0], edges[1])


def test_edges_mean_the_same_in_a_larger_picture():
    x = torch.zeros(1, 3, 64, 64)
    x[..., 20:40, 20:40] = 1
    large = torch.nn.functional.interpolate(x, scale_factor=4)
    shrunk = torch.nn.functional.avg_pool2d(soft_edges(large), 4)
    assert (shrunk - soft_edges(x)).abs().mean() < 0.02


def test_every_number_of_a_mask_has_its_own_colour():
    colours = palette()
    assert len({tuple(colour) for colour in colours.tolist()}) == 256
    assert colours[0].tolist() == [0, 0, 0]
    assert colours[255].tolist() == [255, 255, 255]
    assert [colours[n].argmax() for n in (1, 2, 4)] == [0, 1, 2]


def test_masks_keep_their_numbers_when_they_are_resized(tmp_path: Path):
    numbers = np.zeros((8, 8), np.uint8)
    numbers[:, 4:] = 3
    grey = saved(Image.fromarray(numbers), tmp_path / "grey.png")
    thrice = saved(Image.fromarray(np.stack([numbers] * 3, 2)), tmp_path / "thrice.png")
    pictures = control_pictures("masks", [grey, thrice], Pixels(), (16, 12))
    assert pictures.shape == (2, 3, 12, 16)
    assert torch.equal(pictures[0], pictures[1])
    assert torch.equal(pictures[0, :, 0, 8], torch.tensor(palette()[3]) / 255)
    assert pictures.unique().numel() == 2


def test_a_layout_of_another_kind_is_shown_as_it_is(tmp_path: Path):
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    address = saved(Image.fromarray(colours), tmp_path / "depth.png")
    assert torch.equal(control_pictures("depth", [address], Pixels(), (8, 8)), from_bytes(colours[None]))


@pytest.mark.parametrize("kind", ["edges", "masks"])
def test_a_control_net_learns_and_diffusers_loads_it(base: Path, tmp_path: Path, kind: str):
    numbers = control.trained(trainer(base, kind), worker(tmp_path), tmp_path / "out", data())
    network = ControlNetModel.from_pretrained(tmp_path / "out")
    assert network.num_parameters() == numbers["parameters"]
    assert network.controlnet_mid_block.weight.abs().max() > 0  # it began at nothing
    assert (tmp_path / "out" / "training" / "grid.png").exists()
    with Image.open(tmp_path / "out" / "training" / "grid.png") as grid:
        assert grid.size == (2 * (8 * (SIZE + 2) + 2), 2 * (SIZE + 4))


def test_it_learns_to_follow_what_the_text_does_not_say(base: Path, tmp_path: Path):
    course = COURSE.model_copy(update={"images": 384, "batch_size": 8, "learning_rate": 5e-3})
    control.trained(
        trainer(base, "masks", schedule=course, unsaid=0.9), worker(tmp_path), tmp_path / "out", data(8, shown=1)
    )
    lines = [json.loads(line) for line in (tmp_path / "out" / "training" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.97 * lines[0]["loss"]


def test_a_training_in_two_sittings_leaves_the_same_files(base: Path, tmp_path: Path):
    plateau = COURSE.model_copy(update={"images": 16, "batch_size": 1, "smoothing": 0.5, "rise": 32})
    short = trainer(base, schedule=plateau)
    long = trainer(base, schedule=plateau.model_copy(update={"images": 32}))
    for sitting in (short, long):
        control.trained(sitting, worker(tmp_path), tmp_path / "twice", data(shown=1))
    control.trained(long, worker(tmp_path), tmp_path / "once", data(shown=1))
    files = [(tmp_path / name / "diffusion_pytorch_model.safetensors").read_bytes() for name in ("once", "twice")]
    assert files[0] == files[1]


def test_a_control_net_without_attention_is_smaller_and_begins_as_the_base_does(base: Path):
    parts = open_parts(str(base), "cpu")
    whole, small = (
        control.build(trainer(base, attends=attends), parts).state_dict() for attends in (None, (False, False))
    )
    assert len(small) < len(whole)
    assert all(torch.equal(small[name], whole[name]) for name in small)
    assert torch.equal(small["conv_in.weight"], parts.unet.conv_in.weight)


def test_shapes_that_do_not_fit_the_base_are_named(base: Path):
    parts = open_parts(str(base), "cpu")
    with pytest.raises(BadConfig, match="give 3 of them"):
        control.build(trainer(base, hints=(16, 32)), parts)
    with pytest.raises(BadConfig, match="1 values for the 2 levels"):
        control.build(trainer(base, attends=(True,)), parts)


def test_images_without_masks_are_counted(base: Path, tmp_path: Path):
    bare = {
        "train": replace(
            data()["train"], samples=tuple(replace(s, mask=None) if n < 3 else s for n, s in enumerate(SAMPLES))
        )
    }
    with pytest.raises(BadData, match="3 of 24 images have no mask"):
        trainer(base, "masks").fit(worker(tmp_path), tmp_path / "out", bare)


def test_drawing_after_layouts_agrees_with_diffusers(base: Path, parts: Parts):
    asked = [after(request, "edges", 0.7, n) for n, request in enumerate(requests(3.0, 3.0, 3.0))]
    seen = see(parts, asked, Pixels())
    ours = (draw(parts, asked, steps=4, seen=seen) + 1) / 2
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(base, controlnet=parts.controls["edges"])
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        [request.prompt for request in asked],
        image=torch.stack([seen.controls["edges", c.image] for request in asked for c in request.controls]),
        num_inference_steps=4,
        guidance_scale=3.0,
        controlnet_conditioning_scale=0.7,
        generator=[torch.Generator().manual_seed(request.seed) for request in asked],
        output_type="pt",
    ).images
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert (ours - (draw(parts, requests(3.0, 3.0, 3.0), steps=4) + 1) / 2).abs().max() > 4 / 255


def test_each_picture_follows_its_own_layouts_at_its_own_scales(parts: Parts):
    plain = requests(3.0, 1.0, 4.0, 2.0, 0.0)
    asked = [
        after(plain[0], "edges", 0.3, 0),
        after(plain[1], "masks", 1.0, 1),
        plain[2],
        after(after(plain[3], "edges", 1.0, 0), "masks", 0.5, 2),
        after(plain[4], "edges", 0.0, 3),
    ]
    together = draw(parts, asked, steps=3, seen=see(parts, asked, Pixels()))
    alone = [draw(parts, [request], steps=3, seen=see(parts, [request], Pixels())) for request in asked]
    assert (together - torch.cat(alone)).abs().max() < 2 / 255
    without = draw(parts, plain, steps=3)
    differs = (together - without).abs().amax((1, 2, 3)) > 4 / 255
    assert differs.tolist() == [True, True, False, True, False]


def test_two_layouts_of_a_kind_and_a_kind_without_a_network_are_named(parts: Parts):
    twice = after(after(requests(3.0)[0], "edges", 1.0, 0), "edges", 1.0, 1)
    with pytest.raises(BadConfig, match="not 2 of the kind 'edges'"):
        draw(parts, [twice], steps=1, seen=see(parts, [twice], Pixels()))
    once = after(requests(3.0)[0], "edges", 1.0, 0)
    with pytest.raises(UnknownName, match="Unknown control 'edges'"):
        draw(replace(parts, controls={}), [once], steps=1)


def test_a_control_net_of_another_pipeline_is_refused(base: Path, tmp_path: Path):
    ControlNetModel(
        block_out_channels=(4, 8),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        mid_block_type="UNetMidBlock2D",
        norm_num_groups=2,
        conditioning_embedding_out_channels=(4, 4, 4),
    ).save_pretrained(tmp_path)
    with pytest.raises(BadConfig, match="made for another pipeline"):
        with_controls(open_parts(str(base), "cpu"), {"edges": str(tmp_path)})
