"""A toy data set for the tests of classifiers: squares whose colour is their class, on noise."""

from pathlib import Path

import numpy as np
from PIL import Image

from counterfactory.keys import digest
from counterfactory.types import Address, Dataset, Sample
from counterfactory.worker import Worker

CLASSES = ("red", "green", "blue")


def squares(folder: Path, count: int, split: str = "train", size: int = 32) -> Dataset:
    """`count` images on disk, the classes by turns; two splits share no image."""
    generator = np.random.default_rng(sum(split.encode()))
    samples = tuple(
        Sample(image=drawn(folder / f"{split}-{number}.png", number % 3, generator, size), target=number % 3)
        for number in range(count)
    )
    return Dataset(samples=samples, classes=CLASSES, split=split)


def drawn(path: Path, channel: int, generator: np.random.Generator, size: int = 32) -> Address:
    """One square, written to a file."""
    pixels = generator.integers(60, 120, (size, size, 3), np.uint8)
    left, top = generator.integers(0, size // 2, 2)
    pixels[top : top + size // 2, left : left + size // 2, channel] = 250
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return Address(digest(path.read_bytes()), f"file:{path}")


def worker(folder: Path, processes: int = 1) -> Worker:
    """This process, one after the other."""
    return Worker(workspace=folder / "workspace", processes=processes)
