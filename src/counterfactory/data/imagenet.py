"""ImageNet-1k and parts of it: folders named by WordNet numbers, classes by readable names in the standard order."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from counterfactory.data.images import images_below, images_in, subfolders
from counterfactory.data.labelled import Labelled, collect
from counterfactory.data.problems import below, printable, problem
from counterfactory.data.rows import read_rows
from counterfactory.data.splits import split_name
from counterfactory.errors import BadData
from counterfactory.types import Collection, Problem

NUMBER = re.compile(r"n\d{8}")
NAMES = Path(__file__).parent / "imagenet_classes.txt"
SOLUTION = "LOC_val_solution.csv"  # labels of the validation images, where these lie flat
INSIDE = ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", ".")  # where the archives keep the images


def recognises(path: Path) -> bool:
    """Folders named by WordNet numbers, here or in the folders of splits, all of them ImageNet-1k's."""
    if not path.is_dir():
        return False
    folders = [folder.name for top in _tops(path).values() for folder in subfolders(top)]
    return bool(folders) and all(name in class_names() for name in folders)


def read(path: Path) -> Collection:
    """Every image under the name of its class; validation images without folders by the list of their labels."""
    rows: list[Labelled] = []
    problems: list[Problem] = []
    for split, top in _tops(path).items():
        flat = images_in(top)
        labels = _solution(path) if flat and split == "validation" else {}
        rows += [Labelled(path=image, label=labels[image.stem], split=split) for image in flat if image.stem in labels]
        rows += _in_folders(top, split)
        unlabelled = (below(image, path) for image in flat if image.stem not in labels)
        problems += problem(unlabelled, f"without a class folder or a row in {SOLUTION}; left out")
    there = {row.label for row in rows}
    classes = tuple(name for name in class_names().values() if name in there)
    return collect(path, "ImageNet", rows, problems, classes)


@cache
def class_names() -> Mapping[str, str]:
    """The readable name of each WordNet number, in the standard order."""
    return dict(line.split("\t") for line in NAMES.read_text("utf-8").splitlines())


def _tops(path: Path) -> dict[str, Path]:
    """The folder of each split; the path itself where the numbers lie in it."""
    for inside in INSIDE:
        root = path / inside
        named = {split: folder for folder in _folders(root) if (split := split_name(folder.name))}
        tops = {split: folder for split, folder in named.items() if any(map(_is_numbered, _folders(folder)))}
        if tops:
            return named
    return {"train": path} if any(map(_is_numbered, subfolders(path))) else {}


def _folders(path: Path) -> Sequence[Path]:
    return subfolders(path) if path.is_dir() else []


def _is_numbered(folder: Path) -> bool:
    return NUMBER.fullmatch(folder.name) is not None


def _in_folders(top: Path, split: str) -> list[Labelled]:
    return [
        Labelled(path=image, label=class_names()[folder.name], split=split)
        for folder in subfolders(top)
        for image in images_below(folder)
    ]


def _solution(path: Path) -> dict[str, str]:
    """The class of each validation image: its row starts with the number of the first object."""
    file = next((folder / SOLUTION for folder in (path, *path.parents[:3]) if (folder / SOLUTION).is_file()), None)
    if file is None:
        return {}
    table = read_rows(file)
    if not {"ImageId", "PredictionString"} <= set(table.columns):
        seen = printable(", ".join(table.columns))
        raise BadData(f"{printable(str(file))} has the columns {seen}; expected ImageId and PredictionString.")
    numbers = {row["ImageId"]: row["PredictionString"].split(" ")[0] for row in table.rows}
    return {image: class_names()[number] for image, number in numbers.items() if number in class_names()}
