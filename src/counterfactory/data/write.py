"""A published folder in the forms that other programs expect: parquet, WebDataset, CSV. Holds one batch in memory."""

import csv
import io
import json
import os
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pyarrow import parquet

from counterfactory.data.images import lies_in
from counterfactory.data.notes import OURS, SPLIT
from counterfactory.data.problems import listed
from counterfactory.data.splits import parted, shard_name
from counterfactory.errors import BadConfig, BadData, DiskTrouble, writing
from counterfactory.publish import CARD, ROWS, Card, read_card

Format = Literal["imagefolder", "parquet", "webdataset", "csv"]
Row = dict[str, Any]

SHARD = 256 * 2**20  # bytes of images in one file
GROUP = 32 * 2**20  # of these in one row group: what is in memory at a time
PLAIN = {"label": pa.int64(), "weight": pa.float64(), "seed": pa.int64(), "soft_label": pa.list_(pa.float64())}
PLAIN |= {"labels": pa.list_(pa.int64())}
PICTURE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
PICTURES = {"file_name": "image", "mask": "mask"}  # columns of files, and what they are called as images


def export(folder: Path, out: Path, format: Format) -> Path:
    """Write a published folder in another form to a new or empty folder."""
    write = {"imagefolder": _image_folder, "parquet": _parquet, "webdataset": _webdataset, "csv": _csv}[format]
    card, splits = read_card(folder), _splits(folder)
    with new_folder(out) as part:
        write(splits, part, card)
    return out


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which stands at its place when all is written and not before."""
    out = Path(os.path.abspath(out))
    if out == Path.cwd():
        raise BadConfig(f"{out} is the current folder, which cannot be replaced; give a new one.")
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise BadConfig(f"{out} is not empty; give a new folder, so that nothing is mixed or replaced.")
    part = out.with_name(f".{out.name}.part")
    with writing(out):
        try:
            shutil.rmtree(part, ignore_errors=True)
            _made(part)
            yield part
            if out.exists():
                out.rmdir()
            part.rename(out)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except FileNotFoundError as error:
        raise DiskTrouble(f"{folder.parent} is no place where a folder can be made; give another.") from error


def _splits(folder: Path) -> Sequence[Path]:
    """The folder of each split: train, validation, test, then the others."""
    there = [file.parent for file in sorted(folder.glob(f"*/{ROWS}"))]
    if not there:
        raise BadData(f"{folder} has no split with a {ROWS}; publish it first.")
    return [folder for folders in parted(there, lambda split: split.name).values() for folder in folders]


def _rows(split: Path) -> Iterator[Row]:
    with (split / ROWS).open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            for name in filter(None, map(row.get, PICTURES)):
                if not lies_in(split / name, split):
                    raise BadData(f"{split / ROWS} names {name!r}, which lies outside of its folder; publish it again.")
            yield row


def _image_folder(splits: Sequence[Path], out: Path, _card: Card) -> None:
    """The same once more."""
    for file in splits[0].parent.iterdir():
        if file.is_file():
            shutil.copyfile(file, out / file.name)
    for split in splits:
        shutil.copytree(split, out / split.name, copy_function=shutil.copyfile)


def _parquet(splits: Sequence[Path], out: Path, card: Card) -> None:
    """Hugging Face's layout, with the classes as features in the schema, and ours beside for lossless reading."""
    (out / "data").mkdir()
    _refuse_one_name([split.name for split in splits])
    for split in splits:
        total = sum(1 for _ in _portions(split, SHARD))
        name = shard_name(split.name)
        for number, rows in enumerate(_portions(split, SHARD)):
            schema = _schema(rows[0], card, split.name)
            path = out / "data" / f"{name}-{number:05d}-of-{total:05d}.parquet"
            with parquet.ParquetWriter(path, schema) as file:
                for group in _filled(rows, split, GROUP):
                    file.write_table(_table(group, split, schema, card))


def _refuse_one_name(splits: Sequence[str]) -> None:
    """Splits whose names differ by what the names of parquet files may not hold would be written over each other."""
    alike = [split for split in splits if [*map(shard_name, splits)].count(shard_name(split)) > 1]
    if alike:
        raise BadConfig(f"The splits {listed(alike)} have one name in parquet; choose another --format.")


def _portions(split: Path, limit: int) -> Iterator[list[Row]]:
    """The rows of a split, cut where their images fill a file."""
    return _filled(_rows(split), split, limit)


