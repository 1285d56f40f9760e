"""Parquet files as Hugging Face lays them out (`train-00000-of-00001.parquet`, perhaps in `data`), or one alone."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from counterfactory.data.columns import Part, collect, columns_of
from counterfactory.data.images import subfolders
from counterfactory.data.notes import features_of, split_of
from counterfactory.data.problems import listed, printable
from counterfactory.data.splits import shard_name, split_name
from counterfactory.errors import BadData
from counterfactory.types import Collection, Problem

SHARD = re.compile(r"(.+?)-\d{5}-of-\d{5}(-[0-9a-f]+)?")
ROWS = 1024  # read at a time: what one batch of images takes is what reading takes


def recognises(path: Path) -> bool:
    """A parquet file, or a folder with some: in it, in its `data`, or in a folder for each split."""
    return bool(_files(path))


def read(path: Path) -> Collection:
    """Every row of every file."""
    parts = []
    problems: dict[str, Problem] = {}
    for file in _files(path):
        schema = _schema(file)
        columns, chosen = columns_of(schema, features_of(schema), file)
        problems |= {said.what: said for said in chosen}
        parts.append(
            Part(
                split=_split(file, path, schema),
                path=file,
                scheme="parquet",
                columns=columns,
                batches=partial(_batches, file),
            )
        )
    return collect(path, "Hugging Face parquet", parts, tuple(problems.values()))


def _files(path: Path) -> list[Path]:
    """All files of the one table that a path holds."""
    if path.is_file():
        return [path.absolute()] if path.suffix == ".parquet" else []
    folders = [path, *(folder for top in subfolders(path) for folder in (top, *subfolders(top)))]
    found = {folder: files for folder in folders if (files := _files_in(folder))}
    tables = {_table(folder, path) for folder in found}
    if len(tables) > 1:
        names = listed(sorted(str(table.relative_to(path)) for table in tables))
        raise BadData(f"{printable(str(path))} holds several tables ({names}); give the folder of one of them.")
    return [file.absolute() for files in found.values() for file in files]


def _files_in(folder: Path) -> list[Path]:
    """Parquet files directly in a folder; `metadata.parquet` stands beside images and holds none."""
    return sorted(file for file in folder.glob("*.parquet") if file.is_file() and file.name != "metadata.parquet")


def _table(folder: Path, root: Path) -> Path:
    """The folder that a whole table lies in: folders of splits, and `data`, are parts of it."""
    is_part = folder != root and (folder.name == "data" or split_name(folder.name) is not None)
    return _table(folder.parent, root) if is_part else folder


def _split(file: Path, root: Path, schema: pa.Schema) -> str:
    """The split in a file's name, as its notes spell it; else that of its folder below the root, else train."""
    shard = SHARD.fullmatch(file.stem)
    split = split_of(schema)
    if shard and split and shard_name(split) == shard[1]:
        return split
    if shard:
        return split_name(shard[1]) or shard[1]
    folder = "" if root.absolute() in (file, file.parent) else file.parent.name
    return split_name(file.stem) or split_name(folder) or "train"


def _schema(file: Path) -> pa.Schema:
    try:
        return parquet.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        with file.open("rb") as stream:
            is_pointer = stream.read(11) == b"version htt"
        reason = "a Git LFS pointer, not the file itself: run `git lfs pull`" if is_pointer else f"damaged: {error}"
        raise BadData(f"{printable(str(file))} cannot be read ({reason}).") from error


def _batches(file: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        yield from parquet.ParquetFile(file).iter_batches(ROWS, columns=columns or None)
    except (OSError, pa.ArrowException) as error:
        raise BadData(f"{printable(str(file))} cannot be read (damaged: {error}); fetch it again.") from error
