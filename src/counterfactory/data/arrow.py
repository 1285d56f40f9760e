"""Folders that `save_to_disk` of the `datasets` library wrote: Arrow files, mapped and never copied."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from counterfactory.data.columns import Part, collect, columns_of
from counterfactory.data.images import lies_in
from counterfactory.data.notes import features_of
from counterfactory.data.places import arrow_table
from counterfactory.data.problems import printable
from counterfactory.data.splits import split_name
from counterfactory.errors import BadData
from counterfactory.types import Collection, Problem

SPLITS, STATE, INFO = "dataset_dict.json", "state.json", "dataset_info.json"


def recognises(path: Path) -> bool:
    """A folder with the notes of one data set, or of a dictionary of them."""
    return (path / SPLITS).is_file() or ((path / STATE).is_file() and (path / INFO).is_file())


def read(path: Path) -> Collection:
    """Every row of every split; a single data set is the split that it was, or training data."""
    if (path / SPLITS).is_file():
        folders = {folder.name: folder for folder in _within(path, SPLITS, _json(path / SPLITS).get("splits"))}
    else:
        folders = {_json(path / STATE).get("_split") or "train": path}
    parts = []
    problems: dict[str, Problem] = {}
    for split, folder in folders.items():
        for file in _files(folder):
            schema = _table(file).schema
            features = _json(folder / INFO).get("features") or features_of(schema)
            columns, chosen = columns_of(schema, features, file)
            problems |= {said.what: said for said in chosen}
            name = split_name(split) or split
            parts.append(Part(split=name, path=file, scheme="arrow", columns=columns, batches=partial(_batches, file)))
    return collect(path, "Hugging Face save_to_disk", parts, tuple(problems.values()))


def _files(folder: Path) -> list[Path]:
    """The data files of one split, in order."""
    state = _json(folder / STATE)
    if state.get("_indices_data_files"):
        raise BadData(f"{printable(str(folder))} is a selection of rows; call flatten_indices() before save_to_disk().")
    files = state.get("_data_files")
    names = [file.get("filename") for file in files if isinstance(file, dict)] if isinstance(files, list) else None
    return [file.absolute() for file in _within(folder, STATE, names)]


def _within(folder: Path, notes: str, names: Any) -> list[Path]:
    """The paths that a folder's notes name, which lie in the folder."""
    if not isinstance(names, list) or not all(
        isinstance(name, str) and lies_in(folder / name, folder) for name in names
    ):
        raise BadData(f"{printable(str(folder / notes))} does not name what lies beside it; save the data set again.")
    return [folder / name for name in names]


def _json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text("utf-8"))
        if not isinstance(said, dict):
            raise ValueError("expected one object")
    except (OSError, ValueError) as error:
        raise BadData(f"{printable(str(path))} cannot be read ({error}); save the data set again.") from error
    return said


def _table(file: Path) -> pa.Table:
    try:
        return arrow_table(str(file))
    except (OSError, pa.ArrowException) as error:
        raise BadData(f"{printable(str(file))} cannot be read ({error}); save the data set again.") from error


def _batches(file: Path, columns: list[str]) -> Iterable[pa.RecordBatch]:
    table = _table(file)
    batches: Iterable[pa.RecordBatch] = (table.select(columns) if columns else table).to_batches()
    return batches
