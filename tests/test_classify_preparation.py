"""The forms in which checkpoints say how they want their images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from counterfactory.classify.pictures import normalised
from counterfactory.classify.preparation import Preparation, read_preparation, write_preparation
from counterfactory.errors import BadConfig
from counterfactory.pixels import Pixels
from counterfactory.types import Address


def preparation(folder: Path, **said: Any) -> Preparation:
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return read_preparation(folder)


@pytest.mark.parametrize(
    ("said", "size", "crop"),
    [
        ({"size": 224}, (224, 224), None),
        ({"size": {"height": 64, "width": 96}}, (96, 64), None),
        (
            {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}},
            (224, 224),
            0.875,
        ),
        ({"size": 256, "do_center_crop": True, "crop_size": 224}, (224, 224), 0.875),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, (224, 224), 0.875),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, (384, 384), None),
        ({"size": {"shortest_edge": 224}, "do_center_crop": False}, (224, 224), None),
    ],
)
def test_sizes_are_read_in_every_form(tmp_path: Path, said: dict[str, Any], size: tuple[int, int], crop: float | None):
    found = preparation(tmp_path, **said)
    assert (found.size, found.crop) == (size, crop)


def test_a_checkpoint_that_says_nothing_is_squeezed_to_224(tmp_path: Path):
    assert read_preparation(tmp_path) == Preparation(size=(224, 224))


@pytest.mark.parametrize(("said", "size"), [(32, (32, 32)), ([24, 32], (32, 24)), (None, (224, 224))])
def test_without_a_size_of_its_images_a_checkpoint_takes_its_networks(tmp_path: Path, said: object, size: object):
    (tmp_path / "config.json").write_text(json.dumps({"image_size": said}))
    assert read_preparation(tmp_path).size == size
    assert preparation(tmp_path, size=48).size == (48, 48)


def test_no_normalisation_means_none(tmp_path: Path):
    found = preparation(tmp_path, size=32, do_normalize=False, image_mean=[0.1] * 3)
    assert (found.mean, found.deviation) == ((0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    ("said", "white", "black"),
    [
        ({}, 1.0, -1.0),
        ({"do_rescale": False, "do_normalize": False}, 255.0, 0.0),
        ({"rescale_factor": 2 / 255, "rescale_offset": True, "do_normalize": False}, 1.0, -1.0),
        ({"include_top": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}, 2.0, -2.0),
    ],
)
def test_pixels_come_in_the_range_that_the_checkpoint_learnt(
    tmp_path: Path, said: dict[str, Any], white: float, black: float
):
    """As transformers' own processors turn them: 0 to 255, from -1, or EfficientNet's, which divides twice."""
    found = normalised(torch.tensor([1.0, 0.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4), preparation(tmp_path, **said))
    assert found[0].unique().item() == pytest.approx(white)
    assert found[1].unique().item() == pytest.approx(black)


def test_a_grey_network_sees_brightness(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"num_channels": 1}')
    found = preparation(tmp_path, size=4, image_mean=[0.5], image_std=[0.25])
    colours = np.random.default_rng(0).integers(0, 255, (4, 4, 3), np.uint8)
    x_BCHW = torch.tensor(colours).permute(2, 0, 1)[None] / 255
    grey = np.asarray(Image.fromarray(colours).convert("L")) / 255
    assert normalised(x_BCHW, found)[0].numpy() == pytest.approx((grey[None] - 0.5) / 0.25, abs=0.01)


def test_other_channels_are_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"num_channels": 4}')
    with pytest.raises(BadConfig, match="images of 4 channels; expected 3"):
        preparation(tmp_path, size=4)


def test_what_is_written_is_read(tmp_path: Path):
    written = Preparation(size=(64, 48), mean=(0.1, 0.2, 0.3), deviation=(0.4, 0.5, 0.6))
    write_preparation(written, tmp_path)
    assert read_preparation(tmp_path) == written


def test_a_crop_is_the_middle(tmp_path: Path):
    """A wide image whose middle square's inner half is white."""
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[10:30, 30:50] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    address = Address("x", f"file:{tmp_path / 'wide.png'}")
    cropped = Preparation(size=(20, 20), crop=0.5).arrays(Pixels(), [address])
    assert cropped.shape == (1, 20, 20, 3)
    assert cropped.min() == 255
    assert Preparation(size=(20, 20)).arrays(Pixels(), [address]).min() == 0
