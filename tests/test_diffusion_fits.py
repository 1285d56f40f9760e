"""Pipelines that cannot be drawn from, told before they are loaded."""

import json
from pathlib import Path
from typing import Any

import pytest

from companions import save_base
from counterfactory.diffusion.drawing import open_parts
from counterfactory.diffusion.fits import refuse_misfits, refuse_other_network
from counterfactory.errors import BadConfig


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    return save_base(tmp_path / "pipeline")


def rewritten(path: Path, **settings: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def test_a_whole_pipeline_passes(pipeline: Path):
    refuse_misfits(pipeline)
    assert open_parts(str(pipeline), "cpu").unet.config.in_channels == 4


def test_a_folder_without_an_index_is_no_pipeline(pipeline: Path, tmp_path: Path):
    with pytest.raises(BadConfig, match=r"is no pipeline: expected a model_index\.json"):
        open_parts(str(tmp_path), "cpu")
    with pytest.raises(BadConfig, match="it is a single model"):
        open_parts(str(pipeline / "unet"), "cpu")


def test_a_part_that_is_missing_is_named(pipeline: Path):
    (pipeline / "unet" / "config.json").unlink()
    with pytest.raises(BadConfig, match=r"names unet, and there is no .*unet/config\.json"):
        open_parts(str(pipeline), "cpu")


def test_an_index_that_is_damaged_is_named(pipeline: Path):
    (pipeline / "model_index.json").write_text("{")
    with pytest.raises(BadConfig, match=r"model_index\.json is damaged: it is no JSON"):
        open_parts(str(pipeline), "cpu")


def test_pickled_weights_are_refused_with_the_remedy(pipeline: Path):
    weights = pipeline / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(BadConfig, match=r"only as diffusion_pytorch_model\.bin, a pickle.*safe_serialization=True"):
        open_parts(str(pipeline), "cpu")
    weights.with_suffix(".bin").unlink()
    with pytest.raises(BadConfig, match="has no weights"):
        open_parts(str(pipeline), "cpu")


def test_weights_that_are_cut_off_are_told_with_their_folder(pipeline: Path):
    weights = pipeline / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BadConfig, match=f"The pipeline in {pipeline} cannot be loaded"):
        open_parts(str(pipeline), "cpu")


@pytest.mark.parametrize(
    ("file", "settings", "complaint"),
    [
        ("text_encoder/config.json", {"hidden_size": 99}, "the text encoder says 99 numbers a word"),
        ("vae/config.json", {"latent_channels": 16}, "the autoencoder makes 16 latent channels"),
        ("unet/config.json", {"in_channels": 8}, "networks for enlarging and for instructions"),
        ("tokenizer/tokenizer_config.json", {"model_max_length": 77}, "up to 77 tokens, the text encoder takes 32"),
    ],
)
def test_parts_that_do_not_fit_are_told(pipeline: Path, file: str, settings: dict[str, Any], complaint: str):
    rewritten(pipeline / file, **settings)
    with pytest.raises(BadConfig, match=f"do not fit each other: .*{complaint}"):
        open_parts(str(pipeline), "cpu")


@pytest.mark.parametrize(
    ("file", "settings", "complaint"),
    [
        ("unet/config.json", {"time_cond_proj_dim": 256}, "distilled to be told its guidance"),
        ("vae/config.json", {"latents_mean": [0.0] * 4}, "a mean and a deviation for each latent channel"),
    ],
)
def test_what_would_be_drawn_wrong_is_refused(pipeline: Path, file: str, settings: dict[str, Any], complaint: str):
    rewritten(pipeline / file, **settings)
    with pytest.raises(BadConfig, match=f"is not drawn from here: .*{complaint}"):
        open_parts(str(pipeline), "cpu")


def test_a_controlnet_of_another_network_is_refused():
    unet = {"in_channels": 4, "block_out_channels": (8, 16), "layers_per_block": 1, "cross_attention_dim": 16}
    refuse_other_network("mine", unet, {**unet, "block_out_channels": [8, 16]})
    with pytest.raises(BadConfig, match=r"its cross_attention_dim is 768, the denoising network's is 16"):
        refuse_other_network("theirs", unet, {**unet, "cross_attention_dim": 768})
