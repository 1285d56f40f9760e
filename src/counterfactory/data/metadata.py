"""Hugging Face image folders: a metadata.jsonl, .csv or .parquet with a file_name column, at the root or in each split.

What this project publishes is such a folder, with a `dataset.json` that fixes the classes and the task.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from counterfactory.data.images import addresses, images_below, lies_in, subfolders
from counterfactory.data.labelled import nothing_left
from counterfactory.data.labels import absent_classes
from counterfactory.data.masks import have_one_size
from counterfactory.data.problems import below, printable, problem
from counterfactory.data.records import (
    Row,
    classes_of,
    file_column,
    label_text,
    load_rows,
    mask_name,
    sample_of,
    task_of,
    weight_of,
    with_vectors,
)
from counterfactory.data.rows import read_header
from counterfactory.data.segments import segment_classes
from counterfactory.data.splits import parted, split_name
from counterfactory.errors import BadData
from counterfactory.publish import CARD, Card, find_card, name_of
from counterfactory.types import Address, Collection, Dataset, Problem, Sample

Found = Mapping[Path, Address]

NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A row with the file that it is about and the folder that it was said in."""

    folder: Path
    path: Path
    split: str
    row: Row
    where: str  # for messages

    @property
    def mask(self) -> Path | None:
        name = mask_name(self.row)
        return self.folder / name if name else None


def recognises(path: Path) -> bool:
    """A folder with such a file in it, or in a folder in it."""
    return bool(_files(path))


def read(path: Path) -> Collection:
    """Every row whose image is there, in the order of the rows."""
    published = _card(path)
    records, problems = _records(path, published is not None)
    masks = [mask for record in records if (mask := record.mask) and lies_in(mask, path) and os.path.isfile(mask)]
    found, wrong = addresses(list(dict.fromkeys([*(record.path for record in records), *masks])), path)
    problems = [*problems, *wrong, *_unlisted(path, records)]
    records = [record for record in records if record.path in found]
    if not records:
        raise nothing_left(path, problems)
    if published is None:
        records = _labelled_by_folder(records)
    card = published or _card_of(path, records, found)
    if published is None:
        problems += problem([CARD] if (path / CARD).is_file() else [], "not in the form of published data; not read")
        problems += _unlabelled(path, records, card)
        records = [record for record in records if not _lacks_label(record, card)]
    problems += _ill_sized(path, records, found)
    splits = {
        split: _dataset(split, some, card, found, published is not None)
        for split, some in parted(records, _split).items()
    }
    problems += absent_classes(splits)
    return Collection(
        name=printable(name_of(path)), kind="Hugging Face image folder", splits=splits, problems=tuple(problems)
    )


def _files(path: Path) -> list[tuple[Path, str | None]]:
    """Metadata files with the split that their folder stands for."""
    if not path.is_dir():
        return []
    if here := _file(path):
        return [(here, path.name if find_card(path.parent) else None)]
    return [(file, folder.name) for folder in subfolders(path) if (file := _file(folder))]


def _file(folder: Path) -> Path | None:
    """A metadata file; a metadata.csv without a column of file names is somebody's table (`tables`)."""
    for name in NAMES:
        file = folder / name
        if file.is_file() and (name != "metadata.csv" or file_column(dict.fromkeys(read_header(file)))):
            return file
    return None


def _card(path: Path) -> Card | None:
    """What was published beside the splits, seen from the whole or from one split."""
    return find_card(path) or find_card(path.parent)


def _records(path: Path, is_ours: bool) -> tuple[list[Record], list[Problem]]:
    records: list[Record] = []
    problems: list[Problem] = []
    for file, name in _files(path):
        rows, wrong = load_rows(file)
        problems += wrong
        split = name if is_ours or name is None else split_name(name) or name
        found = [_record(file, split, row, number) for number, row in enumerate(rows, 1)]
        records += filter(None, found)
        nameless = (f"{below(file, path)}, row {number}" for number, record in enumerate(found, 1) if record is None)
        problems += problem(nameless, "no file_name, which should name its image; row skipped")
    outside = (
        str(file) for record in records for file in (record.path, record.mask) if file and not lies_in(file, path)
    )
    problems += problem(outside, "outside of the folder that was given; not read")
    records = [record for record in records if lies_in(record.path, path)]
    missing = (below(record.path, path) for record in records if not os.path.isfile(record.path))
    problems += problem(missing, "in the metadata, but no such file; row skipped")
    lost = (below(record.mask, path) for record in records if record.mask and not os.path.isfile(record.mask))
    problems += problem(lost, "a mask that is not there; its image is kept without")
    return [record for record in records if os.path.isfile(record.path)], problems


