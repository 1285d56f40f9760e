"""What is found by looking at every image, and a part of a collection chosen by content."""

import json
import shutil
from collections import Counter
from dataclasses import asdict

import pytest

from counterfactory.data import folders, pairs
from counterfactory.data.check import Check
from counterfactory.data.inspect import inspect
from counterfactory.data.limit import limit
from counterfactory.types import Address, Collection, Dataset, Failed, Sample
from counterfactory.worker import Worker
from pictures import class_folders, labels, mask, picture, said

BOMB = b"P5 30000 30000 255\n"  # a header is all that may be read of it


def truncated(path):
    """A JPEG that ends in the middle."""
    picture(path, size=(64, 64))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def of(counts, split="train", task="single-label"):
    """A data set of addresses alone, so many of each class."""
    targets = [number for number, count in enumerate(counts) for _ in range(count)]
    samples = tuple(Sample(image=Address(f"{i:032x}"), target=target) for i, target in enumerate(targets))
    return Dataset(samples=samples, classes=tuple("abcdefgh"[: len(counts)]), split=split, task=task)


def only(dataset):
    return Collection(name="x", kind="x", splits={dataset.split: dataset})


def test_an_inspection_counts_measures_and_is_plain_data(tmp_path):
    for split, size in (("train", (8, 8)), ("test", (20, 10))):
        for name in ("cat", "dog"):
            for number in range(5):
                picture(tmp_path / split / name / f"{number}.png", size=size)
    picture(tmp_path / "train" / "cat" / "grey.png", mode="L", size=(4, 4))
    found = inspect(folders.read(tmp_path))
    assert found.splits == {"train": 11, "test": 10}
    assert found.classes == {"cat": {"train": 6, "test": 5}, "dog": {"train": 5, "test": 5}}
    assert found.sizes == {"smallest": (4, 4), "median": (8, 8), "largest": (20, 10)}
    assert found.modes == {"RGB": 20, "L": 1}
    assert not found.problems
    json.dumps(asdict(found))


def test_a_truncated_jpeg_and_a_bomb_are_reported_by_name(tmp_path):
    class_folders(tmp_path, count=5)
    truncated(tmp_path / "cat" / "half.jpg")
    (tmp_path / "dog" / "bomb.pgm").write_bytes(BOMB)
    report = said(inspect(folders.read(tmp_path)))
    assert "cat/half.jpg: cannot be decoded as an image" in report
    assert "dog/bomb.pgm: " in report
    assert len(report.splitlines()) == 2


def test_many_broken_images_are_a_few_lines(tmp_path):
    class_folders(tmp_path, count=5)
    for number in range(9):
        truncated(tmp_path / "cat" / f"half{number}.jpg")
    report = said(inspect(folders.read(tmp_path)))
    assert len(report.splitlines()) == 6
    assert "4 more: cannot be decoded" in report


def test_a_broken_mask_is_reported(tmp_path):
    picture(tmp_path / "images" / "0.png")
    data = mask(tmp_path / "masks" / "0.png", [0, 1]).read_bytes()
    (tmp_path / "masks" / "0.png").write_bytes(data[:45])
    assert "masks/0.png: cannot be decoded" in said(inspect(pairs.read(tmp_path)))


def test_copies_and_contradictions_in_a_split_are_reported(tmp_path):
    class_folders(tmp_path, count=5)
    shutil.copy(tmp_path / "cat" / "0.png", tmp_path / "cat" / "copy.png")
    shutil.copy(tmp_path / "cat" / "1.png", tmp_path / "dog" / "no dog.png")
    report = said(inspect(folders.read(tmp_path)))
    assert "train: 2 image(s) more than once" in report
    assert "train: 1 image(s) under more than one label" in report
    assert "dog/no dog.png" in report


def test_leakage_between_train_and_test_is_reported(tmp_path):
    class_folders(tmp_path / "train", count=5)
    class_folders(tmp_path / "test", count=5)
    shutil.copy(tmp_path / "train" / "cat" / "0.png", tmp_path / "test" / "cat" / "new name.png")
    report = said(inspect(folders.read(tmp_path)))
    assert "train and test: 1 image(s) are in both (leakage)" in report
    assert "new name.png" in report


