"""Class folders, alone or below split folders: `cat/1.jpg` or `train/cat/1.jpg`. A class may have folders inside."""

import re
from collections.abc import Sequence
from pathlib import Path

from counterfactory.data.images import any_image_below, images_below, images_in, subfolders
from counterfactory.data.labelled import Labelled, collect
from counterfactory.data.masks import masks_among
from counterfactory.data.problems import below, listed, printable, problem
from counterfactory.data.splits import split_name
from counterfactory.data.tables import tables_in
from counterfactory.errors import BadData
from counterfactory.types import Collection, Problem

TABLE = "path and label"  # columns
FIRST_WORD = re.compile(r"[-_.]")  # ends it: train_images


def recognises(path: Path) -> bool:
    """A folder with a sub-folder that has an image somewhere."""
    return path.is_dir() and any(any_image_below(folder) for folder in subfolders(path))


def read(path: Path) -> Collection:
    """Every image under the name of its folder."""
    splits = split_folders(path)
    tops = splits or [path]
    rows = [row for top in tops for row in _rows(top, (split_name(top.name) if splits else None) or "train")]
    problems = [said for top in tops for said in _left_out(top, path)]
    masks = masks_among(row.path for row in rows)
    rows = [row for row in rows if row.path not in masks]
    problems += problem(
        sorted(below(mask, path) for mask in masks), "by its name the mask of an image beside it; left out"
    )
    if splits:
        others = [folder for folder in subfolders(path) if folder not in splits and any_image_below(folder)]
        problems += problem(
            (below(folder, path) for folder in others), "no split's name, beside folders that are; skipped"
        )
    unread = (file.name for file in tables_in(path))
    problems += problem(unread, f"a table that was not read; where it has the labels, call its columns {TABLE}")
    _refuse_what_is_no_class(path, {row.label for row in rows})
    return collect(path, "split and class folders" if splits else "class folders", rows, problems)


def split_folders(path: Path) -> list[Path]:
    """The folders that are splits: named like one, with folders inside, and no other folder looks like a class.

    `train` beside `bus` and `car` is a class.
    """
    tops = subfolders(path)
    named = [top for top in tops if split_name(top.name)]
    if any(images_in(top) for top in tops if top not in named):
        return []
    return named if any(any(map(any_image_below, subfolders(top))) for top in named) else []


def _rows(top: Path, split: str) -> list[Labelled]:
    return [
        Labelled(path=image, label=folder.name, split=split)
        for folder in subfolders(top)
        for image in images_below(folder)
    ]


def _left_out(top: Path, path: Path) -> Sequence[Problem]:
    """Images beside the class folders, and class folders without an image."""
    stray = (below(image, path) for image in images_in(top))
    empty = (below(folder, path) for folder in subfolders(top) if not any_image_below(folder))
    return (*problem(stray, "in no class folder; skipped"), *problem(empty, "a folder without images; left out"))


def _refuse_what_is_no_class(path: Path, labels: set[str]) -> None:
    """Splits without classes, images beside a table, and one folder around others, as unpacking often leaves it."""
    if labels and all(split_name(label) or split_name(FIRST_WORD.split(label)[0]) for label in labels):
        raise BadData(
            f"{printable(str(path))}: {listed(sorted(labels))} are names of splits, but hold images without a label. "
            "Put each class in a folder of its own inside, or beside the images a metadata.jsonl, "
            f"or a CSV with the columns {TABLE}."
        )
    inner = path / next(iter(labels), "")
    if len(labels) == 1 and (unread := listed(file.name for file in tables_in(path))):
        raise BadData(
            f"{printable(str(path))} holds images in one folder ({listed(labels)}) and a table that was not read "
            f"({unread}). Where it has the labels, call its columns {TABLE}; else each class wants a folder of its own."
        )
    if len(labels) == 1 and inner.is_dir() and recognises(inner):
        raise BadData(
            f"{printable(str(path))} holds one class only ({listed(labels)}), which has folders inside. "
            f"If those are the classes, give {printable(str(inner))}."
        )
