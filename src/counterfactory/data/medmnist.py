"""MedMNIST's .npz files, and others of their form: images and labels of each split as arrays of one file."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from counterfactory.data.labels import absent_classes
from counterfactory.data.places import npz_images, npz_members
from counterfactory.data.problems import printable, problem
from counterfactory.errors import BadData
from counterfactory.keys import digest
from counterfactory.types import Address, Collection, Dataset, Sample, Target, Task

SPLITS = {"train": "train", "val": "validation", "test": "test"}
NAMES = Path(__file__).parent / "medmnist_classes.txt"
SIZE = re.compile(r"_\d+$")  # pathmnist_64.npz


def recognises(path: Path) -> bool:
    """Any .npz file: `read` says what one lacks."""
    return path.suffix.lower() == ".npz" and path.is_file()


def read(path: Path) -> Collection:
    """Every image of every split; grey or in colour, with one label each or with several."""
    labels = _labels(path)
    several = {split: marks.shape[1] > 1 for split, marks in labels.items()}
    if len(set(several.values())) > 1:
        raise BadData(f"{path}: some splits have several labels an image and some have one; expected the same for all.")
    task: Task = "multi-label" if any(several.values()) else "single-label"
    classes = _classes(path, labels, task == "multi-label")
    problems = problem(
        [f"{said}_images" for said in SPLITS if said not in labels], "not there, or without its labels; no such split"
    )
    splits = {}
    for said, marks in labels.items():
        addresses, targets = _addresses(path, f"{said}_images", len(marks)), _targets(marks)
        samples = (Sample(image=image, target=target) for image, target in zip(addresses, targets, strict=True))
        splits[SPLITS[said]] = Dataset(samples=tuple(samples), classes=classes, task=task, split=SPLITS[said])
    problems = (*problems, *absent_classes(splits))
    return Collection(name=printable(path.stem), kind="MedMNIST file", splits=splits, problems=problems)


def _labels(path: Path) -> dict[str, np.ndarray]:
    """The labels (N, 1) or (N, L) of those splits that have images too."""
    with npz_members(str(path)) as members:
        there = [said for said in SPLITS if {f"{said}_images", f"{said}_labels"} <= set(members)]
        if not there:
            seen = ", ".join(map(printable, sorted(members))) or "nothing"
            raise BadData(f"{path} holds {seen}; expected train_images and train_labels, as MedMNIST's files do.")
        found = {said: members[f"{said}_labels"] for said in there}
    for said, marks in found.items():
        is_whole = marks.dtype.kind in "iub" and marks.size and marks.astype(np.int64).min() >= 0
        if not is_whole or marks.ndim not in (1, 2):
            raise BadData(
                f"{path}: {said}_labels are {marks.dtype} {marks.shape}; expected whole numbers from 0, one an image, "
                "or a 0 or 1 for each label."
            )
    return {said: marks.reshape(len(marks), -1).astype(np.int64) for said, marks in found.items()}


def _classes(path: Path, labels: Mapping[str, np.ndarray], has_several: bool) -> tuple[str, ...]:
    """The published names where the file bears the set's name and has no more classes; else their numbers."""
    every = labels.values()
    if has_several and (len({marks.shape[1] for marks in every}) > 1 or any(marks.max() > 1 for marks in every)):
        raise BadData(f"{path}: labels of several columns may hold 0 and 1 only, and as many in each split.")
    count = next(iter(every)).shape[1] if has_several else 1 + max(int(marks.max()) for marks in every)
    lines = (line.partition(": ") for line in NAMES.read_text(encoding="utf-8").splitlines())
    published = {name: tuple(classes.split("; ")) for name, _, classes in lines}
    names = published.get(SIZE.sub("", path.stem.lower()), ())
    return names if len(names) >= count else tuple(map(str, range(count)))


def _addresses(path: Path, member: str, count: int) -> list[Address]:
    images = npz_images(str(path), member, path.stat().st_mtime_ns)
    if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
        raise BadData(
            f"{path}: {member} are {images.dtype} {images.shape}; expected bytes (N, height, width), or such with 3 "
            "colours: volumes are not understood."
        )
    if len(images) != count:
        raise BadData(f"{path}: {member} has {len(images)} images and {count} labels; fetch the file again.")
    return [Address(digest(image.tobytes()), f"npz:{path}#{member}#{row}") for row, image in enumerate(images)]


def _targets(marks: np.ndarray) -> list[Target]:
    """A number each, or 0 and 1 for each label."""
    return marks[:, 0].tolist() if marks.shape[1] == 1 else [tuple(row) for row in marks.tolist()]
