"""What the columns of an image table mean, and its rows as a collection. Knows Arrow."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from counterfactory.data.images import lies_in
from counterfactory.data.labelled import nothing_left
from counterfactory.data.labels import absent_classes, class_order
from counterfactory.data.notes import card_of, class_names
from counterfactory.data.places import image_bytes
from counterfactory.data.problems import printable, problem
from counterfactory.data.records import sample_of, weight_of
from counterfactory.data.splits import parted
from counterfactory.errors import BadData
from counterfactory.keys import digest
from counterfactory.publish import Card
from counterfactory.types import Address, Collection, Dataset, Problem, Sample, Task

IMAGES = ("image", "img", "picture", "photo", "pixel_values", "jpg", "png")
LABELS = ("fine_label", "label", "labels", "fine_labels", "class", "category", "target", "coarse_label")
CAPTIONS = ("caption", "text", "captions", "prompt_text", "description")
MASKS = ("mask", "segmentation", "segmentation_mask", "annotation", "label_mask")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column says what; class names where the table has them."""

    image: str
    label: str | None
    names: tuple[str, ...] | None = None
    is_list: bool = False
    caption: str | None = None
    mask: str | None = None
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # other columns of classes
    card: Card | None = None  # in our own tables, where the other columns are those of a published row


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file of a split: where it lies, what its columns mean, and its record batches (of some columns)."""

    split: str
    path: Path
    scheme: str
    columns: Columns
    batches: Callable[[list[str]], Iterable[pa.RecordBatch]]


def columns_of(schema: pa.Schema, features: Mapping[str, Any], where: Path) -> tuple[Columns, tuple[Problem, ...]]:
    """What each column means, and where that had to be chosen."""
    images = [name for name in schema.names if _is_image(schema.field(name).type, features.get(name))]
    image = _first(images, IMAGES)
    if image is None:
        lists = [name for name in schema.names if _is_list_of_images(schema.field(name).type)]
        raise BadData(
            f"{printable(str(where))} has no column of encoded images among {', '.join(schema.names)}"
            + (f", and {lists[0]!r} holds lists of images: write a row for each" if lists else "")
            + "; expected one of structures with 'bytes', or of bytes, best called 'image'."
        )
    mask = next((name for name in MASKS if name in images and name != image), None)
    ours = card_of(schema, where)
    if ours:
        return Columns(image=image, label="label", names=ours.classes, mask=mask, card=ours), ()
    named = {name: names for name in schema.names if (names := class_names(features.get(name)))}
    label, problems = _label(schema, named, where)
    columns = Columns(
        image=image,
        label=label,
        names=named.get(label),
        is_list=pa.types.is_list(schema.field(label).type),
        caption=next(
            (name for name in CAPTIONS if name in schema.names and pa.types.is_string(schema.field(name).type)), None
        ),
        mask=mask,
        facts={
            name: names
            for name, names in named.items()
            if name != label and not pa.types.is_list(schema.field(name).type)
        },
    )
    return columns, problems


def collect(root: Path, kind: str, parts: Sequence[Part], problems: Sequence[Problem] = ()) -> Collection:
    """All rows with an image and a label, by split."""
    wrong: dict[str, list[str]] = {}
    rows = {
        split: [row for part in files for row in _rows(part, wrong)]
        for split, files in parted(parts, lambda p: p.split).items()
    }
    problems = (*problems, *(said for what, names in wrong.items() for said in problem(names, what)))
    kept = {split: found for split, found in rows.items() if found}
    if not kept:
        raise nothing_left(root, problems)
    card = _card(parts, [row["label"] for found in kept.values() for _, _, row in found], root)
    splits = {split: _dataset(found, split, card) for split, found in kept.items()}
    problems = (*problems, *absent_classes(splits))
    return Collection(name=printable(root.stem), kind=kind, splits=splits, problems=problems)


Found = tuple[Address, Address | None, dict[str, Any]]


def _rows(part: Part, wrong: dict[str, list[str]]) -> Iterator[Found]:
    """Addresses and plain values of each row that can be used; names of the others go to `wrong`."""
    columns = part.columns
    start = 0
    for batch in part.batches(_wanted(part)):
        table = pa.Table.from_batches([batch])
        images = _addresses(part, table, columns.image, start)
        masks = _addresses(part, table, columns.mask, start) if columns.mask else [None] * len(batch)
        pictures = {columns.image, columns.mask}
        plain = table.select([name for name in table.column_names if name not in pictures]).to_pylist() or [{}] * len(
            batch
        )
        for index, (image, mask, row) in enumerate(zip(images, masks, plain, strict=True), start):
            label = row if columns.card else _said(row, columns)
            if image is None:
                wrong.setdefault("no image in this row, nor in the table's folder; skipped", []).append(
                    f"{part.path.name} row {index}"
                )
            elif columns.card is None and label["label"] is None:
                wrong.setdefault("no label in this row (a name or a whole number); skipped", []).append(
                    f"{part.path.name} row {index}"
                )
            else:
                yield image, mask, label
        start += len(batch)


def _wanted(part: Part) -> list[str]:
    columns = part.columns
    if columns.card:
        return []
    return [name for name in (columns.image, columns.label, columns.caption, columns.mask, *columns.facts) if name]


def _addresses(part: Part, table: pa.Table, column: str, start: int) -> list[Address | None]:
    """The address of each image of a column; a file that is only named is looked for beside the table."""
    place = f"{part.scheme}:{part.path}#{column}#"
    values = table.column(column)
    found: list[Address | None] = []
    for row, data in enumerate(image_bytes(values), start):
        if data.is_valid:
            found.append(Address(digest(data.as_buffer()), f"{place}{row}"))
        else:
            found.append(_beside(part.path, values[row - start].as_py()))
    return found


def _beside(table: Path, said: Any) -> Address | None:
    name = said.get("path") if isinstance(said, dict) else None
    path = table.parent / name if name else None
    if path is None or not lies_in(path, table.parent) or not os.path.isfile(path):
        return None
    return Address(digest(path.read_bytes()), f"file:{path}")


def _said(row: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """A foreign row in the words of our own."""
    name_of = partial(_name, names=columns.names)
    label = row[columns.label] if columns.label else None
    facts = {fact: _name(row[fact], names) for fact, names in columns.facts.items()}
    return {
        "label": [name_of(one) for one in label] if isinstance(label, list) else name_of(label),
        "caption": row.get(columns.caption) if columns.caption else None,
        "attributes": {fact: value for fact, value in facts.items() if value is not None},
    }


def _name(value: Any, names: Sequence[str] | None) -> str | None:
    """A class by name; numbers below zero, and those that are not whole, say that there is none."""
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None
    if value is None or (names and isinstance(value, int) and not 0 <= value < len(names)):
        return None
    return names[value] if names and isinstance(value, int) else str(value)


def _card(parts: Sequence[Part], labels: Sequence[Any], root: Path) -> Card:
    """Classes and task of all parts together."""
    columns = parts[0].columns
    if len({(part.columns.names, part.columns.card) for part in parts if part.columns.names or part.columns.card}) > 1:
        raise BadData(f"{printable(str(root))}: its files name different classes; give one of them.")
    if columns.card:
        return columns.card
    seen = {name for label in labels for name in (label if isinstance(label, list) else [label])}
    task: Task = "multi-label" if columns.is_list else "single-label"
    return Card(classes=columns.names or class_order(seen), task=task)


def _dataset(found: Sequence[Found], split: str, card: Card) -> Dataset:
    is_ours = "weight" in found[0][2]
    make = _ours if is_ours else _foreign
    weights = tuple(weight_of(row) for _, _, row in found) if is_ours else (1.0,)
    return Dataset(
        samples=tuple(make(one, card) for one in found),
        classes=card.classes,
        task=card.task,
        split=split,
        weights=None if set(weights) == {1.0} else weights,
    )


def _ours(found: Found, card: Card) -> Sample:
    """A sample from an exported row, which is a published one but for the number in place of its label."""
    image, mask, row = found
    try:
        label = _class(row["label"], card.classes)
        return sample_of({**row, "label": label}, image, mask, card, is_ours=True)
    except (ValueError, TypeError) as error:
        raise BadData(f"{printable(image.place)}: {error}.") from error


def _class(number: int | None, classes: Sequence[str]) -> str | None:
    """The name of a class by its number; none at all, and numbers below zero, say that there is none."""
    if number is None or number < 0:
        return None
    if number >= len(classes):
        raise ValueError(f"label {number} is none of the {len(classes)} classes")
    return classes[number]


def _foreign(found: Found, card: Card) -> Sample:
    image, mask, row = found
    label = row["label"]
    target = tuple(int(name in label) for name in card.classes) if isinstance(label, list) else card.numbers[label]
    return Sample(image=image, target=target, mask=mask, caption=row["caption"], attributes=row["attributes"])


def _is_image(kind: pa.DataType, feature: Any) -> bool:
    if isinstance(feature, dict) and feature.get("_type"):
        return bool(feature["_type"] == "Image")
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_list_of_images(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind)) and _is_image(kind.value_type, None)


def _first(there: Sequence[str], wanted: Sequence[str]) -> str | None:
    """A known name where there is one, else the first that is no mask."""
    known = [name for name in wanted if name in there] + [name for name in there if name not in MASKS]
    return next(iter(known), None)


def _label(schema: pa.Schema, named: Mapping[str, Sequence[str]], where: Path) -> tuple[str, tuple[Problem, ...]]:
    """The finest of the columns that look like labels: the one with most class names."""
    plain = [name for name in LABELS if name in schema.names and _is_label(schema.field(name).type)]
    several = [name for name in plain if name in named] or list(named) or plain
    if not several:
        seen = ", ".join(f"{name} ({schema.field(name).type})" if name in LABELS else name for name in schema.names)
        raise BadData(
            f"{printable(str(where))} has no column of labels among {seen}; "
            "call the one with the class names or whole numbers 'label'."
        )
    finest = max(several, key=lambda name: len(named.get(name, ())))
    what = f"several columns of labels ({', '.join(several)}): {finest}, the finest, is used"
    return finest, problem([where.name], what) if len(several) > 1 else ()


def _is_label(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_dictionary(kind):
        return not pa.types.is_floating(kind.value_type) and _is_label(kind.value_type)
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)  # whole numbers, where a missing one made them floats
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_boolean(kind)
    )
