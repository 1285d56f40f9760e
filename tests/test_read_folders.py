"""Class folders and split folders, with all that people have in them."""

import json
import os

import pytest

from counterfactory import keys
from counterfactory.data import folders
from counterfactory.data.labels import class_order
from counterfactory.data.splits import split_name
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels
from pictures import class_folders, counts, labels, picture, said


def test_each_folder_is_a_class(tmp_path):
    collection = folders.read(class_folders(tmp_path / "pets"))
    assert (collection.name, collection.kind, collection.task) == ("pets", "class folders", "single-label")
    assert collection.classes == ("cat", "dog")
    assert labels(collection) == ["cat"] * 3 + ["dog"] * 3
    assert not collection.problems


def test_an_address_is_the_digest_of_the_bytes_and_opens(tmp_path):
    sample = folders.read(class_folders(tmp_path)).splits["train"].samples[0]
    assert sample.image.digest == keys.digest((tmp_path / "cat" / "0.png").read_bytes())
    assert sample.image.place == f"file:{tmp_path}/cat/0.png"
    assert Pixels().image(sample.image).size == (8, 8)


def test_folders_of_splits_have_their_own_names(tmp_path):
    for split in ("Training", "val", "test", "test_night", "test-unusual"):
        class_folders(tmp_path / split)
    collection = folders.read(tmp_path)
    assert list(collection.splits) == ["train", "validation", "test", "test-night", "test-unusual"]
    assert [dataset.split for dataset in collection.splits.values()] == list(collection.splits)


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("train", "train"),
        ("TRAINING", "train"),
        ("train2017", "train"),
        ("val", "validation"),
        ("dev", "validation"),
        ("testing", "test"),
        ("test-2019", "test-2019"),
        ("tester", None),
        ("cat", None),
    ],
)
def test_a_split_goes_by_many_names(text, split):
    assert split_name(text) == split


def test_a_class_called_train_is_a_class(tmp_path):
    collection = folders.read(class_folders(tmp_path, "bus car train"))
    assert collection.classes == ("bus", "car", "train")


def test_numbers_in_class_names_are_ordered_as_numbers():
    assert class_order(["class10", "class2", "Class1"]) == ("Class1", "class2", "class10")
    assert class_order(["10", "9", "a"]) == ("9", "10", "a")


def test_a_class_that_a_split_lacks_is_a_problem_and_keeps_its_number(tmp_path):
    class_folders(tmp_path / "train", "ant bee cat")
    class_folders(tmp_path / "test", "bee cat")
    collection = folders.read(tmp_path)
    assert {sample.target for sample in collection.splits["test"].samples} == {1, 2}
    assert "test: no image of 1 class(es): ant" in said(collection)


def test_images_of_a_class_may_lie_deeper(tmp_path):
    class_folders(tmp_path)
    picture(tmp_path / "cat" / "session 2" / "left" / "1.jpg")
    assert labels(folders.read(tmp_path)).count("cat") == 4


def test_one_name_in_two_classes_is_two_images(tmp_path):
    samples = folders.read(class_folders(tmp_path, count=1)).splits["train"].samples
    assert len({sample.image for sample in samples}) == 2


def test_hidden_files_and_what_systems_leave_are_not_seen(tmp_path):
    class_folders(tmp_path)
    picture(tmp_path / ".ipynb_checkpoints" / "0.png")
    picture(tmp_path / "cat" / ".ipynb_checkpoints" / "0-checkpoint.png")
    picture(tmp_path / "__MACOSX" / "cat" / "0.png")
    (tmp_path / "cat" / "._0.png").write_bytes(b"x")
    (tmp_path / "cat" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "cat" / ".DS_Store").write_bytes(b"x")
    collection = folders.read(tmp_path)
    assert (collection.classes, counts(collection), collection.problems) == (("cat", "dog"), {"train": 6}, ())


def test_an_accent_in_a_letter_or_behind_it_is_one_class(tmp_path):
    class_folders(tmp_path / "train", "caf\u00e9 tea")
    class_folders(tmp_path / "test", "cafe\u0301 tea")
    collection = folders.read(tmp_path)
    assert (collection.classes, collection.problems) == (("caf\u00e9", "tea"), ())


def test_names_with_spaces_and_names_that_are_not_utf8_are_read_and_can_be_printed(tmp_path):
    class_folders(tmp_path, "cat dog")
    odd = os.fsdecode(b"caf\xe9")
    picture(tmp_path / "big cat" / "my photo (1).png")
    picture(tmp_path / odd / f"{odd}.png")
    (tmp_path / odd / f"empty {odd}.png").write_bytes(b"")
    collection = folders.read(tmp_path)
    json.dumps([collection.classes, said(collection)], ensure_ascii=False).encode()
    assert "caf\\udce9" in collection.classes
    assert "empty file" in said(collection)
    for sample in collection.splits["train"].samples:
        Pixels().image(sample.image)


