"""Published folders: what is in them, who can load them, and that nothing is lost on the way."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from counterfactory.blobs import Blobs
from counterfactory.data import diorama, read
from counterfactory.data.write import export
from counterfactory.errors import BadConfig, BadData, DiskTrouble, RunTooNew
from counterfactory.keys import dataset_key, digest
from counterfactory.pixels import Pixels
from counterfactory.publish import class_folders, publish, read_card
from counterfactory.types import Address, Dataset, Origin, Sample
from pictures import picture

CLASSES = ("cat", "a/b: Zoë", ".hidden")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """That library's own cache, in a place of its own for each test."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def address(path):
    return Address(digest(path.read_bytes()), f"file:{path}")


def photographs(folder, count=4, **said):
    """Plain samples, as a reader finds them."""
    files = [picture(folder / f"{number}.png", seed=number) for number in range(count)]
    return tuple(Sample(image=address(file), target=number % 3, **said) for number, file in enumerate(files))


def drawn(folder, blobs):
    """A data set with all that a row can say: real and drawn images, a mask, and scores of one of them."""
    real = photographs(folder)
    jpeg = picture(folder / "5.jpg").read_bytes()
    made = Sample(
        image=Address(blobs.put(jpeg)),
        target=1,
        mask=address(picture(folder / "m.png", mode="L")),
        caption='a "cat"\nin snow, ☃',
        attributes={"weather": "snow", "count": 2, "sure": True, "size": 0.5, "none": None},
        origin=Origin(
            parent=real[0].image.digest,
            prompt="snow",
            seed=0,
            model="a/b@c",
            changed={"weather": "snow"},
            settings={"strength": 0.5, "token noise seed": 2**31},
        ),
    )
    train = Dataset(samples=(*real, made), classes=CLASSES, weights=(1.0, 1.0, 0.0, 1.0, 0.25))
    test = Dataset(samples=photographs(folder / "test", 2), classes=CLASSES, split="test")
    return {"train": train, "test": test}, {made.image.digest: {"clip": 0.75, "fid": 3.0}}


def published(tmp_path):
    blobs = Blobs(tmp_path / "blobs")
    data, scores = drawn(tmp_path / "in", blobs)
    return data, publish(tmp_path / "out", data, Pixels(blobs), scores)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def load(folder: Path, *kind: str):
    return datasets.load_dataset(*kind, **({"data_dir": str(folder)} if kind == ("imagefolder",) else {}))


def test_images_keep_their_bytes_and_rows_say_all(tmp_path):
    data, out = published(tmp_path)
    rows = [json.loads(line) for line in (out / "train" / "metadata.jsonl").read_text("utf-8").splitlines()]
    assert json.loads((out / "dataset.json").read_text()) == {
        "format": 1,
        "classes": list(CLASSES),
        "task": "single-label",
    }
    for row, sample in zip(rows, data["train"].samples, strict=True):
        assert digest((out / "train" / row["file_name"]).read_bytes()) == sample.image.digest
        assert row["label"] == CLASSES[sample.target]
    made = rows[-1]
    assert made["file_name"].endswith(".jpg")
    assert (made["weight"], made["prompt"], made["seed"], made["model"]) == (0.25, "snow", 0, "a/b@c")
    assert made["source"] == data["train"].samples[0].image.digest
    assert json.loads(made["scores"]) == {"clip": 0.75, "fid": 3.0}
    assert (rows[0]["seed"], rows[0]["prompt"], rows[0]["scores"]) == (-1, "", "{}")
    assert (
        rows[0].keys() == made.keys() == json.loads((out / "test" / "metadata.jsonl").read_text().split("\n")[0]).keys()
    )


def test_columns_that_say_nothing_are_left_out(tmp_path):
    data = Dataset(samples=photographs(tmp_path), classes=CLASSES)
    out = publish(tmp_path / "out", {"train": data}, Pixels())
    row = json.loads((out / "train" / "metadata.jsonl").read_text().splitlines()[0])
    assert row.keys() == {"file_name", "label", "weight"}


def test_the_datasets_library_loads_it_as_an_image_folder(tmp_path):
    data, out = published(tmp_path)
    loaded = load(out, "imagefolder")
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 5, "test": 2}
    assert loaded["train"]["label"][:] == [CLASSES[sample.target] for sample in data["train"].samples]
    assert loaded["train"]["weight"][:] == [1.0, 1.0, 0.0, 1.0, 0.25]
    last = loaded["train"][4]
    assert (last["caption"], last["seed"]) == ('a "cat"\nin snow, ☃', 0)
    assert json.loads(last["scores"]) == {"clip": 0.75, "fid": 3.0}
    assert np.array_equal(np.array(loaded["train"][0]["image"]), np.array(Image.open(tmp_path / "in" / "0.png")))
    assert loaded["test"][0]["seed"] == -1


