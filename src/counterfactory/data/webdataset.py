"""WebDataset: tar files of `key.jpg` beside `key.cls`, `key.json`, `key.txt`; read where they lie, never unpacked."""

import json
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from counterfactory.data.images import ENDINGS, lies_in, subfolders
from counterfactory.data.labelled import nothing_left
from counterfactory.data.labels import absent_classes
from counterfactory.data.problems import printable, problem
from counterfactory.data.records import classes_of, label_text, sample_of, task_of, weight_of, with_vectors
from counterfactory.data.splits import parted, split_name
from counterfactory.errors import BadData
from counterfactory.keys import digest
from counterfactory.publish import Card, find_card
from counterfactory.types import Address, Collection, Dataset, Problem

MEMBER = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)")  # what stands before the first dot belongs together
NUMBER = re.compile(r"[-_.]?\d+$")
SAYING = ("cls", "json", "txt")  # endings of what is said of an image
MASK = "mask"  # as an ending, or before one: `key.mask.png`
LOOKED_AT = 20  # members, until it is clear what a tar file holds


@dataclass(kw_only=True)
class Group:
    """The members of one key."""

    key: str
    tar: Path
    split: str
    row: dict[str, Any] = field(default_factory=dict)
    image: Address | None = None
    mask: Address | None = None

    @property
    def where(self) -> str:
        return printable(f"{self.tar} {self.key}")


def recognises(path: Path) -> bool:
    """A tar file in which something is said of images, or a folder with some: in it, or in a folder for each split."""
    return any(map(_is_webdataset, _files(path)))


def read(path: Path) -> Collection:
    """Every image that something is said of, in the order of the files."""
    files = _files(path)
    ours = find_card(files[0].parent)
    groups = [group for file in files for group in _groups(file, path, ours)]
    groups, problems = _kept(groups, lambda group: group.image is not None, "no image beside what is said")
    if ours is None:
        groups, more = _kept(groups, lambda group: bool(group.row), "an image of which nothing is said")
        problems += more
    if not groups:
        raise nothing_left(path, problems)
    card = ours or _card_of(path, groups)
    if ours is None and card.classes and card.task == "single-label":
        groups, more = _kept(groups, lambda group: label_text(group.row) is not None, "an image without a label")
        problems += more
    parts = parted(groups, lambda group: group.split)
    splits = {split: _dataset(split, some, card, ours is not None) for split, some in parts.items()}
    problems += absent_classes(splits)
    return Collection(name=printable(path.stem), kind="WebDataset", splits=splits, problems=problems)


def _kept(
    groups: Sequence[Group], is_fit: Callable[[Group], bool], what: str
) -> tuple[list[Group], tuple[Problem, ...]]:
    """The groups that can be used, and one problem for all others."""
    others = (group.where for group in groups if not is_fit(group))
    return [group for group in groups if is_fit(group)], problem(others, f"{what}; skipped")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path.absolute()] if path.suffix == ".tar" else []
    here = sorted(path.glob("*.tar"))
    below = (file for folder in subfolders(path) if split_name(folder.name) for file in sorted(folder.glob("*.tar")))
    return [file.absolute() for file in here or below if file.is_file() and not file.name.startswith(".")]


def _is_webdataset(file: Path) -> bool:
    """Whether the first members are images and words about them, by the same keys."""
    images: set[str | None] = set()
    words: set[str | None] = set()
    try:
        with tarfile.open(file, "r:") as tar:
            for _, member in zip(range(LOOKED_AT), tar, strict=False):
                key, ending = _parted(member)
                (images if _is_image(ending) else words if ending in SAYING else set()).add(key)
    except (tarfile.TarError, EOFError):
        pass  # a file that is cut off is told of when it is read
    return bool(images & words)


def _groups(file: Path, root: Path, card: Card | None) -> Iterator[Group]:
    """The members of a tar file by their key, which stand together."""
    split = _split(file, root, is_ours=card is not None)
    group: Group | None = None
    try:
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                key, ending = _parted(member)
                if key is None or not member.isfile():
                    continue
                if group is None or group.key != key:
                    if group:
                        yield group
                    group = Group(key=key, tar=file, split=split)
                _take(group, ending, member, tar, card)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadData(f"{printable(str(file))} is damaged ({error}); fetch or write it again.") from error
    if group:
        yield group


def _take(group: Group, ending: str, member: tarfile.TarInfo, tar: tarfile.TarFile, card: Card | None) -> None:
    """Add a member to its group: pixels by where they lie, words as columns of a row."""
    stream = tar.extractfile(member)
    data = stream.read() if stream else b""
    address = Address(digest(data), f"tar:{group.tar}#{member.offset_data}#{member.size}")
    if ending.partition(".")[0] == MASK:
        group.mask = address if data else None
    elif _is_image(ending):
        group.image = group.image or address
    elif ending in SAYING:
        try:
            group.row |= _said(ending, data.decode("utf-8"), card)
        except (ValueError, RecursionError) as error:
            raise BadData(f"{group.where}.{ending} cannot be read ({error}).") from error


def _said(ending: str, text: str, card: Card | None) -> dict[str, Any]:
    """What a member says, as columns; in our own files the row has the class by its name."""
    if ending == "txt":
        return {"caption": text.strip()}
    if ending == "cls":
        return {} if card else {"label": text.strip()}
    row = json.loads(text)
    if not isinstance(row, dict):
        raise ValueError(f"expected one object, not {text[:40]!r}")
    return with_vectors(row)


def _parted(member: tarfile.TarInfo) -> tuple[str | None, str]:
    match = MEMBER.fullmatch(member.name)
    return (match[1], match[2].lower()) if match else (None, "")


def _is_image(ending: str) -> bool:
    return f".{ending}" in ENDINGS


def _split(file: Path, root: Path, is_ours: bool) -> str:
    """The split in a file's name, else that of its folder, else train."""
    name = NUMBER.sub("", file.stem)
    if is_ours:
        return name
    folder = file.parent.name if lies_in(file.parent, root) and file.parent != root.absolute() else ""
    return split_name(name) or split_name(re.split("[-_.]", name)[-1]) or split_name(folder) or "train"


def _card_of(path: Path, groups: Sequence[Group]) -> Card:
    rows = [group.row for group in groups]
    task = task_of(rows)
    try:
        classes = classes_of(rows)
    except ValueError as error:
        raise BadData(f"{printable(str(path))}: {error}.") from error
    return Card(classes=classes, task=task)


def _dataset(split: str, groups: Sequence[Group], card: Card, is_ours: bool) -> Dataset:
    samples, weights = [], []
    for group in groups:
        try:
            assert group.image
            samples.append(sample_of(group.row, group.image, group.mask, card, is_ours))
            weights.append(weight_of(group.row))
        except (ValueError, TypeError) as error:
            raise BadData(f"{group.where}: {error}.") from error
    return Dataset(
        samples=tuple(samples),
        classes=card.classes,
        task=card.task,
        split=split,
        weights=None if set(weights) == {1.0} else tuple(weights),
    )
