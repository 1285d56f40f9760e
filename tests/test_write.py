"""Exports of a published folder: each loads with the library that its form is for, and comes back here."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import datasets
import pytest
from PIL import Image

from counterfactory.data import read, write
from counterfactory.data.write import export
from counterfactory.errors import BadConfig, BadData, DiskTrouble, writing
from counterfactory.keys import digest
from counterfactory.pixels import Pixels
from counterfactory.publish import publish
from counterfactory.types import Dataset, Sample
from pictures import picture
from test_publish import CLASSES, address, cache, load, photographs, published, tree  # noqa: F401

FORMATS = ["imagefolder", "parquet", "webdataset", "csv"]


@pytest.fixture
def out(tmp_path):
    """A published folder, and the data sets in it."""
    data, folder = published(tmp_path)
    return folder, data


def test_the_current_folder_is_refused_and_so_is_one_that_cannot_be_made(tmp_path, out, monkeypatch):
    (tmp_path / "e").mkdir()
    monkeypatch.chdir(tmp_path / "e")
    for here in (Path("."), Path(""), Path("../e")):
        with pytest.raises(BadConfig, match="is the current folder"):
            export(out[0], here, "csv")
    assert export(out[0], Path("new"), "csv").is_dir()
    with pytest.raises(DiskTrouble, match="is no place where a folder can be made"):
        export(out[0], Path("/proc/x"), "csv")


@pytest.mark.parametrize("form", ["imagefolder", "parquet", "webdataset"])
def test_these_forms_come_back_unchanged(tmp_path, out, form):
    folder, data = out
    again = read.read(str(export(folder, tmp_path / "e", form)))
    assert again.classes == CLASSES
    for split, dataset in data.items():
        assert again.splits[split].samples == dataset.samples
        assert again.splits[split].weights == dataset.weights
        for before, after in zip(dataset.samples, again.splits[split].samples, strict=True):
            assert dict(after.attributes) == dict(before.attributes)
            assert Pixels().encoded(after.image) == (folder / split / _file(folder / split, after)).read_bytes()


def _file(split, sample):
    rows = map(json.loads, (split / "metadata.jsonl").read_text("utf-8").splitlines())
    return next(row["file_name"] for row in rows if sample.image.digest in row["file_name"])


def test_parquet_loads_with_the_datasets_library(tmp_path, out):
    exported = export(out[0], tmp_path / "e", "parquet")
    loaded = load(exported, str(exported))
    train = loaded["train"]
    assert train.features["label"].names == list(CLASSES)
    assert isinstance(train.features["image"], datasets.Image)
    assert train["label"][:] == [sample.target for sample in out[1]["train"].samples]
    assert isinstance(train[4]["mask"], Image.Image)
    assert (train[0]["mask"], train[0]["seed"], train[4]["seed"], train[4]["prompt"]) == (None, None, 0, "snow")
    assert loaded["test"].features == train.features


def test_parquet_is_cut_into_files_and_groups_and_stays_whole(tmp_path, out, monkeypatch):
    monkeypatch.setattr(write, "SHARD", 500)
    monkeypatch.setattr(write, "GROUP", 1)
    exported = export(out[0], tmp_path / "e", "parquet")
    names = sorted(path.name for path in (exported / "data").iterdir())
    assert "train-00001-of-00003.parquet" in names
    assert read.read(str(exported)).splits["train"].samples == out[1]["train"].samples
    assert len(load(exported, str(exported))["train"]) == 5


def test_parquet_keeps_the_names_of_splits_and_refuses_two_that_are_one(tmp_path):
    dataset = Dataset(samples=photographs(tmp_path / "in"), classes=CLASSES)
    publish(tmp_path / "one", {name: replace(dataset, split=name) for name in ("fold-1", "fold_2")}, Pixels())
    publish(tmp_path / "two", {name: replace(dataset, split=name) for name in ("a-b", "a_b")}, Pixels())
    assert list(read.read(str(export(tmp_path / "one", tmp_path / "e", "parquet"))).splits) == ["fold-1", "fold_2"]
    (tmp_path / "e" / "data" / "fold_1-00000-of-00001.parquet").rename(tmp_path / "e" / "data" / "test.parquet")
    assert list(read.read(str(tmp_path / "e")).splits) == ["test", "fold_2"]
    with pytest.raises(BadConfig, match="The splits a-b, a_b have one name in parquet"):
        export(tmp_path / "two", tmp_path / "f", "parquet")


def test_a_name_that_is_too_long_for_the_disk_is_said(tmp_path):
    with pytest.raises(DiskTrouble, match="has a name that is too long"), writing(tmp_path):
        (tmp_path / ("x" * 300)).mkdir()


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        ("soft-label", [(0.2, 0.8, 0.0), (0.5, 0.25, 0.25)]),
        ("multi-label", [(0, 1, 1), (None, 1, 0)]),
        ("segmentation", [None, None]),
    ],
)
@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_every_task_survives(tmp_path, task, targets, form):
    real = photographs(tmp_path / "in", 2)
    mask = real[0].image if task == "segmentation" else None
    samples = tuple(Sample(image=one.image, target=t, mask=mask) for one, t in zip(real, targets, strict=True))
    data = {"train": Dataset(samples=samples, classes=CLASSES, task=task)}
    exported = export(publish(tmp_path / "p", data, Pixels()), tmp_path / "e", form)
    again = read.read(str(exported))
    assert (again.task, again.classes, again.splits["train"].samples) == (task, CLASSES, samples)
    assert len(load(exported, str(exported))["train"]) == 2


def test_webdataset_loads_with_the_datasets_library(tmp_path, out):
    exported = export(out[0], tmp_path / "e", "webdataset")
    files = {split: [str(exported / f"{split}-000000.tar")] for split in ("train", "test")}
    loaded = datasets.load_dataset("webdataset", data_files=files)
    assert len(loaded["test"]) == 2
    assert loaded["train"]["cls"][:] == [sample.target for sample in out[1]["train"].samples]
    assert loaded["train"][4]["json"]["prompt"] == "snow"


def test_webdataset_of_mixed_kinds_of_images_loads_with_the_datasets_library_split_by_split(tmp_path, out):
    exported = export(out[0], tmp_path / "e", "webdataset")
    for split, dataset in out[1].items():
        loaded = datasets.load_dataset("webdataset", data_files={split: [str(exported / f"{split}-000000.tar")]})[split]
        kinds = [image.format for image in loaded["png"][:]]
        assert kinds == ["JPEG" if sample.origin else "PNG" for sample in dataset.samples]
        assert [bool(mask) for mask in loaded["mask"][:]] == [sample.mask is not None for sample in dataset.samples]


def test_a_single_file_of_an_exported_webdataset_is_that_split(tmp_path, out):
    exported = export(out[0], tmp_path / "e", "webdataset")
    again = read.read(str(exported / "test-000000.tar"))
    assert {split: data.samples for split, data in again.splits.items()} == {"test": out[1]["test"].samples}


def test_webdataset_holds_the_same_bytes_each_time(tmp_path, out, monkeypatch):
    monkeypatch.setattr(write, "SHARD", 500)
    first, second = (export(out[0], tmp_path / name, "webdataset") for name in "ab")
    assert tree(first) == tree(second)
    images = []
    for path in sorted(first.glob("train-*.tar")):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
            assert {member.mtime for member in members} == {0}
            images += [tar.extractfile(m).read() for m in members if m.name.count(".") == 1 and m.name.endswith("g")]
    assert len(list(first.glob("train-*.tar"))) == 3
    assert [digest(data) for data in images] == [sample.image.digest for sample in out[1]["train"].samples]
    assert all(Image.open(io.BytesIO(data)) for data in images)


def test_a_csv_has_the_classes_by_their_own_names(tmp_path):
    classes = ("Café/Bar", "a,b", 'x"y', "two\nlines", "u\u2028v", "007", "nan")
    data = Dataset(samples=photographs(tmp_path / "in", 7), classes=classes)
    data = replace(data, samples=tuple(replace(sample, target=i) for i, sample in enumerate(data.samples)))
    again = read.read(str(export(publish(tmp_path / "p", {"train": data}, Pixels()), tmp_path / "e", "csv")))
    names = {sample.image.digest: again.classes[sample.target] for sample in again.splits["train"].samples}
    assert [names[sample.image.digest] for sample in data.samples] == list(classes)


def test_a_csv_comes_back_with_labels_and_splits(tmp_path, out):
    exported = export(out[0], tmp_path / "e", "csv")
    again = read.read(str(exported))
    for split, dataset in out[1].items():
        before = {(sample.image.digest, CLASSES[sample.target]) for sample in dataset.samples}
        assert before == {(s.image.digest, again.classes[s.target]) for s in again.splits[split].samples}
    loaded = datasets.load_dataset("csv", data_files=str(exported / "data.csv"))["train"]
    assert loaded["weight"][:5] == [1.0, 1.0, 0.0, 1.0, 0.25]
    assert (exported / loaded["path"][0]).is_file()


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_there_is_never_mixed_or_replaced(tmp_path, out, form):
    (tmp_path / "e").mkdir()
    assert export(out[0], tmp_path / "e", form) == tmp_path / "e"
    with pytest.raises(BadConfig, match="is not empty"):
        export(out[0], tmp_path / "e", form)


@pytest.mark.parametrize("form", ["parquet", "webdataset", "csv"])
def test_a_row_that_leads_out_of_its_folder_is_not_exported(tmp_path, out, form):
    picture(tmp_path / "secret.png")
    rows = out[0] / "train" / "metadata.jsonl"
    lines = rows.read_text("utf-8").splitlines()
    rows.write_text("\n".join([json.dumps({**json.loads(lines[0]), "file_name": "../../secret.png"}), *lines[1:]]))
    with pytest.raises(BadData, match=r"names '../../secret.png', which lies outside"):
        export(out[0], tmp_path / "e", form)
    assert not (tmp_path / "e").exists()


def test_only_a_published_folder_can_be_exported(tmp_path):
    with pytest.raises(BadData, match="is no published data set"):
        export(tmp_path, tmp_path / "e", "csv")
    (tmp_path / "dataset.json").write_text('{"classes": [], "task": "single-label"}')
    with pytest.raises(BadData, match="has no split"):
        export(tmp_path, tmp_path / "e", "csv")
    assert not (tmp_path / "e").exists()