def test_splits_of_other_names_load_by_the_folder_alone(tmp_path):
    names = ("train", "test", "test-unusual", "unusual")
    data = {name: Dataset(samples=photographs(tmp_path / name, 3), classes=CLASSES, split=name) for name in names}
    out = publish(tmp_path / "out", data, Pixels())
    loaded = load(out, str(out))
    assert {split: len(rows) for split, rows in loaded.items()} == {
        "train": 3,
        "test": 3,
        "test_unusual": 3,
        "unusual": 3,
    }
    assert set(read.read(str(out)).splits) == set(names)


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        ("soft-label", [(0.2, 0.8, 0.0), (0.5, 0.25, 0.25), 1]),
        ("multi-label", [(0, 1, 1), (None, 1, 0), (0, 0, 0)]),
        ("segmentation", [None, None, None]),
        ("single-label", [2, None, 0]),
    ],
)
def test_every_task_loads_elsewhere_and_comes_back(tmp_path, task, targets):
    real = photographs(tmp_path / "in", 3)
    masks = [address(picture(tmp_path / f"m{number}.png", mode="L", seed=number)) for number in range(3)]
    samples = tuple(
        Sample(image=one.image, target=target, mask=mask if task == "segmentation" else None)
        for one, target, mask in zip(real, targets, masks, strict=True)
    )
    data = Dataset(samples=samples, classes=CLASSES, task=task)
    out = publish(tmp_path / "out", {"train": data}, Pixels())
    assert len(load(out, "imagefolder")["train"]) == 3
    again = read.read(str(out))
    expected = [(0.0, 1.0, 0.0) if task == "soft-label" and target == 1 else target for target in targets]
    assert (again.task, again.classes) == (task, CLASSES)
    assert [sample.target for sample in again.splits["train"].samples] == expected
    assert [sample.mask for sample in again.splits["train"].samples] == [sample.mask for sample in samples]


def test_it_comes_back_unchanged(tmp_path):
    data, out = published(tmp_path)
    again = read.read(str(out))
    assert again.classes == CLASSES
    for split, dataset in data.items():
        assert again.splits[split].samples == dataset.samples
        assert again.splits[split].weights == dataset.weights
        for before, after in zip(dataset.samples, again.splits[split].samples, strict=True):
            assert dict(after.attributes) == dict(before.attributes)
            assert after.origin == before.origin


def made_from_dioramas(tmp_path):
    """Drawn scenes, and pictures that were made from them: digests of formulas, and of bytes."""
    blobs = Blobs(tmp_path / "blobs")
    drawn = diorama.read("train=4,validation=0,test=2,classes=cup+dog").splits
    made = [
        Sample(
            image=Address(blobs.put(picture(tmp_path / f"{number}.png").read_bytes())),
            target=source.target,
            origin=Origin(parent=source.image.digest, prompt="rain", changed={"weather": "rain"}),
        )
        for number, source in enumerate(drawn["train"].samples)
    ]
    train = replace(drawn["train"], samples=(*drawn["train"].samples, *made))
    return {**drawn, "train": train}, Pixels(blobs)


@pytest.mark.parametrize("form", ["imagefolder", "parquet"])
def test_drawn_scenes_come_back_with_their_digests_and_families(tmp_path, form):
    data, pixels = made_from_dioramas(tmp_path)
    out = publish(tmp_path / "out", data, pixels)
    for folder in (out, export(out, tmp_path / form, form)):
        again = read.read(str(folder)).splits
        for split, dataset in data.items():
            assert again[split].samples == dataset.samples
            assert [s.origin for s in again[split].samples] == [s.origin for s in dataset.samples]
            assert [dict(s.attributes) for s in again[split].samples] == [dict(s.attributes) for s in dataset.samples]
            assert [s.mask for s in again[split].samples] == [s.mask for s in dataset.samples]
            assert dataset_key(again[split]) == dataset_key(dataset)
        digests = {sample.image.digest for sample in again["train"].samples}
        assert all(sample.origin.parent in digests for sample in again["train"].samples if sample.origin)
        for before, after in zip(data["train"].samples, again["train"].samples, strict=True):
            assert np.array_equal(np.asarray(Pixels().image(after.image)), np.asarray(pixels.image(before.image)))