def test_absent_tiny_and_uneven_classes_are_reported_once(tmp_path):
    class_folders(tmp_path / "train", "ant", count=30)
    class_folders(tmp_path / "train", "bee cat", count=3)
    class_folders(tmp_path / "test", "ant cat", count=1)
    report = said(inspect(folders.read(tmp_path)))
    assert report.count("test: no image of 1 class(es): bee") == 1
    assert "train: 2 class(es) of fewer than 5 images: bee (3), cat (3)" in report
    assert "30 of ant, 3 of bee" in report


def test_one_class_is_reported():
    dataset = of([0, 0])
    lonely = Dataset(samples=of([3]).samples, classes=("a", "b"))
    assert "one class only (a)" in said(inspect(only(lonely)))
    assert inspect(only(dataset)).sizes == {}


def test_labels_of_every_task_are_counted(tmp_path):
    images = [s.image for s in folders.read(class_folders(tmp_path)).splits["train"].samples]
    for task, targets, expected in (
        ("soft-label", [(0.9, 0.1), (0.4, 0.6)], (1, 1)),
        ("multi-label", [(1, 1), (None, 1)], (1, 2)),
        ("segmentation", [None, None], (0, 0)),
    ):
        samples = tuple(Sample(image=i, target=t) for i, t in zip(images, targets, strict=False))
        found = inspect(only(Dataset(samples=samples, classes=("a", "b"), task=task)))
        assert tuple(found.classes[name]["train"] for name in "ab") == expected


def test_processes_see_what_one_sees(tmp_path):
    for name in ("cat", "dog"):
        for number in range(300):
            picture(tmp_path / name / f"{number}.png", size=(2, 2), seed=number + 1000 * (name == "dog"))
    collection = folders.read(tmp_path)
    assert inspect(collection, processes=2) == inspect(collection, processes=1)


def test_check_is_a_step_that_fails_row_by_row(tmp_path):
    good = picture(tmp_path / "good.png", size=(6, 4), mode="L")
    (tmp_path / "bomb.ppm").write_bytes(BOMB)
    files = [good, truncated(tmp_path / "half.jpg"), tmp_path / "bomb.ppm", tmp_path / "gone.png"]
    items = [Address(file.name, f"file:{file}") for file in files]
    first, *others = Check().load(Worker(workspace=tmp_path))(items)
    assert first == {"width": 6, "height": 4, "mode": "L"}
    assert [isinstance(other, Failed) for other in others] == [True] * 3
    assert [other.key for other in others] == ["half.jpg", "bomb.ppm", "gone.png"]


def test_a_limit_keeps_every_class_and_then_the_proportions():
    assert Counter(s.target for s in limit(only(of([60, 30, 10])), 10).splits["train"].samples) == {0: 6, 1: 3, 2: 1}
    assert Counter(s.target for s in limit(only(of([97, 1, 1, 1])), 4).splits["train"].samples) == {
        0: 1,
        1: 1,
        2: 1,
        3: 1,
    }


def test_a_limit_depends_on_content_and_seed_and_not_on_order():
    dataset = of([40, 40])
    turned = Dataset(samples=dataset.samples[::-1], classes=dataset.classes, weights=tuple(range(80)))
    one, other, third = (limit(only(d), 20, seed) for d, seed in ((dataset, 0), (turned, 0), (dataset, 1)))
    chosen = [set(c.splits["train"].samples) for c in (one, other, third)]
    assert chosen[0] == chosen[1] != chosen[2]
    kept = other.splits["train"]
    assert kept.weights == tuple(turned.samples.index(sample) for sample in kept.samples)


def test_a_limit_leaves_smaller_splits_alone():
    small = only(of([2, 2]))
    assert limit(small, 4).splits["train"] is small.splits["train"]
    assert labels(limit(small, 2)) == ["a", "b"]


@pytest.mark.parametrize("task", ["multi-label", "segmentation"])
def test_a_limit_without_classes_takes_any(task):
    samples = tuple(
        Sample(image=Address(f"{i:032x}"), target=(1, 0) if task == "multi-label" else None) for i in range(9)
    )
    assert len(limit(only(Dataset(samples=samples, classes=("a", "b"), task=task)), 4).splits["train"]) == 4