def _record(file: Path, split: str | None, row: dict[str, Any], number: int) -> Record | None:
    """A row that names an image; nothing for one that does not."""
    where = f"{printable(str(file))}, row {number}"
    named = file_column(row)
    if named is None or not row[named]:
        return None
    name = Path(str(row[named]))
    try:
        row = with_vectors(row)
    except ValueError as error:
        raise BadData(f"{where}: {error}.") from error
    return Record(
        folder=file.parent, path=file.parent / name, split=split or _split_of(row, name), row=row, where=where
    )


def _split_of(row: Row, name: Path) -> str:
    """At the root, a split is said by a column or by the first folder of the file's name."""
    said = row.get("split") or (name.parts[0] if len(name.parts) > 1 else "")
    return split_name(str(said)) or (str(row["split"]) if row.get("split") else "train")


def _unlisted(path: Path, records: Sequence[Record]) -> tuple[Problem, ...]:
    """Images that no row names in any column, within the folders that have rows."""
    named = {record.path for record in records} | {record.mask for record in records}
    named |= {record.folder / str(value) for record in records for column, value in record.row.items()
              if column.endswith("_file_name") and value}  # fmt: skip
    folders = dict.fromkeys(record.folder for record in records)
    images = (image for folder in folders for image in images_below(folder))
    return problem((below(image, path) for image in images if image not in named), "an image that no row has; left out")


def _labelled_by_folder(records: list[Record]) -> list[Record]:
    """Where no row has a label, but the images lie in folders of several names: those are the classes."""
    rows = [record.row for record in records]
    folders = {record.path.parent.name for record in records if record.path.parent != record.folder}
    is_flat = any(record.path.parent == record.folder for record in records)
    if task_of(rows) != "single-label" or any(map(label_text, rows)) or is_flat or len(folders) < 2:
        return records
    if any(map(split_name, folders)):
        return records
    return [replace(record, row={**record.row, "label": record.path.parent.name}) for record in records]


def _card_of(path: Path, records: Sequence[Record], found: Found) -> Card:
    """Classes and task as the rows have them."""
    rows = [record.row for record in records]
    task = task_of(rows)
    if task == "segmentation":
        masks = [mask for record in records if (mask := _mask(record, found))]
        return Card(classes=segment_classes(path, masks)[0], task=task)
    try:
        classes = classes_of(rows)
    except ValueError as error:
        raise BadData(f"{printable(str(path))}: {error}.") from error
    return Card(classes=classes, task=task)


def _unlabelled(path: Path, records: Sequence[Record], card: Card) -> tuple[Problem, ...]:
    if not card.classes and card.task == "single-label":
        return (Problem(where="metadata", what="no row has a label; add a column label to train a classifier"),)
    lacking = (below(record.path, path) for record in records if _lacks_label(record, card))
    return problem(lacking, "a row without a label; skipped")


def _lacks_label(record: Record, card: Card) -> bool:
    """Whether other rows have a label and this one has none."""
    return bool(card.classes) and card.task == "single-label" and label_text(record.row) is None


def _ill_sized(path: Path, records: Sequence[Record], found: Found) -> tuple[Problem, ...]:
    pairs = [(record.path, record.mask) for record in records if record.mask and record.mask in found]
    differ = (below(image, path) for (image, _), fits in zip(pairs, have_one_size(pairs), strict=True) if not fits)
    return problem(differ, "image and mask differ in size; bring them to one")


def _split(record: Record) -> str:
    return record.split


def _dataset(split: str, records: Sequence[Record], card: Card, found: Found, is_ours: bool) -> Dataset:
    samples: list[Sample] = []
    weights: list[float] = []
    for record in records:
        try:
            image, mask = found[record.path], _mask(record, found)
            samples.append(sample_of(record.row, image, mask, card, is_ours))
            weights.append(weight_of(record.row))
        except (ValueError, TypeError) as error:
            raise BadData(f"{record.where}: {error}.") from error
    return Dataset(
        samples=tuple(samples),
        classes=card.classes,
        task=card.task,
        split=split,
        weights=None if all(weight == 1 for weight in weights) else tuple(weights),
    )


def _mask(record: Record, found: Found) -> Address | None:
    return found.get(record.mask) if record.mask else None
