"""Any labelled image set as a collection: recognises what a path is, without being told."""

import difflib
import os
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from counterfactory.data.images import images_in, passed_over
from counterfactory.data.problems import listed, printable
from counterfactory.data.rows import LABEL, PATH, read_header
from counterfactory.data.tables import ENDINGS
from counterfactory.errors import BadData
from counterfactory.types import Collection

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
LOOKED_AT = 1000  # files that are counted for an error
COLUMNS = 20  # of a table that are named in one


class Reader(Protocol):
    """A module that knows one kind of data."""

    def recognises(self, path: Path) -> bool: ...

    def read(self, path: Path) -> Collection: ...


def read(source: str) -> Collection:
    """What lies at a path, or the world that `diorama:` and its options describe."""
    if source == "diorama" or source.startswith("diorama:"):
        from counterfactory.data import diorama

        return diorama.read(source.partition(":")[2])
    if not source:
        raise BadData("No data given; expected a folder, a file or `diorama:`.")
    path = Path(os.path.abspath(os.path.expanduser(source)))  # pathlib's own raises where nobody has that name
    try:
        _refuse_what_is_no_file(path)
        return _read(path)
    except PermissionError as error:
        raise BadData(f"{_closed(Path(error.filename))} may not be read; give yourself the right to.") from error


def readers() -> Mapping[str, Reader]:
    """Every kind that is understood, the most specific first: a later one would often read an earlier one wrongly.

    Files that say what they are come before names that only look like something, and plain class folders come last.
    """
    from counterfactory.data import (
        arrow,
        celeba,
        cifar,
        coco,
        folders,
        imagenet,
        medmnist,
        metadata,
        oxford,
        pairs,
        parquet,
        tables,
        webdataset,
    )

    return {
        "a Hugging Face image folder (metadata.jsonl, .csv or .parquet beside the images)": metadata,
        "a Hugging Face data set left by save_to_disk": arrow,
        "CelebA's attribute table (list_attr_celeba.csv or .txt)": celeba,
        "COCO annotations (annotations/instances_*.json or _annotations.coco.json)": coco,
        "Oxford Pets or Flowers102 as distributed": oxford,
        "ImageNet (folders named like n01440764)": imagenet,
        "CIFAR binary files": cifar,
        "a MedMNIST file (.npz with train_images, train_labels, ...)": medmnist,
        "Hugging Face parquet files": parquet,
        "WebDataset (tar files of images with a .cls or .json beside each)": webdataset,
        "a CSV with the columns path, label and perhaps split": tables,
        "image and mask pairs (images/ and masks/, or x.jpg and x_mask.png)": pairs,
        "class folders (cat/1.jpg), alone or in split folders (train/cat/1.jpg)": folders,
    }


def _read(path: Path) -> Collection:
    """What the first reader finds that knows a path; what none looks at is a problem of the data, or why they fail."""
    problems = passed_over(path)
    kinds = readers()
    try:
        reader = next((reader for reader in kinds.values() if reader.recognises(path)), None)
        if reader is None:
            raise _unrecognised(path, list(kinds))
        found = reader.read(path)
    except BadData as error:
        raise BadData(" ".join([*(f"{said.where}: {said.what}." for said in problems), str(error)])) from error
    return replace(found, problems=(*found.problems, *problems))


def _refuse_what_is_no_file(path: Path) -> None:
    try:
        kind = path.stat().st_mode
    except PermissionError:
        raise
    except (OSError, ValueError):  # also a name that is longer than any may be, or holds a null
        raise _absent(path) from None
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise BadData(f"{printable(str(path))} is neither a file nor a folder; expected images and their labels.")


def _absent(path: Path) -> BadData:
    """Names the nearest path that is there."""
    parent = path.parent
    while not parent.is_dir():
        path, parent = parent, parent.parent
    near = difflib.get_close_matches(path.name, os.listdir(parent), n=1, cutoff=0.5)
    hint = f" Did you mean {parent / near[0]}?" if near else f" {parent} is there, but has nothing of a similar name."
    return BadData(printable(f"There is nothing at {path}.{hint}"))


def _closed(path: Path) -> str:
    """What on the way to a path bars it: the outermost folder, else the file."""
    barred = (folder for folder in reversed(path.parents) if not os.access(folder, os.R_OK | os.X_OK))
    return printable(str(next(barred, path)))


def _unrecognised(path: Path, kinds: list[str]) -> BadData:
    """Says what was seen and what would have been understood."""
    name = printable(str(path))
    if path.name.lower().endswith(ARCHIVES):
        return BadData(f"{name} is an archive; unpack it and give the folder.")
    if path.is_dir() and not any(path.iterdir()):
        return BadData(f"{name} is an empty folder; expected images and their labels.")
    there = [path] if path.is_file() else sorted(path.iterdir())
    if tables := [file for file in there if file.is_file() and file.name.lower().endswith(ENDINGS)]:
        return _without_columns(tables[0])
    known = "".join(f"\n  - {kind}" for kind in kinds)
    alone = "\nImages without labels want a metadata.csv beside them that names each in a column file_name."
    hint = alone if path.is_dir() and images_in(path) else ""
    return BadData(f"{name} is not a data set that is understood: seen {_seen(path)}. Understood are:{known}{hint}")


def _without_columns(table: Path) -> BadData:
    """Says which columns a table has and which it lacks."""
    seen = printable(", ".join(repr(name) for name in read_header(table)[:COLUMNS]))
    return BadData(
        f"{printable(str(table))} has the columns {seen}; expected one with the file names, "
        f"called {' or '.join(PATH)}, and one with the labels, called {' or '.join(LABEL)}."
    )


def _seen(path: Path) -> str:
    """The kinds of files there, the commonest first."""
    if path.is_file():
        return f"a file that ends in {printable(path.suffix) or 'nothing'}"
    endings: Counter[str] = Counter()
    for _, folders, files in os.walk(path):
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        endings.update(os.path.splitext(file)[1].lower() or "no ending" for file in files if not file.startswith("."))
        if endings.total() > LOOKED_AT:
            break
    return listed(f"{count} x {ending}" for ending, count in endings.most_common()) or "folders without files"
