"""Checkpoints of guided-diffusion: what a converted network says, and which flags and files are refused."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DDPMPipeline, UNet2DModel
from safetensors.torch import save_file

from command_line import call
from counterfactory.diffusion.flags import read_flags
from counterfactory.diffusion.gaussian import alpha_bars, linear_betas
from counterfactory.diffusion.guided import convert, network_of
from counterfactory.diffusion.sampling import draw, open_denoiser
from counterfactory.errors import BadConfig, UnknownName
from guided_reference import Reference, Shape, reference

# diffusers' schedulers under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

SMALL = Shape(heads=4)
PAPER = Shape(mult=(1, 1, 2, 3, 4), looks_at=(4, 2, 1), heads=4)  # DiME's, four times narrower, of 16 pixels
SHAPES = {
    "DiME": PAPER,
    "heads of one width": replace(PAPER, heads=-1, head_width=32, mult=(1, 2, 3, 4)),
    "no blocks that resize": Shape(heads=4, updown=False, layers=2, looks_at=(16, 8), mult=(1, 2, 3)),
    "time is added": Shape(head_width=16, scale_shift=False, looks_at=(16,)),
    "the other order": Shape(heads=8, new_order=True, looks_at=(16, 8)),
    "classes": Shape(heads=1, classes=7, mult=(1, 1, 2), looks_at=(4,)),
    "times of a thousand": Shape(heads=2, time_scale=2.0, updown=False, scale_shift=False),
    "one level": Shape(size=8, mult=(1,), heads=2, looks_at=(4,)),
    "variance not learnt": Shape(heads=4, learns_variance=False),
}


def saved(network: Reference, folder: Path) -> Path:
    """The checkpoint as the original's training leaves it."""
    torch.save(network.state_dict(), folder / "ema.pt")
    return folder / "ema.pt"


def converted(shape: Shape, folder: Path, **said: object) -> Path:
    convert(saved(reference(shape), folder), read_flags(shape.flags(**said)), folder / "out")
    return folder / "out"


def refused(shape: Shape, folder: Path, flags: str, match: str) -> None:
    with pytest.raises(BadConfig, match=match):
        convert(saved(reference(shape), folder), read_flags(flags), folder / "out")
    assert not (folder / "out").exists()


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-5), (torch.float64, 1e-9)])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_converted_network_says_what_the_original_says(shape: Shape, dtype: torch.dtype, most: float):
    network = reference(shape, dtype=dtype)
    ours = network_of(network.state_dict(), read_flags(shape.flags()), Path("ema.pt"))
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(3, 3, shape.size, shape.size, generator=generator, dtype=dtype)
    times, labels = torch.tensor([0, 148, 499]), torch.tensor([0, 6, 3]) if shape.classes else None
    with torch.no_grad():
        said, expected = ours(x, times, labels).sample, network(x, times, labels)
    assert said.dtype == dtype
    assert expected.std() > 0.1
    assert (said - expected).abs().max() < most


@pytest.mark.parametrize("name", ["DiME", "heads of one width", "times of a thousand"])
def test_the_folder_says_what_the_checkpoint_said(name: str, tmp_path: Path):
    shape = SHAPES[name]
    model = open_denoiser(str(converted(shape, tmp_path, respacing="200")))
    x, times = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.tensor([20, 300])
    assert (model.network(x, times).sample - reference(shape)(x, times)).abs().max() < 1e-5
    assert torch.allclose(model.power, alpha_bars(linear_betas(500)), rtol=1e-5)
    assert model.shape == (3, 16, 16)


def test_the_folder_is_drawn_from_in_the_steps_that_the_flags_say(tmp_path: Path):
    model = open_denoiser(str(converted(SMALL, tmp_path, respacing="200")))
    links = model.chain()
    assert (len(links), links.times[59], links.times[60]) == (200, 148, 150)
    assert model.chain(10).times.tolist() == model.chain("10").times.tolist()
    assert torch.isfinite(draw(model, [1], 3)).all()


