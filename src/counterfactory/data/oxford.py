"""Oxford-IIIT Pets and Flowers102 as their authors distribute them: lists of names, and `.mat` files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from counterfactory.data.images import addresses, images_in
from counterfactory.data.labelled import Labelled, collect
from counterfactory.data.problems import below, printable, problem
from counterfactory.data.rows import read_text
from counterfactory.errors import BadData
from counterfactory.types import Collection, Problem

PET_SPLITS = {"train": "trainval.txt", "test": "test.txt"}
FLOWER_SPLITS = {"train": "trnid", "validation": "valid", "test": "tstid"}
FLOWERS = Path(__file__).parent / "flowers102_classes.txt"


def recognises(path: Path) -> bool:
    """The lists of either data set beside its folder of images."""
    return _is_pets(path) or _is_flowers(path)


def read(path: Path) -> Collection:
    """Every image that the lists name, in the splits that they say."""
    return _pets(path) if _is_pets(path) else _flowers(path)


def _is_pets(path: Path) -> bool:
    return (path / "images").is_dir() and all((path / "annotations" / name).is_file() for name in PET_SPLITS.values())


def _is_flowers(path: Path) -> bool:
    return (path / "jpg").is_dir() and (path / "imagelabels.mat").is_file() and (path / "setid.mat").is_file()


def _pets(path: Path) -> Collection:
    """Breeds by the names of the files; the trimap of a pet (1 pet, 2 background, 3 border) is its mask."""
    lines = [
        (split, *fields) for split, name in PET_SPLITS.items() for fields in _pet_list(path / "annotations" / name)
    ]
    trimaps = [path / "annotations" / "trimaps" / f"{stem}.png" for _, stem, _ in lines]
    masks, unread = addresses([trimap for trimap in trimaps if os.path.isfile(trimap)], path)
    rows = [
        Labelled(path=path / "images" / f"{stem}.jpg", label=_breed(stem), split=split, mask=masks.get(trimap))
        for (split, stem, _), trimap in zip(lines, trimaps, strict=True)
    ]
    numbers = {_breed(stem): number for _, stem, number in lines}
    order = tuple(sorted(numbers, key=numbers.__getitem__))
    return _collect(path, "Oxford-IIIT Pets", rows, list(unread), order)


def _pet_list(file: Path) -> list[tuple[str, int]]:
    """Stem and class number of each line: `Abyssinian_100 1 1 1`."""
    lines = [line.split() for line in read_text(file)[0].splitlines() if line.strip() and not line.startswith("#")]
    try:
        return [(fields[0], int(fields[1])) for fields in lines]
    except (IndexError, ValueError) as error:
        raise BadData(f"{printable(str(file))}: expected lines like 'Abyssinian_100 1 1 1' ({error}).") from error


def _breed(stem: str) -> str:
    return stem.rpartition("_")[0].replace("_", " ")


def _flowers(path: Path) -> Collection:
    """Numbers from 1 in both files: of images, and of classes whose names are public but not in the files."""
    names = FLOWERS.read_text("utf-8").splitlines()
    labels = _matrix(path / "imagelabels.mat", "labels")
    numbers = [(split, n) for split, name in FLOWER_SPLITS.items() for n in _matrix(path / "setid.mat", name)]
    if any(not 0 < n <= len(labels) or not 0 < labels[n - 1] <= len(names) for _, n in numbers):
        what = f"setid.mat and imagelabels.mat do not fit: {len(labels)} images have labels, of {len(names)} classes"
        raise BadData(f"{printable(str(path))}: {what}; fetch both again.")
    rows = [
        Labelled(path=path / "jpg" / f"image_{n:05d}.jpg", label=names[labels[n - 1] - 1], split=split)
        for split, n in numbers
    ]
    there = {row.label for row in rows}
    return _collect(path, "Flowers102", rows, [], tuple(name for name in names if name in there))


def _matrix(file: Path, name: str) -> Any:
    """One row of numbers."""
    from scipy.io import loadmat

    try:
        return np.asarray(loadmat(str(file))[name]).astype(int).ravel()
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise BadData(f"{printable(str(file))} should hold {name!r} and does not ({error}); fetch it again.") from error


def _collect(
    path: Path, kind: str, rows: Sequence[Labelled], problems: list[Problem], classes: tuple[str, ...]
) -> Collection:
    """The rows whose images are there."""
    missing = [below(row.path, path) for row in rows if not os.path.isfile(row.path)]
    listed = {row.path for row in rows}
    unlisted = [below(image, path) for image in images_in(rows[0].path.parent) if image not in listed] if rows else []
    problems += problem(missing, "in the lists, but no such file; skipped")
    problems += problem(unlisted, "an image that no list has; left out")
    return collect(path, kind, [row for row in rows if os.path.isfile(row.path)], problems, classes)