def test_an_empty_file_and_a_text_called_png_are_left_out_by_name(tmp_path):
    class_folders(tmp_path)
    (tmp_path / "cat" / "empty.png").write_bytes(b"")
    (tmp_path / "dog" / "text.png").write_text("no image")
    collection = folders.read(tmp_path)
    assert counts(collection) == {"train": 6}
    assert "cat/empty.png: empty file (0 bytes); skipped" in said(collection)
    assert "dog/text.png: no image in spite of its name; skipped" in said(collection)


def test_many_bad_files_are_one_problem(tmp_path):
    class_folders(tmp_path)
    for number in range(20):
        (tmp_path / "cat" / f"bad{number}.png").write_bytes(b"")
    assert len(folders.read(tmp_path).problems) == 1
    assert "cat/bad4.png and 15 more: empty file" in said(folders.read(tmp_path))


@pytest.mark.parametrize(
    "ending", ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "JPG", "jfif", "jpe"]
)
def test_every_kind_of_image_file_is_read(tmp_path, ending):
    class_folders(tmp_path, count=1)
    picture(tmp_path / "cat" / f"more.{ending}")
    assert counts(folders.read(tmp_path)) == {"train": 3}


def test_stray_images_and_empty_folders_are_told(tmp_path):
    class_folders(tmp_path)
    picture(tmp_path / "stray.png")
    (tmp_path / "owl").mkdir()
    collection = folders.read(tmp_path)
    assert "stray.png: in no class folder; skipped" in said(collection)
    assert "owl: a folder without images; left out" in said(collection)


def test_folders_beside_the_splits_are_told(tmp_path):
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "extra")
    collection = folders.read(tmp_path)
    assert counts(collection) == {"train": 6}
    assert "extra: no split's name" in said(collection)


def test_one_class_is_read(tmp_path):
    assert folders.read(class_folders(tmp_path, "cat")).classes == ("cat",)


def test_a_folder_around_the_class_folders_is_named(tmp_path):
    class_folders(tmp_path / "pets-v2")
    with pytest.raises(BadData, match=r"give .*/pets-v2"):
        folders.read(tmp_path)


def test_splits_without_class_folders_are_not_classes(tmp_path):
    with pytest.raises(BadData, match="names of splits"):
        folders.read(class_folders(tmp_path, "train test"))


def test_folders_that_begin_with_the_name_of_a_split_are_not_classes(tmp_path):
    with pytest.raises(BadData, match="test_images, train_images are names of splits"):
        folders.read(class_folders(tmp_path, "train_images test_images"))


def test_masks_beside_the_images_of_a_class_are_told_and_are_no_images(tmp_path):
    class_folders(tmp_path)
    for name in ("0_mask", "0_mask_1", "sleep_mask", "photo_1", "_mask"):
        picture(tmp_path / "cat" / f"{name}.png")
    collection = folders.read(tmp_path)
    assert counts(collection) == {"train": 9}
    assert "cat/0_mask.png, cat/0_mask_1.png: by its name the mask of an image beside it" in said(collection)


def test_a_table_beside_class_folders_is_told(tmp_path):
    class_folders(tmp_path)
    (tmp_path / "breeds.csv").write_text("id,breed\n0,beagle\n")
    assert "breeds.csv: a table that was not read" in said(folders.read(tmp_path))


def test_one_folder_of_images_beside_a_table_is_no_class(tmp_path):
    (class_folders(tmp_path, "images") / "labels.csv").write_text("id,breed\n0,beagle\n")
    with pytest.raises(BadData, match=r"one folder \(images\) and a table that was not read \(labels.csv\)"):
        folders.read(tmp_path)


def test_nothing_but_bad_files_is_refused_with_the_reason(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"")
    with pytest.raises(BadData, match=r"no image in it can be used .*empty file"):
        folders.read(tmp_path)


def test_folders_may_be_links_and_circles_end(tmp_path):
    class_folders(tmp_path / "real")
    (tmp_path / "data").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "real" / name)
    (tmp_path / "real" / "cat" / "again").symlink_to(tmp_path / "real" / "cat")
    assert counts(folders.read(tmp_path / "data")) == {"train": 6}


def test_the_order_does_not_depend_on_the_disk(tmp_path):
    for number in (10, 2, 1):
        picture(tmp_path / "cat" / f"{number}.png")
    class_folders(tmp_path, "dog", count=1)
    places = [sample.image.place for sample in folders.read(tmp_path).splits["train"].samples]
    assert [place.rpartition("/")[2] for place in places] == ["1.png", "2.png", "10.png", "0.png"]