def test_plain_diffusers_reads_a_network_that_its_settings_can_say(tmp_path: Path):
    shape = SHAPES["heads of one width"]
    pipeline = DDPMPipeline.from_pretrained(converted(shape, tmp_path, noising="cosine"))
    assert pipeline.scheduler.config.beta_schedule == "squaredcos_cap_v2"
    x, times = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.tensor([77])
    with torch.no_grad():
        assert (pipeline.unet(x, times).sample - reference(shape)(x, times)).abs().max() < 1e-5


def test_plain_diffusers_does_not_mistake_a_network_that_they_cannot_say(tmp_path: Path):
    folder = converted(SHAPES["DiME"], tmp_path)
    with pytest.raises(OSError, match="diffusion_pytorch_model"):
        UNet2DModel.from_pretrained(folder, subfolder="unet")


def test_weights_in_safetensors_are_read_too(tmp_path: Path):
    save_file(reference(SMALL).state_dict(), tmp_path / "ema.safetensors")
    done = convert(tmp_path / "ema.safetensors", read_flags(SMALL.flags()), tmp_path / "out")
    assert done.parameters == sum(p.numel() for p in reference(SMALL).parameters())


def test_another_head_count_would_say_something_else_and_so_has_no_default():
    # with the wrong one nothing fails: that is why nobody may guess it
    weights, x, times = reference(PAPER).state_dict(), torch.ones(1, 3, 16, 16), torch.tensor([5])
    four, two = (
        network_of(weights, read_flags(replace(PAPER, heads=heads).flags()), Path("ema.pt"))(x, times).sample
        for heads in (4, 2)
    )
    assert (four - two).abs().max() > 1e-3
    with pytest.raises(BadConfig, match="either num_heads or num_head_channels"):
        read_flags(replace(PAPER, heads=-1).flags())
    with pytest.raises(BadConfig, match="either num_heads or num_head_channels"):
        read_flags(replace(PAPER, head_width=32).flags())


def test_flags_that_are_missing_are_named_together():
    with pytest.raises(BadConfig, match=r"do not say num_channels, .*diffusion_steps, num_heads or num_head_channels;"):
        read_flags("--image_size 128")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("--num_heads 5", "num_heads 5 does not divide the 64 channels"),
        ("--num_channels 48", "no multiple of 32"),
        ("--num_channels many", "num_channels is 'many'; input should be a valid integer"),
        ("--noise_schedule sqrt", "noise_schedule is 'sqrt'"),
        ("--image_size 16 --channel_mult 2,4", "begins with 2"),
        ("--image_size 33", "cannot be halved 1 times"),
        ("--diffusion_steps 20", "leave no signal"),
        ("--predict_xstart True", "predict_xstart"),
        ("--image_size", "pairs of names and values"),
        ("--channel_mult ''", "no usual value for image_size 16"),
    ],
)
def test_a_flag_that_cannot_be_is_refused_by_name(said: str, error: str):
    with pytest.raises(BadConfig, match=error):
        read_flags(f"{SMALL.flags()} {said}")


def test_an_unknown_flag_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'num_heads'"):
        read_flags(f"{SMALL.flags()} --num_head 4")


def test_flags_are_read_as_the_published_scripts_have_them():
    said = (
        "--attention_resolutions 32,16,8 --class_cond False --diffusion_steps 500 --image_size 128 --learn_sigma True "
        "--noise_schedule linear --num_channels 128 --num_heads 4 --num_res_blocks 2 --resblock_updown True "
        "--use_fp16 True --use_scale_shift_norm True --dropout 0.1"
    )
    flags = read_flags(said)
    assert flags.network.channels == (128, 128, 256, 384, 512)
    assert flags.attends == (False, False, True, True, True)
    assert [flags.heads(width) for width in flags.looking] == [4, 4, 4]
    assert not flags.is_plain
    assert read_flags(said.replace("num_heads 4", "num_head_channels 64")).is_plain
    assert [name for name, _ in flags.unsaid] == ["use_new_attention_order", "rescale_timesteps", "timestep_respacing"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"looks_at": (16,)}, r"lacks input_blocks.1.1.norm.bias, .* and has input_blocks.3.1"),
        ({"updown": False}, r"lacks input_blocks.2.0.op.bias.* and has input_blocks.2.0.emb_layers"),
        ({"layers": 2}, "lacks input_blocks.4"),
        ({"mult": (1, 2, 2)}, "lacks input_blocks.4.0.* and has output_blocks.0.1"),
        ({"classes": 1000}, "lacks label_emb.weight and has nothing"),
        ({"scale_shift": False}, r"emb_layers.1.weight is \(64, 128\), by the flags it would be \(32, 128\)"),
        ({"width": 64}, r"is \(32, 3, 3, 3\), by the flags it would be \(64, 3, 3, 3\)"),
        ({"learns_variance": False}, r"out.2.weight is \(6, 32, 3, 3\)"),
    ],
)
def test_flags_that_describe_another_network_are_refused(change: dict[str, object], error: str, tmp_path: Path):
    refused(SMALL, tmp_path, replace(SMALL, **change).flags(), error)


