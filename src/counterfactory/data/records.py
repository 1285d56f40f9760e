"""What the rows of a metadata file say of images: labels, masks, captions, origins, attributes."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from counterfactory.data.labels import natural
from counterfactory.data.problems import printable
from counterfactory.data.rows import LABEL, column, read_rows, read_text
from counterfactory.errors import BadData
from counterfactory.publish import Card
from counterfactory.types import Address, Origin, Plain, Problem, Sample, Target, Task

Row = Mapping[str, Any]

VECTORS = ("soft_label", "labels")
ORIGIN = ("source", "prompt", "seed", "model", "changed", "settings")
DIGESTS = ("digest", "mask_digest")
MASK = ("mask", "mask_file_name")
EXACT = 1e-6  # a sum this near to 1 is one; shares rounded to a few digits are brought there
KNOWN = {*VECTORS, *MASK, *LABEL, "weight", "caption", "scores", "attributes", "file_name", "split"}


def load_rows(file: Path) -> tuple[list[dict[str, Any]], tuple[Problem, ...]]:
    """The rows of a metadata.jsonl, .csv or .parquet."""
    if file.suffix == ".csv":
        table = read_rows(file)
        return [{name: _cell(name, text) for name, text in row.items()} for row in table.rows], table.problems
    if file.suffix == ".parquet":
        return _parquet_rows(file), ()
    text, problems = read_text(file)
    return [_json_row(file, number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()], problems


def file_column(row: Row) -> str | None:
    """The column that names the image."""
    others = (name for name in row if name.endswith("_file_name") and name not in MASK)
    return "file_name" if "file_name" in row else next(others, None)


def mask_name(row: Row) -> str | None:
    """The file of the mask, as the row has it."""
    return next((str(row[name]) for name in MASK if row.get(name)), None)


def label_text(row: Row) -> str | None:
    """The class of a row in words: its name where the row has one, else the label itself."""
    name = row.get("label_name")
    return printable(str(name)) if name else _raw_label(row)


def task_of(rows: Iterable[Row]) -> Task:
    """What the columns that are filled say."""
    filled = {name for row in rows for name in (*VECTORS, *MASK) if row.get(name)}
    labelled = any(label_text(row) is not None for row in rows)
    if "soft_label" in filled:
        return "soft-label"
    if "labels" in filled:
        return "multi-label"
    return "segmentation" if filled and not labelled else "single-label"


def with_vectors(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its soft label and its labels as a list, or as shares by class name; a `ValueError` says why not."""
    found = {name: structure(row[name]) for name in VECTORS if row.get(name) is not None}
    soft, several = (found.get(name) for name in VECTORS)
    if soft and not isinstance(soft, list | Mapping):
        raise ValueError(f"soft_label {soft!r} is neither a list of shares nor an object of class names and shares")
    shares = list(soft.values() if isinstance(soft, Mapping) else soft or ())
    if not all(share is None or (isinstance(share, int | float) and not isinstance(share, bool)) for share in shares):
        raise ValueError(f"soft_label {soft!r} may hold numbers only")
    if several and not isinstance(several, list):
        raise ValueError(f"labels {several!r} is neither a list of class names nor one of 0, 1 and null")
    return {**row, **found}


