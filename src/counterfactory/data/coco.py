"""COCO annotations: an image counts as what its largest object is, whose outline is kept as its mask."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counterfactory.data.images import lies_in, subfolders
from counterfactory.data.labelled import Labelled, collect, nothing_left
from counterfactory.data.problems import below, listed, printable, problem
from counterfactory.data.splits import split_name
from counterfactory.errors import BadData
from counterfactory.keys import digest
from counterfactory.types import Address, Collection, Problem

EXPORTED = "_annotations.coco.json"
KEYS = (b'"images"', b'"annotations"', b'"categories"')
HEAD = 65536  # bytes of a file that are looked at before it is read
TRIED = 50  # images that are looked for before a folder is held to be the wrong one

Entry = Mapping[str, Any]


def recognises(path: Path) -> bool:
    """A file of annotations, or a folder with some where COCO and its tools put them."""
    return bool(_files(path))


def read(path: Path) -> Collection:
    """Every image that is there and shows an object."""
    root = path if path.is_dir() else path.parent
    rows: list[Labelled] = []
    problems: list[Problem] = []
    names: dict[str, int] = {}
    for file in _files(path):
        content = _content(file)
        categories = {entry["id"]: printable(str(entry["name"])) for entry in content["categories"]}
        names.update({name: number for number, name in categories.items() if name not in names})
        some, wrong = _labelled(content, categories, root, file)
        rows += some
        problems += wrong
    if not rows:
        raise nothing_left(path, problems)
    used = {row.label for row in rows}
    unused = [name for name in names if name not in used]
    problems += problem(unused, "a category that is no image's largest object; left out")
    return collect(root, "COCO annotations", rows, problems, tuple(sorted(used, key=lambda name: names[name])))


def _files(path: Path) -> list[Path]:
    """`annotations/instances_*.json`, one export in each split's folder, or one file beside the images."""
    if path.is_file():
        return [path] if _is_coco(path) else []
    if not path.is_dir():
        return []
    instances = sorted((path / "annotations").glob("instances_*.json"))
    exported = [file for folder in (path, *subfolders(path)) if (file := folder / EXPORTED).is_file()]
    beside = [file for file in sorted(path.glob("*.json")) if _is_coco(file)]
    splits = [folder for folder in subfolders(path) if split_name(folder.name)]
    inside = [file for folder in splits for file in sorted(folder.glob("*.json")) if _is_coco(file)]
    return instances or exported or (beside if len(beside) == 1 else []) or inside


def _is_coco(file: Path) -> bool:
    """Whether a file begins like COCO's; the whole may be half a gigabyte."""
    if file.suffix != ".json":
        return False
    with open(file, "rb") as stream:
        head = stream.read(HEAD)
    return head.lstrip().startswith(b"{") and any(key in head for key in KEYS)


def _content(file: Path) -> Entry:
    try:
        content = json.loads(file.read_bytes())
        for section, fields in {"images": ("id", "file_name"), "annotations": ("image_id", "category_id"),
                                "categories": ("id", "name")}.items():  # fmt: skip
            for entry in content[section]:
                for field in fields:
                    entry[field]
    except (ValueError, KeyError, TypeError) as error:
        raise BadData(
            f"{printable(str(file))} is not in COCO's form ({error!r}); "
            "expected images, annotations of objects and categories."
        ) from error
    found: Entry = content
    return found


def _labelled(
    content: Entry, categories: Mapping[int, str], root: Path, file: Path
) -> tuple[list[Labelled], list[Problem]]:
    """Each image with its largest object, and what is wrong with the others."""
    objects: dict[Any, list[Entry]] = {}
    for entry in content["annotations"]:
        if entry["category_id"] in categories:
            objects.setdefault(entry["image_id"], []).append(entry)
    folder = _image_folder(content["images"], root, file)
    rows: list[Labelled] = []
    missing: list[str] = []
    outside: list[str] = []
    bare: list[str] = []
    for image in content["images"]:
        path = folder / image["file_name"]
        largest = _largest(objects.get(image["id"], []))
        if not lies_in(path, root):
            outside.append(image["file_name"])
        elif not path.is_file():
            missing.append(image["file_name"])
        elif largest is None:
            bare.append(below(path, root))
        else:
            label = categories[largest["category_id"]]
            rows.append(Labelled(path=path, label=label, split=_split(file, root), mask=_mask(largest, image)))
    said = f"in {listed([file.name])}, but no such file; skipped"
    problems = (*problem(missing, said), *problem(outside, "outside of the folder that was given; skipped"))
    return rows, [*problems, *problem(bare, "an image without objects; skipped")]


def _split(file: Path, root: Path) -> str:
    """By the file (`instances_train2017`) or by its folder in the data's own."""
    folder = file.parent.name if file.parent != root else ""
    return split_name(file.stem.removeprefix("instances_")) or split_name(folder) or "train"


def _image_folder(images: Sequence[Entry], root: Path, file: Path) -> Path:
    """The first of the usual folders in which some of the images are."""
    part = file.stem.removeprefix("instances_")
    tried = (file.parent, root / part, root / "images" / part, root / "images", root / _split(file, root), root)
    for folder in tried:
        if any((folder / image["file_name"]).is_file() for image in images[:TRIED]):
            return folder
    return root


def _largest(objects: Sequence[Entry]) -> Entry | None:
    """The object of the largest area; a crowd only where there is nothing else."""
    single = [entry for entry in objects if not entry.get("iscrowd")] or objects
    return max(single, key=_area, default=None)


def _area(entry: Entry) -> float:
    box = entry.get("bbox") or (0, 0, 0, 0)
    return float(entry["area"] if entry.get("area") is not None else box[2] * box[3])


def _mask(entry: Entry, image: Entry) -> Address | None:
    """The outline as the text of a place: it names itself, so its digest is that of the text."""
    shape = entry.get("segmentation")
    if isinstance(shape, dict):
        if not {"size", "counts"} <= shape.keys():
            return None
        place = "rle:" + _compact({"size": shape["size"], "counts": shape["counts"]})
    else:
        polygons = [polygon for polygon in shape or () if len(polygon) >= 6]
        if not polygons or "height" not in image:
            return None
        place = "polygons:" + _compact({"size": [image["height"], image["width"]], "polygons": polygons})
    return Address(digest(place.encode()), place)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