def test_a_respacing_that_cannot_be_is_refused_before_anything_is_written(tmp_path: Path):
    refused(SMALL, tmp_path, SMALL.flags(respacing="501"), "trained on 500")


class Harm:
    def __reduce__(self):
        return (os.system, ("touch harm-was-done",))


def test_a_pickle_that_holds_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Harm()}, "ema.pt")
    with pytest.raises(BadConfig, match="could run code"):
        convert(Path("ema.pt"), read_flags(SMALL.flags()), Path("out"))
    assert not Path("harm-was-done").exists()


@pytest.mark.parametrize("name", ["ema.pt", "ema.safetensors"])
def test_a_damaged_file_is_refused(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(saved(reference(SMALL), tmp_path).read_bytes()[:5000])
    with pytest.raises(BadConfig, match="damaged"):
        convert(tmp_path / name, read_flags(SMALL.flags()), tmp_path / "out")


def test_a_state_of_training_around_the_weights_is_named(tmp_path: Path):
    torch.save({"state_dict": reference(SMALL).state_dict(), "step": 3}, tmp_path / "ema.pt")
    with pytest.raises(BadConfig, match="holds state_dict, step; expected a network's tensors"):
        convert(tmp_path / "ema.pt", read_flags(SMALL.flags()), tmp_path / "out")


def test_a_file_that_is_not_there_and_a_folder_that_is(tmp_path: Path):
    with pytest.raises(BadConfig, match="There is no file"):
        convert(tmp_path / "ema.pt", read_flags(SMALL.flags()), tmp_path / "out")
    with pytest.raises(BadConfig, match="is there already"):
        convert(saved(reference(SMALL), tmp_path), read_flags(SMALL.flags()), tmp_path)


@pytest.mark.parametrize(
    ("name", "error"), [("classes", "trained with 7 classes"), ("variance not learnt", "3 channels in and 3 out")]
)
def test_what_explanations_cannot_draw_from_is_said_when_it_is_opened(name: str, error: str, tmp_path: Path):
    with pytest.raises(BadConfig, match=error):
        open_denoiser(str(converted(SHAPES[name], tmp_path)))


def test_damaged_flags_of_a_folder_are_said(tmp_path: Path):
    folder = converted(SMALL, tmp_path)
    (folder / "guided_diffusion.json").write_text("{}")
    with pytest.raises(BadConfig, match=r"guided_diffusion.json is damaged: The flags do not say image_size"):
        open_denoiser(str(folder))


def test_the_command_converts_and_says_what_was_taken_for_granted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file, flags = saved(reference(PAPER), tmp_path), PAPER.flags(respacing="200")
    answer = call(capsys, "models", "convert", file, "--to", tmp_path / "out", "--flags", flags, "--json")
    assert answer.code == 0
    assert answer.json["steps"] == 200
    assert answer.json["is_plain"] is False
    assert json.loads((tmp_path / "out" / "guided_diffusion.json").read_text())["num_heads"] == 4
    flags = flags.replace("--use_new_attention_order False", "")
    answer = call(capsys, "models", "convert", file, "--to", tmp_path / "two", "--flags", flags)
    assert "Nobody said use_new_attention_order: taken as False, as guided-diffusion does." in answer.out
    answer = call(capsys, "models", "convert", file, "--to", tmp_path / "three", "--flags", "--num_heads 4")
    assert answer.code == 2
    assert "do not say image_size" in answer.err
