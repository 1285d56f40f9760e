"""MedMNIST's .npz files: grey and coloured, one label or several, and what is no such file."""

import numpy as np
import pytest

from counterfactory.data import places, read
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels
from pictures import counts, labels, said

RANDOM = np.random.default_rng(0)


def grey(count, side=28):
    return RANDOM.integers(0, 256, (count, side, side), np.uint8)


def npz(path, **arrays):
    """A packed file, as the published ones are; splits that nothing is said of have two grey images."""
    usual = {f"{split}_images": grey(2) for split in ("train", "val", "test")}
    usual |= {f"{split}_labels": np.array([[0], [1]], np.uint8) for split in ("train", "val", "test")}
    every = {name: array for name, array in {**usual, **arrays}.items() if array is not None}
    np.savez_compressed(path, **every)
    return str(path)


def test_a_coloured_set_is_read_with_its_pixels_and_its_published_names(tmp_path):
    images, marks = RANDOM.integers(0, 256, (3, 28, 28, 3), np.uint8), np.array([[1], [0], [4]], np.uint8)
    collection = read.read(npz(tmp_path / "retinamnist.npz", train_images=images, train_labels=marks))
    assert (collection.kind, collection.name, collection.task) == ("MedMNIST file", "retinamnist", "single-label")
    assert counts(collection) == {"train": 3, "validation": 2, "test": 2}
    assert labels(collection)[:2] == ["mild diabetic retinopathy", "no diabetic retinopathy"]
    assert "no image of 2 class(es)" in said(collection)
    for sample, image in zip(collection.splits["train"].samples, images, strict=True):
        assert np.array_equal(np.array(Pixels().image(sample.image)), image)


def test_grey_images_are_known_by_their_bytes_and_seen_in_colour(tmp_path):
    images = grey(2)
    one = read.read(npz(tmp_path / "mine.npz", train_images=images)).splits["train"].samples
    other = read.read(npz(tmp_path / "other.npz", test_images=images)).splits["test"].samples
    assert [sample.image for sample in one] == [sample.image for sample in other]
    assert np.array_equal(np.array(Pixels().image(one[1].image)), np.repeat(images[1][:, :, None], 3, axis=2))


def test_several_labels_an_image_make_a_multi_label_set(tmp_path):
    marks = {f"{split}_labels": RANDOM.integers(0, 2, (2, 14)) for split in ("train", "val", "test")}
    collection = read.read(npz(tmp_path / "chestmnist.npz", **marks))
    assert collection.task == "multi-label"
    assert (len(collection.classes), collection.classes[-1]) == (14, "hernia")
    assert collection.splits["validation"].samples[1].target == tuple(marks["val_labels"][1])


def test_larger_images_have_the_same_names(tmp_path):
    path = npz(
        tmp_path / "breastmnist_64.npz", **{f"{split}_images": grey(2, 64) for split in ("train", "val", "test")}
    )
    assert read.read(path).classes == ("malignant", "normal or benign")


def test_a_thousand_classes_and_one_split_are_enough(tmp_path):
    others = {f"{split}_{what}": None for split in ("val", "test") for what in ("images", "labels")}
    marks = np.arange(1000, dtype=np.uint16)
    path = npz(tmp_path / "many.npz", train_images=grey(1000, 4), train_labels=marks, **others)
    collection = read.read(path)
    assert collection.classes == tuple(map(str, range(1000)))
    assert "val_images, test_images: not there" in said(collection)


def test_a_name_that_does_not_fit_the_labels_is_not_believed(tmp_path):
    path = npz(tmp_path / "pneumoniamnist.npz", train_labels=np.array([[0], [2]]))
    assert read.read(path).classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"train_images": grey(3)}, "3 images and 2 labels"),
        ({"train_images": grey(2).astype(np.float32)}, "float32 .* expected bytes"),
        ({"train_images": np.zeros((2, 28, 28, 28), np.uint8)}, "volumes are not understood"),
        ({"train_labels": np.array([[0.5], [1]])}, "expected whole numbers"),
        ({"train_labels": np.array([[-1], [1]])}, "expected whole numbers"),
        ({"train_labels": np.array([[2**63 + 1], [1]], np.uint64)}, "expected whole numbers"),
        ({"train_labels": np.array([[0, 1], [1, 0]])}, "some have one"),
        ({f"{split}_labels": np.array([[0, 2], [1, 0]]) for split in ("train", "val", "test")}, "0 and 1 only"),
        ({"train_images": np.array([{}, {}], object)}, "plain arrays"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, arrays, complaint):
    with pytest.raises(BadData, match=complaint):
        read.read(npz(tmp_path / "set.npz", **arrays))


def test_a_foreign_file_is_told_what_it_holds(tmp_path):
    np.savez(tmp_path / "weights.npz", kernel=np.zeros(3), bias=np.zeros(1))
    with pytest.raises(BadData, match=r"weights.npz holds bias, kernel; expected train_images"):
        read.read(str(tmp_path / "weights.npz"))


@pytest.mark.parametrize("keep", [0, 100, -100, -2000])
def test_a_file_that_is_cut_off_is_one_sentence(tmp_path, keep):
    path = tmp_path / "set.npz"
    npz(path)
    data = path.read_bytes()
    path.write_bytes(data[:keep])
    with pytest.raises(BadData, match=r"set.npz cannot be read"):
        read.read(str(path))


def test_a_file_that_is_damaged_inside_is_one_sentence(tmp_path):
    path = tmp_path / "set.npz"
    npz(path)
    data = bytearray(path.read_bytes())
    data[300:400] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(BadData, match=r"set.npz cannot be read"):
        read.read(str(path))


def test_a_file_that_would_fill_the_memory_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "UNPACKED_BYTES", 1000)
    with pytest.raises(BadData, match="GB of arrays"):
        read.read(npz(tmp_path / "set.npz"))