def classes_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Class names in the order of the labels; as many as the vectors are long, where there are any."""
    order = {text: natural(_raw_label(row) or text) for row in rows if (text := label_text(row)) is not None}
    names = tuple(sorted(order, key=lambda name: order[name]))
    vectors = [vector for row in rows for name in VECTORS if (vector := row.get(name))]
    if vectors and all(isinstance(vector, Mapping) for vector in vectors):
        return tuple(sorted({*names, *(str(name) for vector in vectors for name in vector)}, key=natural))
    if any(isinstance(vector, Mapping) for vector in vectors):
        raise ValueError("soft_label is an object in some rows and a list in others; write one of both in all")
    if vectors and isinstance(vectors[0][0], str):
        return tuple(sorted({str(name) for vector in vectors for name in vector}, key=natural))
    length = len(vectors[0]) if vectors else len(names)
    return names if length == len(names) else tuple(f"class {number}" for number in range(length))


def sample_of(row: Row, image: Address, mask: Address | None, card: Card, is_ours: bool) -> Sample:
    """The sample of a row; a `ValueError` says what is wrong with it."""
    caption = row.get("caption") or row.get("text")
    return Sample(
        image=_known_as(row.get("digest"), image) if is_ours else image,
        target=target_of(row, card),
        mask=_known_as(row.get("mask_digest"), mask) if is_ours and mask else mask,
        caption=str(caption) if caption else None,
        attributes=_attributes(row, is_ours),
        origin=_origin(row) if is_ours else None,
    )


def target_of(row: Row, card: Card) -> Target:
    """A distribution, a 0/1 vector with gaps or the number of a class: the first that the row has."""
    numbers = card.numbers
    soft, several = (structure(row.get(name)) for name in VECTORS)
    if isinstance(soft, Mapping):
        return _distribution([soft.get(name) or 0.0 for name in numbers], len(numbers))
    if soft:
        return _distribution(soft, len(numbers))
    if several and isinstance(several[0], str):
        return tuple(int(name in several) for name in numbers)
    if several:
        return _marks(several, len(numbers))
    if several == [] and card.task == "multi-label":
        return (0,) * len(numbers)
    text = label_text(row)
    if text is None or text in numbers:
        return None if text is None else numbers[text]
    if text.isdecimal() and int(text) < len(numbers):
        return int(text)
    raise ValueError(f"label {text!r} is none of the {len(numbers)} classes")


def weight_of(row: Row) -> float:
    """How much a sample counts; 1 where the row does not say."""
    weight = 1.0 if row.get("weight") is None else float(row["weight"])
    if not (math.isfinite(weight) and weight >= 0):
        raise ValueError(f"weight {weight} is not a number from 0 up")
    return weight


def structure(value: Any) -> Any:
    """A list or object, also where a CSV holds it as JSON text."""
    if not isinstance(value, str) or not value:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{value[:40]!r} is no JSON text ({error})") from error


def _cell(name: str, text: str) -> Plain:
    """A field of a CSV: numbers and truths as such in columns that are not read otherwise."""
    if not text or name in KNOWN | {*ORIGIN, "text"} or name.endswith("_file_name"):
        return text or None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return text if text[0] == "0" and text.isdecimal() and len(text) > 1 else kind(text)
    return text


def _parquet_rows(file: Path) -> list[dict[str, Any]]:
    from pyarrow import ArrowException, parquet

    try:
        rows: list[dict[str, Any]] = parquet.read_table(file).to_pylist()
    except (OSError, ArrowException) as error:
        raise BadData(f"{printable(str(file))} is damaged ({error}); fetch or write it again.") from error
    return rows


def _json_row(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{printable(str(file))}, line {number}: not JSON ({error}).") from error
    if not isinstance(row, dict):
        raise BadData(
            f"{printable(str(file))}, line {number}: expected one object with a file_name, not {line[:40]!r}."
        )
    return row


def _raw_label(row: Row) -> str | None:
    name = column(row, LABEL)
    value = None if name is None else row[name]
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None if math.isnan(value) else value
    return None if value is None or value == "" else printable(str(value))


def _distribution(values: Sequence[Any], length: int) -> Target:
    if len(values) != length:
        raise ValueError(f"soft_label has {len(values)} numbers for {length} classes")
    numbers = tuple(float(value) for value in values)
    total = sum(numbers)
    if min(numbers) < 0 or not abs(total - 1) < 0.01:
        raise ValueError(f"soft_label is no distribution: it should hold numbers from 0 up that sum to 1, not {total}")
    return numbers if abs(total - 1) < EXACT else tuple(value / total for value in numbers)


def _marks(values: Sequence[Any], length: int) -> Target:
    if len(values) != length:
        raise ValueError(f"labels has {len(values)} marks for {length} classes")
    if not all(value in (0, 1, None) for value in values):
        raise ValueError("labels may hold 0, 1 and null only")
    return tuple(None if value is None else int(value) for value in values)


def _known_as(digest: Any, address: Address) -> Address:
    """The address under the digest that an image had before it was written as a file."""
    if not digest:
        return address
    if not re.fullmatch("[0-9a-f]{32}", str(digest)):
        raise ValueError(f"digest {digest!r} is none; it should be 32 of the digits 0 to f")
    return replace(address, digest=str(digest))


def _origin(row: Row) -> Origin | None:
    """A published table has no nulls: an empty text, and a seed below zero, say nothing."""
    seed = row.get("seed")
    said = Origin(
        parent=row.get("source") or None,
        prompt=row.get("prompt") or None,
        seed=None if seed in (None, "") or int(seed) < 0 else int(seed),
        model=row.get("model") or None,
        changed=_said(row, "changed"),
        settings=_said(row, "settings"),
    )
    return None if said == Origin() else said


def _said(row: Row, name: str) -> dict[str, Any]:
    said = structure(row.get(name)) or {}
    if not isinstance(said, Mapping):
        raise ValueError(f"{name} is {str(said)[:40]!r}, and should be an object of names and values")
    return {name: value for name, value in said.items() if value is not None}


def _attributes(row: Row, is_ours: bool) -> dict[str, Plain]:
    """What the row lists as attributes, and every other column of plain values; a foreign one may be called so too."""
    taken = (KNOWN - {*LABEL}) | {"label_name", file_column(row), column(row, LABEL)}
    taken |= {*ORIGIN, *DIGESTS} if is_ours else set()
    taken |= set() if row.get("caption") else {"text"}
    others = {name: value for name, value in row.items() if name not in taken}
    said = row.get("attributes") or {}
    listed = structure(said) if is_ours else said if isinstance(said, Mapping) else {"attributes": said}
    return {name: _plain(value) for name, value in {**others, **listed}.items() if isinstance(value, Plain)}


def _plain(value: Plain) -> Plain:
    """A value that JSON can hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
