"""Masks in files of their own: which image one belongs to by its name, and whether both have one size."""

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from counterfactory.pixels import UNREADABLE, orientation

MASK_STEM = re.compile(r"[-_](mask|seg|segmentation|label|labels)$", re.IGNORECASE)
NUMBER = re.compile(r"[-_]\d+$")  # of the second mask of an image: 1_mask_1.png
TURNED = 5  # EXIF orientations from here on swap width and height


def masks_among(images: Iterable[Path]) -> set[Path]:
    """Those that are called like another one with `_mask` behind."""
    names = {image.with_suffix(""): image for image in images}
    masks = {name: MASK_STEM.search(NUMBER.sub("", name.name)) for name in names}
    return {names[name] for name, end in masks.items() if end and name.parent / name.name[: end.start()] in names}


def have_one_size(pairs: Sequence[tuple[Path, Path]]) -> list[bool]:
    """Whether image and mask have one size, by their headers; what has no readable header is left to `check`."""
    with ThreadPoolExecutor() as pool:
        images = pool.map(_size, (image for image, _ in pairs))
        masks = pool.map(_size, (mask for _, mask in pairs))
        return [None in (image, mask) or image == mask for image, mask in zip(images, masks, strict=True)]


def _size(file: Path) -> tuple[int, int] | None:
    """Width and height of an image held upright."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            return (height, width) if orientation(image) >= TURNED else (width, height)
    except UNREADABLE:
        return None
