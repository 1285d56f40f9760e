"""Any vision model as eyes: its own summary or the mean of its positions, and distances that are perceptual."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil, ViTModel

from counterfactory.errors import BadConfig
from counterfactory.names import model_folder
from counterfactory.score.vision import open_eyes
from counterfactory.training.loading import quiet

TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "image_size": 16}


def pictures(number: int = 2) -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 255, (20, 20, 3), dtype=np.uint8)) for _ in range(number)]


def saved(folder: Path, model: type) -> Path:
    with quiet():
        model(ViTConfig(**TINY, patch_size=8)).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def test_a_model_without_a_summary_gives_the_mean_of_its_positions(tmp_path: Path):
    eyes = open_eyes(saved(tmp_path, ViTForImageClassification), "cpu")
    seen = eyes.processor(pictures(), return_tensors="pt").pixel_values
    with torch.no_grad():
        expected = eyes.network(pixel_values=seen).last_hidden_state.mean(1)
    assert torch.equal(eyes.features(pictures()), expected)


def test_a_models_own_summary_is_taken_where_it_has_one(tmp_path: Path):
    eyes = open_eyes(saved(tmp_path, ViTModel), "cpu")
    with torch.no_grad():
        expected = eyes.network(pixel_values=eyes._seen(pictures())).pooler_output
    assert torch.equal(eyes.features(pictures()), expected)


@pytest.mark.parametrize("name", ["clip", "classifier"])
def test_the_zoos_models_perceive_a_picture_as_itself_and_another_as_another(name: str):
    eyes = open_eyes(model_folder(f"zoo:diorama/{name}"), "cpu")
    one, other = eyes.perceived(pictures())
    assert float(one.square().sum()) == pytest.approx(1, abs=1e-4)  # every position has length 1, all are a mean
    assert 0 < float((one - other).square().sum()) < 4
    assert torch.allclose(eyes.perceived(pictures(1))[0], one, atol=1e-5)


def test_weights_that_lack_a_part_are_refused(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    file = saved(tmp_path, ViTModel) / "model.safetensors"
    kept = {name: weights for name, weights in load_file(file).items() if "layer.1" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(BadConfig, match="lacks weights"):
        open_eyes(tmp_path, "cpu")