def _filled(rows: Iterator[Row] | list[Row], split: Path, limit: int) -> Iterator[list[Row]]:
    portion: list[Row] = []
    size = 0
    for row in rows:
        portion.append(row)
        size += (split / row["file_name"]).stat().st_size
        if size >= limit:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _schema(row: Row, card: Card, split: str) -> pa.Schema:
    """The columns of a row with their types, and what the `datasets` library calls features."""
    kinds = {PICTURES.get(name, name): PICTURE if name in PICTURES else PLAIN.get(name, pa.string()) for name in row}
    features = {name: _feature(name, kind, card) for name, kind in kinds.items()}
    ours = {**asdict(card), SPLIT: split}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}), OURS: json.dumps(ours)}
    return pa.schema(list(kinds.items()), metadata=metadata)


def _feature(name: str, kind: pa.DataType, card: Card) -> Mapping[str, Any]:
    if kind == PICTURE:
        return {"_type": "Image"}
    if name == "label" and card.classes:
        return {"names": list(card.classes), "_type": "ClassLabel"}
    if pa.types.is_list(kind):
        return {"feature": {"dtype": _dtype(kind.value_type), "_type": "Value"}, "_type": "List"}
    return {"dtype": _dtype(kind), "_type": "Value"}


def _dtype(kind: pa.DataType) -> str:
    return "float64" if kind == pa.float64() else str(kind)


def _table(rows: Sequence[Row], split: Path, schema: pa.Schema, card: Card) -> pa.Table:
    """Rows with the bytes of their files; empty text and no seed are nulls here, as columns have types."""
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for row in rows:
        for name, value in row.items():
            columns[PICTURES.get(name, name)].append(_value(name, value, split, card))
    return pa.table(columns, schema=schema)


def _value(name: str, value: Any, split: Path, card: Card) -> Any:
    if name in PICTURES:
        return {"bytes": (split / value).read_bytes(), "path": Path(value).name} if value else None
    if name == "label":
        return card.numbers.get(value, -1)
    if name == "seed":
        return None if value < 0 else value
    return None if value == "" else value


def _webdataset(splits: Sequence[Path], out: Path, card: Card) -> None:
    """Tar files of `key.jpg`, `key.cls`, `key.json` and perhaps `key.mask.png`, the same bytes at any time.

    Every key has the same endings, as other readers expect: those of most images, whatever the others are.
    """
    (out / CARD).write_bytes((splits[0].parent / CARD).read_bytes())
    endings = _endings(row for split in splits for row in _rows(split))
    for split in splits:
        keys = count(1)
        for number, rows in enumerate(_portions(split, SHARD)):
            with tarfile.open(out / f"{split.name}-{number:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
                for row, key in zip(rows, keys, strict=False):
                    for ending, data in _members(row, split, endings, card):
                        _add(tar, f"{key:08d}.{ending}", data)


def _endings(rows: Iterator[Row]) -> Mapping[str, str]:
    """What files are called in each key: images, labels, and masks, which are plain bytes where some have none."""
    images: Counter[str] = Counter()
    masks: Counter[str] = Counter()
    labelled = False
    for row in rows:
        images[Path(row["file_name"]).suffix] += 1
        masks[Path(row.get("mask") or "").suffix] += 1
        labelled = labelled or bool(row["label"])
    found = {"file_name": images.most_common(1)[0][0][1:]}
    if set(masks) != {""}:
        found["mask"] = "mask" if "" in masks else f"mask{masks.most_common(1)[0][0]}"
    return {**found, "label": "cls"} if labelled else found


def _members(row: Row, split: Path, endings: Mapping[str, str], card: Card) -> Iterator[tuple[str, bytes]]:
    """What belongs to one key; the row itself without its files."""
    for name in PICTURES:
        if name in endings:
            yield endings[name], (split / row[name]).read_bytes() if row.get(name) else b""
    if "label" in endings:
        yield endings["label"], str(card.numbers.get(row["label"], -1)).encode()
    said = {name: value for name, value in row.items() if name not in PICTURES}
    yield "json", json.dumps(said, ensure_ascii=False).encode()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _csv(splits: Sequence[Path], out: Path, _card: Card) -> None:
    """One table of all splits beside a folder with the images."""
    first = next(_rows(splits[0]), {})
    columns = ["path", "label", "split", *(name for name in first if name not in {"file_name", "label"})]
    with (out / "data.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        for split in splits:
            shutil.copytree(split, out / "images" / split.name, copy_function=shutil.copyfile)
            (out / "images" / split.name / ROWS).unlink()
            table.writerows(_line(row, split.name) for row in _rows(split))


def _line(row: Row, split: str) -> Row:
    """A row with paths from the table; lists and mappings as JSON text."""
    said = {name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()}
    name, mask = said.pop("file_name"), said.get("mask")
    masks = {"mask": f"images/{split}/{mask}"} if mask else {}
    return {**said, **masks, "path": f"images/{split}/{name}", "split": split}
