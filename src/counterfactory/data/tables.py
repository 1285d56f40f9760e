"""A CSV of path, label and perhaps split: given itself, or as the only one in a folder (or one for each split)."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from counterfactory.data.images import images_below, lies_in
from counterfactory.data.labelled import Labelled, collect, nothing_left
from counterfactory.data.problems import below, problem
from counterfactory.data.rows import LABEL, PATH, SPLIT, Rows, column, read_header, read_rows
from counterfactory.data.splits import split_name
from counterfactory.types import Collection, Problem

ENDINGS = (".csv", ".tsv")


def recognises(path: Path) -> bool:
    """A table with a column of paths and one of labels, or a folder that says clearly which one."""
    return bool(_tables(path))


def read(path: Path) -> Collection:
    """Every row whose file is there; paths are relative to the table, and only one given itself may name any."""
    folder = path if path.is_dir() else path.parent
    images = images_below(folder)
    rows: list[Labelled] = []
    problems: list[Problem] = []
    tables = _tables(path)
    for table in tables:
        content = read_rows(table)
        some, wrong = _labelled(content, table, images, is_given=table == path)
        rows += some
        problems += (*content.problems, *wrong)
    listed_files = {row.path for row in rows}
    others = (file.name for file in tables_in(folder) if path.is_dir() and file not in tables)
    problems += problem(others, "a table beside that of the labels; not read")
    unlisted = (below(image, folder) for image in images if image not in listed_files)
    problems += problem(unlisted, "an image that no row has; left out")
    if not rows:
        raise nothing_left(path, problems)
    return collect(path, "CSV table", rows, problems)


def _tables(path: Path) -> list[Path]:
    """The file itself; or the only table of labels in a folder; or those that are named after a split."""
    if path.is_file():
        return [path] if _has_labels(path) else []
    found = [file for file in tables_in(path) if _has_labels(file)]
    return found if len(found) == 1 else [file for file in found if split_name(file.stem)]


def tables_in(folder: Path) -> list[Path]:
    """The delimited files directly in a folder, whatever their columns."""
    files = (file for file in folder.iterdir() if file.name.lower().endswith(ENDINGS) and not file.name.startswith("."))
    return sorted(file for file in files if file.is_file())


def _has_labels(file: Path) -> bool:
    if not file.name.lower().endswith(ENDINGS):
        return False
    header = read_header(file)
    return column(header, PATH) is not None and column(header, LABEL) is not None


def _labelled(
    content: Rows, table: Path, images: Sequence[Path], is_given: bool
) -> tuple[list[Labelled], list[Problem]]:
    """The rows that have a file and a label, and what is wrong with the others."""
    path, label, split = (column(content.columns, names) for names in (PATH, LABEL, SPLIT))
    assert path is not None
    assert label is not None
    by_name = _unique_names(images)
    rows: dict[Path, Labelled] = {}
    wrong: dict[str, list[str]] = {}
    for row in content.rows:
        file = _file(row[path].strip(), table.parent, by_name)
        name = row[label].strip()
        if file is None:
            wrong.setdefault("in the table, but no such file; row skipped", []).append(row[path])
        elif not is_given and not lies_in(file, table.parent):
            what = "outside of the folder; skipped (give the table itself to have it read)"
            wrong.setdefault(what, []).append(row[path])
        elif not name:
            wrong.setdefault("a row without a label; skipped", []).append(row[path])
        elif file in rows and rows[file].label != name:
            wrong.setdefault("in the table with two labels; the first is kept", []).append(row[path])
        elif file in rows and rows[file].split != _split(row, split, table):
            wrong.setdefault("in the table for two splits; the first is kept", []).append(row[path])
        else:
            rows.setdefault(file, Labelled(path=file, label=name, split=_split(row, split, table)))
    return list(rows.values()), [said for what, names in wrong.items() for said in problem(names, what)]


def _split(row: Mapping[str, str], split: str | None, table: Path) -> str:
    """What the column of splits says, else what the table is named after; an unknown word is a split of its own."""
    if split is None:
        return split_name(table.stem) or "train"
    return split_name(row[split]) or row[split].strip() or "train"


def _file(text: str, folder: Path, by_name: Mapping[str, Path | None]) -> Path | None:
    """The file that a row means: relative to the table, or by its bare name where only one image has it."""
    for name in (text, _as_bytes(text)):
        path = folder / name
        if name and os.path.isfile(path):
            return Path(os.path.normpath(path))
        if name in by_name:
            return by_name[name]
    return None


def _as_bytes(text: str) -> str:
    """A name that was read as Latin-1, as the bytes that it stands for on the disk."""
    return os.fsdecode(text.encode("latin-1", "replace")).replace("\0", "")


def _unique_names(images: Sequence[Path]) -> dict[str, Path | None]:
    names: dict[str, Path | None] = {}
    for image in images:
        names[image.name] = None if image.name in names else image
    return names
