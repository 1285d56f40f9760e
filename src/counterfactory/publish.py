"""A data set as a folder that others can read: class folders and `metadata.jsonl` in each split, and `dataset.json`.

Knows how a sample is written as a row of plain columns; `data.metadata` reads it back.
"""

import io
import json
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast, get_args

from PIL import Image, UnidentifiedImageError

from counterfactory.errors import BadConfig, BadData, RunTooNew, writing
from counterfactory.pixels import Pixels
from counterfactory.types import Address, Dataset, Origin, Sample, Target, Task

FORMAT = 1
CARD = "dataset.json"
ROWS = "metadata.jsonl"
MASKS = "masks"
NO_SEED = -1  # a column of nulls has no type, and then other libraries cannot join two splits
STARTS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"II*\0": ".tif", b"MM\0*": ".tif"}
RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d|" + MASKS)  # the first ones are devices on Windows


@dataclass(frozen=True, kw_only=True)
class Card:
    """What all splits of a published folder share."""

    classes: tuple[str, ...]
    task: Task = "single-label"

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The number of each class by its name."""
        return {name: number for number, name in enumerate(self.classes)}


def publish(
    folder: Path,
    datasets: Mapping[str, Dataset],
    pixels: Pixels,
    scores: Mapping[str, Mapping[str, float]] | None = None,
) -> Path:
    """Write data sets by split name; what was published there before is replaced once all is written."""
    card = _card_of(datasets)
    _refuse_other_content(folder)
    part = folder.with_name(f".{folder.name}.part")
    with writing(folder):
        try:
            _write(part, datasets, card, pixels, scores or {})
            _move(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def read_card(folder: Path) -> Card:
    """What `dataset.json` of a published folder says."""
    card = find_card(folder)
    if card is None:
        raise BadData(
            f"{folder} is no published data set: its {CARD} is not there or cannot be read; publish it again."
        )
    return card


def find_card(folder: Path) -> Card | None:
    """What `dataset.json` of a folder says, where it has one in our form."""
    file = folder / CARD
    return card_from(file.read_bytes(), folder) if file.is_file() else None


def name_of(folder: Path) -> str:
    """What a data set is called: as its folder, or as the run that published it."""
    return folder.absolute().parent.name if folder.name == "data" and (folder / CARD).is_file() else folder.name


def card_from(text: bytes, where: Path) -> Card | None:
    """What our notes on a data set say; nothing where they have another form, as any program may call a file so."""
    try:
        said = json.loads(text)
        card = Card(classes=tuple(said["classes"]), task=said["task"])
        is_later = said.get("format", FORMAT) > FORMAT
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if is_later:
        raise RunTooNew(f"{where} was published by a later version of Counterfactory; update this one to read it.")
    is_text = isinstance(said["classes"], list) and all(isinstance(name, str) for name in card.classes)
    return card if is_text and card.task in get_args(Task) else None


def row_of(sample: Sample, weight: float, scores: Mapping[str, float], card: Card) -> dict[str, Any]:
    """A sample as plain columns of fixed types, all but its files; mappings are JSON text, so that keys may differ."""
    origin = sample.origin or Origin()
    target = sample.target
    is_soft = card.task == "soft-label"
    likeliest = _likeliest(target) if is_soft else target
    return {
        "label": card.classes[likeliest] if isinstance(likeliest, int) else "",
        "weight": float(weight),
        "soft_label": _soft(target, len(card.classes)) if is_soft else None,
        "labels": list(cast(Any, target)) if card.task == "multi-label" and target is not None else None,
        "caption": sample.caption or "",
        "source": origin.parent or "",
        "prompt": origin.prompt or "",
        "seed": NO_SEED if origin.seed is None else origin.seed,
        "model": origin.model or "",
        "changed": _text(origin.changed),
        "settings": _text(origin.settings),
        "scores": _text(scores),
        "attributes": _text(sample.attributes),
    }


@cache
def class_folders(classes: tuple[str, ...]) -> tuple[str, ...]:
    """A folder name for each class that every file system takes, no two alike: the name itself where it can be."""
    plain = [_plain(name) for name in classes]
    count = Counter(folder.lower() for folder in plain)
    is_fit = [
        folder == name and count[folder.lower()] == 1 and not RESERVED.fullmatch(folder.lower())
        for name, folder in zip(classes, plain, strict=True)
    ]
    folders = [
        folder if fit else f"{folder or 'class'}-{i}" for i, (folder, fit) in enumerate(zip(plain, is_fit, strict=True))
    ]
    if len({folder.lower() for folder in folders}) < len(folders):  # a class is called like another one's number
        return tuple(f"class-{index}" for index in range(len(classes)))
    return tuple(folders)


def split_folder(split: str) -> str:
    """The folder name of a split."""
    return _plain(split) or "split"


def _plain(name: str) -> str:
    """The letters, digits, spaces and dashes of a name, without accents; no dot or underscore in front."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w .,'()+-]", "-", letters)[:80].strip(" .-_")


def _card_of(datasets: Mapping[str, Dataset]) -> Card:
    if not datasets:
        raise BadData("There is no data set to publish.")
    first = next(iter(datasets.values()))
    for split, dataset in datasets.items():
        if (dataset.classes, dataset.task) != (first.classes, first.task):
            raise BadData(f"The split {split!r} has other classes or another task than the first; publish it apart.")
    return Card(classes=first.classes, task=first.task)


