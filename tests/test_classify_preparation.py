"""The forms in which checkpoints say how they want their images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from counterfactory.classify.preparation import Preparation, read_preparation, write_preparation
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


def test_no_normalisation_means_none(tmp_path: Path):
    found = preparation(tmp_path, size=32, do_normalize=False, image_mean=[0.1] * 3)
    assert (found.mean, found.deviation) == ((0, 0, 0), (1, 1, 1))


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
