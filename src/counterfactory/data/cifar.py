"""CIFAR-10 and CIFAR-100 as binary files: a record is one or two label bytes and three planes of 32 x 32."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from counterfactory.data.labelled import nothing_left
from counterfactory.data.problems import printable, problem
from counterfactory.data.rows import read_text
from counterfactory.errors import BadData
from counterfactory.keys import digest
from counterfactory.types import Address, Collection, Dataset, Problem, Sample

SHAPE = "3x32x32"
SIZE = 3 * 32 * 32


@dataclass(frozen=True, kw_only=True)
class Form:
    """One of the two data sets: its files by split, its list of names, and the label bytes of a record, finest last."""

    name: str
    splits: dict[str, tuple[str, ...]]
    names: str
    labels: int
    folder: str
    pickled: tuple[str, ...]


FORMS = (
    Form(
        name="CIFAR-10",
        splits={"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)},
        names="batches.meta.txt",
        labels=1,
        folder="cifar-10-batches-bin",
        pickled=("data_batch_1", "batches.meta"),
    ),
    Form(
        name="CIFAR-100",
        splits={"train": ("train.bin",), "test": ("test.bin",)},
        names="fine_label_names.txt",
        labels=2,
        folder="cifar-100-binary",
        pickled=("train", "meta"),
    ),
)


def recognises(path: Path) -> bool:
    """Binary files with their list of names, or the pickled ones, which `read` refuses."""
    return path.is_dir() and (_binary(path) is not None or _pickled(path) is not None)


def read(path: Path) -> Collection:
    """Every record of every file; nothing is ever unpickled, as that runs what a file says."""
    found = _binary(path)
    if found is None:
        form = _pickled(path) or FORMS[0]
        raise BadData(
            f"{printable(str(path))} is {form.name} in pickled form, which can run code when it is opened. "
            f"Fetch the binary version ({form.folder}) or its Hugging Face parquet files instead."
        )
    form, folder = found
    classes = tuple(line.strip() for line in read_text(folder / form.names)[0].splitlines() if line.strip())
    problems: list[Problem] = []
    splits = {}
    for split, names in form.splits.items():
        files = [folder / name for name in names]
        problems += problem([file.name for file in files if not file.is_file()], "not there; the split is not whole")
        samples = [sample for file in files if file.is_file() for sample in _samples(file, form, classes, problems)]
        if samples:
            splits[split] = Dataset(samples=tuple(samples), classes=classes, split=split)
    if not splits:
        raise nothing_left(path, problems)
    return Collection(name=printable(path.name), kind=f"{form.name} binary", splits=splits, problems=tuple(problems))


def _binary(path: Path) -> tuple[Form, Path] | None:
    """Which of the two lies in a folder, or in the folder that its archive makes."""
    for form in FORMS:
        for folder in (path, path / form.folder):
            files = [name for names in form.splits.values() for name in names]
            if (folder / form.names).is_file() and any((folder / name).is_file() for name in files):
                return form, folder
    return None


def _pickled(path: Path) -> Form | None:
    """The archives of pickled files unpack to `cifar-10-batches-py` and `cifar-100-python`."""
    for form in FORMS:
        for folder in (path, path / "cifar-10-batches-py", path / "cifar-100-python"):
            if all((folder / name).is_file() for name in form.pickled):
                return form
    return None


def _samples(file: Path, form: Form, classes: tuple[str, ...], problems: list[Problem]) -> list[Sample]:
    """The records of one file; what follows the last whole one is left out."""
    data = np.fromfile(file, np.uint8)
    width = form.labels + SIZE
    count, rest = divmod(len(data), width)
    problems += problem([file.name] if rest else [], f"{rest} bytes after its last whole record; the file is cut off")
    records = data[: count * width].reshape(count, width)
    labels = records[:, form.labels - 1].tolist()
    odd = [f"{file.name} record {row}" for row, label in enumerate(labels) if label >= len(classes)]
    problems += problem(odd, f"a label that is none of the {len(classes)} classes; skipped")
    place = f"planes:{file.absolute()}#"
    return [
        Sample(
            image=Address(digest(record[form.labels :].tobytes()), f"{place}{row * width + form.labels}#{SHAPE}"),
            target=label,
        )
        for row, (record, label) in enumerate(zip(records, labels, strict=True))
        if label < len(classes)
    ]