def _refuse_other_content(folder: Path) -> None:
    """What this did not write is never replaced."""
    if folder.exists() and not (folder / CARD).exists() and (folder.is_file() or any(folder.iterdir())):
        raise BadConfig(f"{folder} holds other files and would be replaced; give a new or empty folder.")


def _write(part: Path, datasets: Mapping[str, Dataset], card: Card, pixels: Pixels, scores: Mapping[str, Any]) -> None:
    shutil.rmtree(part, ignore_errors=True)
    columns = _columns(datasets, card, scores)
    for split, dataset in datasets.items():
        folder = part / split_folder(split)
        folder.mkdir(parents=True)
        with (folder / ROWS).open("w", encoding="utf-8", newline="\n") as lines:
            for sample, row in _rows(dataset, card, scores):
                files = _write_files(folder, sample, card, pixels)
                said = {name: value for name, value in {**files, **row}.items() if name in columns}
                lines.write(json.dumps(said, ensure_ascii=False) + "\n")
    (part / CARD).write_text(
        json.dumps({"format": FORMAT, **asdict(card)}, ensure_ascii=False, indent=1) + "\n", "utf-8"
    )
    (part / "README.md").write_text(_readme(datasets), "utf-8")


def _columns(datasets: Mapping[str, Dataset], card: Card, scores: Mapping[str, Any]) -> set[str]:
    """The columns that say something in any split: each split has them all, as other libraries expect."""
    columns = {"file_name", "label", "weight"}
    for dataset in datasets.values():
        masks = [sample.mask for sample in dataset.samples if sample.mask]
        columns |= {"mask"} if masks else set()
        columns |= {"digest"} if any(_has_no_file(sample.image) for sample in dataset.samples) else set()
        columns |= {"mask_digest"} if any(map(_has_no_file, masks)) else set()
        for _, row in _rows(dataset, card, scores):
            columns |= {name for name, value in row.items() if value not in (None, "", "{}", NO_SEED)}
    return columns


def _has_no_file(address: Address) -> bool:
    """Whether the digest may be that of a formula or of planes, which the PNG written for it does not tell."""
    return not address.place.startswith(("file:", "blob"))


def _rows(dataset: Dataset, card: Card, scores: Mapping[str, Any]) -> Iterator[tuple[Sample, dict[str, Any]]]:
    weights: Iterable[float] = dataset.weights or (1.0,) * len(dataset)
    for sample, weight in zip(dataset.samples, weights, strict=True):
        yield sample, row_of(sample, weight, scores.get(sample.image.digest, {}), card)


def _write_files(folder: Path, sample: Sample, card: Card, pixels: Pixels) -> dict[str, str]:
    """The image in its class folder and its mask, each with and named by its digest; equal ones are written once."""
    target = _likeliest(sample.target) if card.task == "soft-label" else sample.target
    place = class_folders(card.classes)[target] if isinstance(target, int) else "images"
    files = {"file_name": _write_file(folder, place, sample.image, pixels), "digest": sample.image.digest}
    if not sample.mask:
        return {**files, "mask": "", "mask_digest": ""}
    mask = _write_file(folder, f"{MASKS}/{place}", sample.mask, pixels)
    return {**files, "mask": mask, "mask_digest": sample.mask.digest}


def _write_file(folder: Path, place: str, address: Address, pixels: Pixels) -> str:
    data = pixels.encoded(address)
    name = f"{place}/{address.digest}{_ending(data, address)}"
    path = folder / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return name


def _ending(data: bytes, address: Address) -> str:
    """The file ending for what the bytes are, whatever they were called."""
    known = next((ending for start, ending in STARTS.items() if data.startswith(start)), None)
    if known:
        return known
    try:
        kind = Image.open(io.BytesIO(data)).format or ""
    except (UnidentifiedImageError, OSError) as error:
        raise BadData(f"{address.place}: cannot be published, as it is no image.") from error
    return f".{kind.lower()}"


def _move(part: Path, folder: Path) -> None:
    """Put the written folder in place; the one before goes only when the new one stands there."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _likeliest(target: Target) -> int | None:
    if isinstance(target, tuple):
        return max(range(len(target)), key=lambda index: target[index] or 0.0, default=None)
    return target


def _soft(target: Target, classes: int) -> list[float]:
    """A distribution, also from a class index."""
    if isinstance(target, int):
        return [float(index == target) for index in range(classes)]
    return [float(value or 0) for value in target or (0.0,) * classes]


def _text(mapping: Mapping[str, Any]) -> str:
    return json.dumps(dict(mapping), ensure_ascii=False, sort_keys=True)


def _readme(splits: Iterable[str]) -> str:
    """A card whose head tells `datasets.load_dataset(folder)` the splits, also those of unusual names."""
    files = "".join(
        f"  - split: {re.sub(r'[^0-9a-zA-Z_]', '_', split)}\n    path: {split_folder(split)}/**\n" for split in splits
    )
    return (
        f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n"
        "Written by Counterfactory. Each split has class folders and a `metadata.jsonl` with one row an image:\n"
        "`label`, `weight` (0 = rejected), `soft_label` or `labels` (in the order of `classes` in `dataset.json`),\n"
        "`source` (digest of the image it was made from), `prompt`, `seed` (-1: none), `model`, and `changed`,\n"
        "`settings` (how it was drawn), `scores` and `attributes` as JSON text. An image is known by its digest,\n"
        "which is the name of its file (and `digest`, where it is not that of the bytes). A column is there if it\n"
        "says something of any image.\n"
    )