def test_a_digest_that_is_none_is_refused_and_in_other_folders_it_is_a_plain_column(tmp_path):
    data, pixels = made_from_dioramas(tmp_path)
    out = publish(tmp_path / "out", data, pixels)
    rows = out / "train" / "metadata.jsonl"
    sample = data["train"].samples[0]
    rows.write_text(
        rows.read_text("utf-8").replace(f'"digest": "{sample.image.digest}"', '"digest": "../../x"'), "utf-8"
    )
    with pytest.raises(BadData, match=r"row 1: digest '../../x' is none"):
        read.read(str(out))
    (out / "dataset.json").unlink()
    foreign = read.read(str(out)).splits["train"].samples[0]
    assert foreign.image.digest == digest(Path(foreign.image.place.removeprefix("file:")).read_bytes())


def test_publishing_again_gives_the_same_and_replaces_what_was_there(tmp_path):
    data, out = published(tmp_path)
    before = tree(out)
    pixels = Pixels(Blobs(tmp_path / "blobs"))
    publish(out, {"train": data["train"]}, pixels)
    assert not (out / "test").exists()
    assert tree(published(tmp_path)[1]) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "in", "out"]


def test_another_folder_is_never_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years")
    data = Dataset(samples=photographs(tmp_path / "in"), classes=CLASSES)
    with pytest.raises(BadConfig, match="holds other files"):
        publish(tmp_path / "out", {"train": data}, Pixels())
    assert (tmp_path / "out" / "thesis.tex").exists()


def test_a_failure_leaves_what_was_published_before(tmp_path):
    _, out = published(tmp_path)
    before = tree(out)
    lost = Sample(image=Address("0" * 32, "file:/nowhere.png"), target=0)
    with pytest.raises(OSError, match="nowhere"):
        publish(out, {"train": Dataset(samples=(lost,), classes=CLASSES)}, Pixels())
    assert tree(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "in", "out"]


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    data = Dataset(samples=photographs(tmp_path / "in"), classes=CLASSES)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskTrouble, match="is full"):
        publish(tmp_path / "out", {"train": data}, Pixels())


def test_images_without_a_file_become_png_and_ones_that_are_no_image_are_said(tmp_path):
    (tmp_path / "f.bin").write_bytes(bytes(range(12)))
    (tmp_path / "f.png").write_text("text")
    plane = Sample(image=Address("a" * 32, f"planes:{tmp_path / 'f.bin'}#0#3x2x2"), target=0)
    shape = Address("b" * 32, 'polygons:{"size":[2,2],"polygons":[[0,0,1,0,1,1,0,1]]}')
    out = publish(
        tmp_path / "out",
        {"train": Dataset(samples=(Sample(image=plane.image, target=0, mask=shape),), classes=CLASSES)},
        Pixels(),
    )
    with Image.open(out / "train" / "cat" / f"{'a' * 32}.png") as image:
        assert (image.size, image.mode) == ((2, 2), "RGB")
    with Image.open(out / "train" / "masks" / "cat" / f"{'b' * 32}.png") as image:
        assert (image.size, image.mode) == ((2, 2), "L")
    bad = Sample(image=Address("c" * 32, f"file:{tmp_path / 'f.png'}"), target=0)
    with pytest.raises(BadData, match=r"f.png: cannot be published"):
        publish(tmp_path / "out", {"train": Dataset(samples=(bad,), classes=CLASSES)}, Pixels())


def test_folders_of_classes_are_safe_and_differ():
    names = ("cat", "Cat", "a/b", "a:b", "..", "", ".x", "__y", "Zoë", "猫", "masks", "CON", "sea lion", "x" * 300)
    folders = class_folders(names)
    assert len({folder.lower() for folder in folders}) == len(names)
    assert all(folder.isascii() and folder[0].isalnum() and len(folder) < 100 for folder in folders)
    assert not {"masks", "con"} & {folder.lower() for folder in folders}
    assert (class_folders(("cat", "sea lion")), folders[12]) == (("cat", "sea lion"), "sea lion")
    tricky = class_folders(("a-b-1", "a/b", "c"))
    assert len(set(tricky)) == 3


def test_splits_must_agree_and_cards_be_understood(tmp_path):
    one, other = (
        Dataset(samples=photographs(tmp_path / "in"), classes=classes) for classes in (CLASSES, ("a", "b", "c"))
    )
    with pytest.raises(BadData, match="'test' has other classes"):
        publish(tmp_path / "out", {"train": one, "test": other}, Pixels())
    (tmp_path / "dataset.json").write_text('{"format": 2, "classes": [], "task": "single-label"}')
    with pytest.raises(RunTooNew, match="later version"):
        read_card(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(BadData, match="cannot be read"):
        read_card(tmp_path)
