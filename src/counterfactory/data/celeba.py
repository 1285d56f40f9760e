"""Attribute tables in CelebA's form: many yes-or-no labels an image, as CSV or as the original text files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counterfactory.data.images import addresses, images_below
from counterfactory.data.labelled import nothing_left
from counterfactory.data.problems import below, printable, problem
from counterfactory.data.rows import read_rows, read_text
from counterfactory.data.splits import ORDER, parted
from counterfactory.errors import BadData
from counterfactory.types import Collection, Dataset, Problem, Sample

ATTRIBUTES = ("list_attr_celeba.csv", "list_attr_celeba.txt")
PARTITION = ("list_eval_partition.csv", "list_eval_partition.txt")
TABLE_FOLDERS = (".", "Anno", "Eval")
IMAGE_FOLDERS = ("img_align_celeba/img_align_celeba", "img_align_celeba", "Img/img_align_celeba", "images", ".")
MARKS = {"1": 1, "-1": 0, "0": 0, "": None}


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """Attribute names, and by file name what each says: 1, 0 or None."""

    names: tuple[str, ...]
    marks: Mapping[str, tuple[int | None, ...]]
    problems: tuple[Problem, ...] = ()


def recognises(path: Path) -> bool:
    """A folder with the table of attributes, in its place or in `Anno`."""
    return path.is_dir() and _table(path, ATTRIBUTES) is not None


def read(path: Path) -> Collection:
    """Every row whose image is there, in the order of the table."""
    table = _table(path, ATTRIBUTES)
    assert table
    attributes = _attributes(table)
    split_of, problems = _partition(path)
    folder = next(folder for name in IMAGE_FOLDERS if (folder := path / name).is_dir())
    there = {image.name: image for image in images_below(folder)}
    listed = [name for name in attributes.marks if name in there]
    found, wrong = addresses([there[name] for name in listed], path)
    missing = problem(
        (name for name in attributes.marks if name not in there), "in the table, but no such file; skipped"
    )
    unlisted = (below(file, path) for name, file in there.items() if name not in attributes.marks)
    problems = [*attributes.problems, *problems, *wrong, *missing]
    problems += problem(unlisted, "an image that no row has; left out")
    kept = [name for name in listed if there[name] in found]
    if not kept:
        raise nothing_left(path, problems)
    if split_of:
        problems += problem((name for name in kept if name not in split_of), "in no partition; counted as train")
    splits = {}
    for split, names in parted(kept, lambda name: split_of.get(name, "train")).items():
        samples = tuple(Sample(image=found[there[name]], target=attributes.marks[name]) for name in names)
        splits[split] = Dataset(samples=samples, classes=attributes.names, task="multi-label", split=split)
    return Collection(name=printable(path.name), kind="CelebA attribute table", splits=splits, problems=tuple(problems))


def _table(path: Path, names: Sequence[str]) -> Path | None:
    files = (path / folder / name for folder in TABLE_FOLDERS for name in names)
    return next((file for file in files if file.is_file()), None)


def _attributes(file: Path) -> Attributes:
    """The table by file name. The text form has a count, then the names, then rows of words."""
    if file.suffix == ".csv":
        table = read_rows(file)
        first, *names = table.columns
        marks = {row[first]: _marks(file, row[first], [row[name] for name in names]) for row in table.rows}
        return Attributes(names=tuple(names), marks=marks, problems=table.problems)
    text, problems = read_text(file)
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) < 3 or len(lines[2]) != len(lines[1]) + 1:
        raise BadData(
            f"{file}: expected a line with the count, one with the attribute names, then a line for each image."
        )
    marks = {name: _marks(file, name, values) for name, *values in lines[2:]}
    return Attributes(names=tuple(lines[1]), marks=marks, problems=problems)


def _marks(file: Path, name: str, values: Sequence[str]) -> tuple[int | None, ...]:
    """-1 and 0 are no, 1 is yes, nothing is unknown."""
    try:
        return tuple(MARKS[value.strip()] for value in values)
    except KeyError as error:
        raise BadData(
            f"{file}, row {name}: {error} is not an attribute's value; expected -1, 0, 1 or nothing."
        ) from error


def _partition(path: Path) -> tuple[dict[str, str], list[Problem]]:
    """The split of each file: 0, 1, 2 are train, validation, test."""
    file = _table(path, PARTITION)
    if file is None:
        return {}, [Problem(where="list_eval_partition", what="no such table; every image counts as train")]
    text, problems = read_text(file)
    rows = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    try:
        return {name: ORDER[int(part)] for name, part in rows if part.isdecimal()}, list(problems)
    except (ValueError, IndexError) as error:
        raise BadData(f"{file}: expected a file name and 0, 1 or 2 in each line.") from error
