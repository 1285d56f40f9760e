"""Text files with rows: their encoding, their delimiter and their columns. Knows nothing of images."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from counterfactory.data.problems import printable
from counterfactory.errors import BadData
from counterfactory.types import Problem

HEAD = 65536  # bytes in which the first line should end
DELIMITERS = (",", "\t", ";", "|")
PATH = (
    "path",
    "file_path",
    "filepath",
    "file",
    "file_name",
    "filename",
    "image",
    "image_path",
    "image_name",
    "image_id",
)
LABEL = ("label", "label_name", "class", "class_name", "category", "target")
SPLIT = ("split", "subset", "partition", "set")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A table: column names as they are written, rows by column name, and what was wrong with the file."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    problems: tuple[Problem, ...] = ()


def read_rows(path: Path) -> Rows:
    """A delimited file with a header; fields that a row lacks are empty."""
    text, problems = read_text(path)
    lines = io.StringIO(text, newline="").readlines()  # splitlines would also cut at what a field may hold
    try:
        reader = csv.reader(lines, delimiter=delimiter(lines[0] if lines else ""), strict=True)
        table = [row for row in reader if any(field.strip() for field in row)]
    except csv.Error as error:
        raise BadData(f"{printable(str(path))}: cannot be read as a table ({error}).") from error
    if not table:
        raise BadData(f"{printable(str(path))} is empty; its first line should name the columns.")
    columns = tuple(name.strip() for name in table[0])
    rows = tuple(dict(zip(columns, (*row, *[""] * len(columns)), strict=False)) for row in table[1:])
    return Rows(columns=columns, rows=rows, problems=problems)


def read_header(path: Path) -> tuple[str, ...]:
    """The column names of a delimited file, from its first line alone."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
    lines = decoded(head[: head.rfind(b"\n") + 1] or head)[0].splitlines()
    line = lines[0] if lines else ""
    return tuple(name.strip().strip('"') for name in line.split(delimiter(line)))


def read_text(path: Path) -> tuple[str, tuple[Problem, ...]]:
    """The text of a file, and a problem where its encoding had to be guessed."""
    try:
        text, is_guess = decoded(path.read_bytes())
    except OSError as error:
        raise BadData(f"{printable(str(path))} cannot be read ({error.strerror}).") from error
    what = "not UTF-8; read as Latin-1, so letters with accents may be wrong: save it as UTF-8"
    return text, (Problem(where=printable(path.name), what=what),) if is_guess else ()


def decoded(data: bytes) -> tuple[str, bool]:
    """Text from bytes, and whether its encoding is a guess."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace"), False
    try:
        return data.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        return data.decode("latin-1"), True


def delimiter(header: str) -> str:
    """The delimiter that makes most columns of a header."""
    return max(DELIMITERS, key=header.count)


def column(columns: Iterable[str], synonyms: Iterable[str]) -> str | None:
    """The column that goes by one of these names, whatever its case; earlier names win."""
    plain = {re.sub(r"[\s-]+", "_", name.strip().lower()): name for name in columns}
    return next((plain[name] for name in synonyms if name in plain), None)
