"""The names of splits: what folders, files and columns call them, and what they are called here."""

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

Row = TypeVar("Row")

ORDER = ("train", "validation", "test")
NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "validate": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
YEAR = re.compile(r"[-_]?\d{4}$")  # train2017


def split_name(text: str) -> str | None:
    """The split that a name stands for, or None; `test-x` and `test_x` are test splits of their own."""
    name = text.strip().lower()
    if re.match(r"test[-_].", name):
        return "test-" + name[5:]
    return NAMES.get(YEAR.sub("", name))


def shard_name(split: str) -> str:
    """A split in the name of a parquet file, as the `datasets` library allows it."""
    return split.replace("-", "_")


def parted(rows: Iterable[Row], split_of: Callable[[Row], str]) -> dict[str, list[Row]]:
    """Rows by their split: train, validation, test, then the others by name."""
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault(split_of(row), []).append(row)
    return dict(sorted(parts.items(), key=lambda part: (_rank(part[0]), part[0])))


def _rank(split: str) -> int:
    return ORDER.index(split) if split in ORDER else len(ORDER)
