"""Small picture files for the tests of readers: each differs from the others unless the same seed is asked for."""

import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def picture(path: Path, size: tuple[int, int] = (8, 8), seed: int | None = None, mode: str = "RGB") -> Path:
    """A file of noise that its path, or the seed, decides; width and height as in `size`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(zlib.crc32(str(path).encode("utf-8", "surrogateescape")) if seed is None else seed)
    image = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), np.uint8)).convert(mode)
    image.save(path)
    return path


def mask(path: Path, numbers: list[int], size: tuple[int, int] = (8, 8)) -> Path:
    """A grey PNG whose pixels hold these numbers in turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.resize(np.array(numbers, np.uint8), (size[1], size[0]))).save(path)
    return path


def class_folders(root: Path, classes: str = "cat dog", count: int = 3) -> Path:
    """`cat/0.png`, `cat/1.png`, ..."""
    for name in classes.split():
        for number in range(count):
            picture(root / name / f"{number}.png")
    return root


def lines(path: Path, *rows: object) -> Path:
    """A JSON lines file of dictionaries, or a text file of strings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
    return path


def said(collection) -> str:
    """All problems as one text to search in."""
    return "\n".join(f"{problem.where}: {problem.what}" for problem in collection.problems)


def labels(collection, split: str = "train") -> list[str]:
    """The class names of a split's samples, in order."""
    return [collection.classes[sample.target] for sample in collection.splits[split].samples]


def counts(collection) -> dict[str, int]:
    """The number of samples in each split, in order of the splits."""
    return {split: len(dataset) for split, dataset in collection.splits.items()}
