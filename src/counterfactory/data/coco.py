"""COCO annotations: an image counts as what its largest object is, whose outline is kept as its mask."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
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

FIELDS: Mapping[str, Mapping[str, type[Any] | UnionType]] = {
    "images": {"id": int | str, "file_name": str},
    "annotations": {"image_id": int | str, "category_id": int | str},
    "categories": {"id": int | str, "name": object},
}


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
        content, odd = _content(file)
        categories = {entry["id"]: printable(str(entry["name"])) for entry in content["categories"]}
        names.update({name: number for number, name in categories.items() if name not in names})
        some, wrong = _labelled(content, categories, root, file)
        rows += some
        problems += (*odd, *wrong)
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


def _content(file: Path) -> tuple[Entry, list[Problem]]:
    """The entries whose fields have the right types, and what is wrong with the others."""
    content: dict[str, Any] = {}
    problems: list[Problem] = []
    try:
        said = json.loads(file.read_bytes())
        for section, fields in FIELDS.items():
            sound = [all(isinstance(entry[field], kind) for field, kind in fields.items()) for entry in said[section]]
            content[section] = [entry for entry, fits in zip(said[section], sound, strict=True) if fits]
            odd = (f"{file.name}, {section} {number}" for number, fits in enumerate(sound, 1) if not fits)
            problems += problem(odd, f"{' or '.join(fields)} of a wrong type; skipped")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadData(
            f"{printable(str(file))} is not in COCO's form ({error!r}); "
            "expected images, annotations of objects and categories."
        ) from error
    return content, problems


def _labelled(
    content: Entry, categories: Mapping[int, str], root: Path, file: Path
) -> tuple[list[Labelled], list[Problem]]:
    """Each image with its largest object, and what is wrong with the others."""
    wrong: dict[str, list[str]] = {}
    objects: dict[Any, list[Entry]] = {}
    for number, entry in enumerate(content["annotations"], 1):
        if entry["category_id"] in categories and _area(entry) is not None:
            objects.setdefault(entry["image_id"], []).append(entry)
        elif entry["category_id"] in categories:
            wrong.setdefault("its area or box is none; skipped", []).append(f"{file.name}, object {number}")
    folder = _image_folder(content["images"], root, file)
    rows: list[Labelled] = []
    for image in content["images"]:
        path = folder / image["file_name"]
        largest = _largest(objects.get(image["id"], []))
        if not lies_in(path, root):
            wrong.setdefault("outside of the folder that was given; skipped", []).append(image["file_name"])
        elif not os.path.isfile(path):
            missing = f"in {listed([file.name])}, but no such file; skipped"
            wrong.setdefault(missing, []).append(image["file_name"])
        elif largest is None:
            wrong.setdefault("an image without objects; skipped", []).append(below(path, root))
        else:
            label, mask = categories[largest["category_id"]], _mask(largest, image)
            rows.append(Labelled(path=path, label=label, split=_split(file, root), mask=mask))
            if largest.get("segmentation") and mask is None:
                wrong.setdefault("an outline of another form; kept without a mask", []).append(below(path, root))
    return rows, [said for what, names in wrong.items() for said in problem(names, what)]


def _split(file: Path, root: Path) -> str:
    """By the file (`instances_train2017`) or by its folder in the data's own."""
    folder = file.parent.name if file.parent != root else ""
    return split_name(file.stem.removeprefix("instances_")) or split_name(folder) or "train"


def _image_folder(images: Sequence[Entry], root: Path, file: Path) -> Path:
    """The first of the usual folders in which some of the images are."""
    part = file.stem.removeprefix("instances_")
    tried = (file.parent, root / part, root / "images" / part, root / "images", root / _split(file, root), root)
    for folder in tried:
        if any(os.path.isfile(folder / image["file_name"]) for image in images[:TRIED]):
            return folder
    return root


def _largest(objects: Sequence[Entry]) -> Entry | None:
    """The object of the largest area; a crowd only where there is nothing else."""
    single = [entry for entry in objects if not entry.get("iscrowd")] or objects
    return max(single, key=lambda entry: _area(entry) or 0.0, default=None)


def _area(entry: Entry) -> float | None:
    """The area that an object has by its own words or by its box; None where neither can be understood."""
    box = entry.get("bbox") or (0, 0, 0, 0)
    try:
        return float(entry["area"] if entry.get("area") is not None else box[2] * box[3])
    except (TypeError, ValueError, LookupError):
        return None


def _mask(entry: Entry, image: Entry) -> Address | None:
    """The outline as the text of a place: it names itself, so its digest is that of the text."""
    shape = entry.get("segmentation")
    if isinstance(shape, dict):
        if not {"size", "counts"} <= shape.keys():
            return None
        place = "rle:" + _compact({"size": shape["size"], "counts": shape["counts"]})
    else:
        polygons = _polygons(shape)
        if not polygons or "height" not in image:
            return None
        place = "polygons:" + _compact({"size": [image["height"], image["width"]], "polygons": polygons})
    return Address(digest(place.encode()), place)


def _polygons(shape: Any) -> list[Any]:
    """The outlines of three points or more; numbers that stand alone are one outline."""
    if not isinstance(shape, list):
        return []
    outlines = [shape] if all(isinstance(part, int | float) for part in shape) else shape
    return [outline for outline in outlines if isinstance(outline, list) and len(outline) >= 6]


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
