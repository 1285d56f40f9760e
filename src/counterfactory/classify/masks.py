"""Masks as the classes of pixels: as segmentation data have them, or of a labelled thing on its background."""

import numpy as np
from numpy.typing import NDArray

from counterfactory.errors import BadData
from counterfactory.pixels import Pixels
from counterfactory.types import Dataset, Sample

VOID = 255  # a pixel of which nobody said what it shows
BACKGROUND = "background"


def mask_classes(dataset: Dataset) -> tuple[str, ...]:
    """What a pixel may show: where masks are outlines of labelled things, their class or the background."""
    return dataset.classes if dataset.task == "segmentation" else (BACKGROUND, *dataset.classes)


def class_mask(sample: Sample, pixels: Pixels, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """The class of each pixel (H, W) by its number, `VOID` where nobody knows."""
    if sample.mask is None:
        raise BadData(f"{sample.image.place} has no mask; segmentation needs one for each image.")
    found = pixels.mask(sample.mask)
    if found.ndim != 2:
        raise BadData(f"The mask {sample.mask.place} is a colour picture; expected one number a pixel, its class.")
    if isinstance(sample.target, int):
        return np.where(found > 0, sample.target + 1, 0)
    beyond = np.unique(found[(found >= len(classes)) & (found != VOID)])
    if beyond.size:
        raise BadData(
            f"The mask {sample.mask.place} holds {beyond[0]}, and there are only {len(classes)} classes; "
            f"expected numbers from 0 to {len(classes) - 1}, or {VOID} where nobody knows."
        )
    return found.astype(np.int64)
