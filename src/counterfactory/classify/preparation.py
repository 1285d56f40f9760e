"""How a network wants its images: size, crop, range and channels, as `preprocessor_config.json` has it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from counterfactory.errors import BadConfig
from counterfactory.pixels import Pixels
from counterfactory.training.loading import CONFIG, read_json
from counterfactory.types import Address

FILE = "preprocessor_config.json"
HALF = (0.5, 0.5, 0.5)
BICUBIC = int(Image.Resampling.BICUBIC)


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Images are squeezed to `size` (width, height), or cropped from the middle where `crop` says how much is kept."""

    size: tuple[int, int]
    mean: tuple[float, ...] = HALF
    deviation: tuple[float, ...] = HALF
    resample: int = BICUBIC
    crop: float | None = None  # the crop's side, as a share of the shorter side
    grey: bool = False  # the network takes one channel: brightness

    def arrays(self, pixels: Pixels, addresses: list[Address]) -> NDArray[np.uint8]:
        """Images as one array (N, height, width, 3), in order."""
        if self.crop is None and self.resample == BICUBIC:
            return pixels.arrays(addresses, self.size)
        return np.stack([self.array(pixels.image(address)) for address in addresses])

    def array(self, image: Image.Image) -> NDArray[np.uint8]:
        """One RGB image (height, width, 3)."""
        box = (0.0, 0.0, float(image.width), float(image.height))
        if self.crop is not None:
            height = self.crop * min(image.size) * min(1.0, self.size[1] / self.size[0])
            width = height * self.size[0] / self.size[1]
            left, top = (image.width - width) / 2, (image.height - height) / 2
            box = (max(0.0, left), max(0.0, top), min(image.width, left + width), min(image.height, top + height))
        return np.asarray(image.resize(self.size, Image.Resampling(self.resample), box=box))


def read_preparation(folder: Path) -> Preparation:
    """What a checkpoint says; squeezed, to its network's size or else to 224 pixels, where it says nothing."""
    channels, said = _channels(folder), {"size": _network_size(folder), **read_json(folder / FILE)}
    try:
        size, crop = _size(said)
        mean, deviation = _normalisation(said)
        resample = int(Image.Resampling(said.get("resample", BICUBIC)))
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise BadConfig(
            f"{folder / FILE} does not say how images are made ready ({type(error).__name__}: {error}); "
            "expected what an image processor's `save_pretrained` writes."
        ) from error
    return Preparation(
        size=size,
        crop=crop,
        mean=mean[:channels],
        deviation=deviation[:channels],
        resample=resample,
        grey=channels == 1,
    )


def write_preparation(preparation: Preparation, folder: Path) -> None:
    """The file from which `AutoImageProcessor` makes the same images."""
    width, height = preparation.size
    said = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": height, "width": width},
        "resample": BICUBIC,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preparation.mean),
        "image_std": list(preparation.deviation),
    }
    (folder / FILE).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def _channels(folder: Path) -> int:
    """How many the network takes, by its own configuration."""
    channels = read_json(folder / CONFIG).get("num_channels", 3)
    if channels not in (1, 3):
        raise BadConfig(f"The model in {folder} takes images of {channels} channels; expected 3 (colour) or 1 (grey).")
    return int(channels)


def _network_size(folder: Path) -> Any:
    """The size of images that the network's own configuration says."""
    size = read_json(folder / CONFIG).get("image_size") or 224
    return dict(zip(("height", "width"), size, strict=True)) if isinstance(size, list) else size


def _normalisation(said: dict[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of pixels from 0 to 1, whatever range the checkpoint's own processor turns them to first."""
    is_normalised, is_scaled = said.get("do_normalize", True), said.get("do_rescale", True)
    mean = said.get("image_mean") or HALF if is_normalised else (0.0, 0.0, 0.0)
    deviation = said.get("image_std") or HALF if is_normalised else (1.0, 1.0, 1.0)
    if said.get("include_top"):  # EfficientNet's classifiers divide twice
        deviation = [one * one for one in deviation]
    least = -1.0 if is_scaled and said.get("rescale_offset") else 0.0
    most = 255 * said.get("rescale_factor", 1 / 255) if is_scaled else 255.0  # above the least
    return tuple((one - least) / most for one in mean), tuple(one / most for one in deviation)


def _size(said: dict[str, Any]) -> tuple[tuple[int, int], float | None]:
    """Width and height, and the kept share: the forms that image processors have had over the years."""
    size = said["size"]
    if isinstance(size, dict) and "height" in size:
        return (int(size["width"]), int(size["height"])), None
    edge = int(size["shortest_edge"] if isinstance(size, dict) else size)
    if "crop_pct" in said:  # ConvNeXt's: larger sizes are squeezed
        return (edge, edge), said["crop_pct"] if edge < 384 else None
    if not said.get("do_center_crop", False):
        return (edge, edge), None
    crop = said.get("crop_size", edge)
    width, height = (int(crop["width"]), int(crop["height"])) if isinstance(crop, dict) else (int(crop), int(crop))
    return (width, height), max(width, height) / edge
