"""Images with segmentation masks of the same names."""

import pytest
from PIL import Image

from counterfactory.data import pairs
from counterfactory.errors import BadData
from pictures import counts, mask, picture, said


def two_folders(root, count=3, numbers=(0, 1, 2), images="images", masks="masks"):
    for number in range(count):
        picture(root / images / f"{number}.jpg")
        mask(root / masks / f"{number}.png", list(numbers))
    return root


@pytest.mark.parametrize("masks", ["masks", "labels", "annotations", "SegmentationClass"])
def test_images_and_masks_in_two_folders(tmp_path, masks):
    collection = pairs.read(two_folders(tmp_path / "city", masks=masks))
    assert (collection.name, collection.kind, collection.task) == ("city", "image and mask pairs", "segmentation")
    assert collection.classes == ("class 0", "class 1", "class 2")
    for sample in collection.splits["train"].samples:
        assert sample.target is None
        assert sample.mask.place == sample.image.place.replace("/images/", f"/{masks}/").replace(".jpg", ".png")


def test_split_folders_outside_or_inside(tmp_path):
    for split in ("training", "val", "test-fog"):
        two_folders(tmp_path / "outside" / split)
        two_folders(tmp_path / "inside", images=f"images/{split}", masks=f"annotations/{split}")
    for form in ("outside", "inside"):
        assert counts(pairs.read(tmp_path / form)) == {"train": 3, "validation": 3, "test-fog": 3}


def test_masks_beside_images(tmp_path):
    for number in range(2):
        picture(tmp_path / f"x{number}.jpg")
        mask(tmp_path / f"x{number}_mask.png", [0, 1])
    assert counts(pairs.read(tmp_path)) == {"train": 2}


def test_class_folders_are_no_pairs(tmp_path):
    picture(tmp_path / "cat" / "0.png")
    picture(tmp_path / "images" / "0.png")
    picture(tmp_path / "labels" / "1.png")
    assert not pairs.recognises(tmp_path)


@pytest.mark.parametrize("text", ["road\nsky\ncar\n", "0 road\n1 sky\n2 car\n", "2: car\n0: road\n1: sky\n"])
def test_a_list_names_the_classes(tmp_path, text):
    (two_folders(tmp_path) / "classes.txt").write_text(text)
    assert pairs.read(tmp_path).classes == ("road", "sky", "car")


def test_a_list_that_names_no_class_is_told_and_the_numbers_count(tmp_path):
    (two_folders(tmp_path) / "classes.txt").write_text("\n")
    collection = pairs.read(tmp_path)
    assert collection.classes == ("class 0", "class 1", "class 2")
    assert "classes.txt: names no class; the numbers in the masks are used" in said(collection)


def test_void_is_no_class(tmp_path):
    assert pairs.read(two_folders(tmp_path, numbers=(0, 1, 255))).classes == ("class 0", "class 1")


def test_black_and_white_masks_are_told(tmp_path):
    assert "the masks hold 0 and 255 only" in said(pairs.read(two_folders(tmp_path, numbers=(0, 255))))


def test_a_number_that_the_list_lacks_is_told(tmp_path):
    (two_folders(tmp_path, numbers=(0, 5)) / "classes.txt").write_text("road\nsky\n")
    assert "classes.txt: the masks hold numbers without a class: 5; 2 are named" in said(pairs.read(tmp_path))


def test_sizes_that_differ_are_told_and_skipped(tmp_path):
    two_folders(tmp_path)
    mask(tmp_path / "masks" / "1.png", [0, 1], size=(9, 8))
    collection = pairs.read(tmp_path)
    assert counts(collection) == {"train": 2}
    assert "images/1.jpg: image and mask differ in size; skipped" in said(collection)


def test_a_turned_photograph_fits_its_upright_mask(tmp_path):
    two_folders(tmp_path)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (12, 6)).save(tmp_path / "images" / "1.jpg", exif=turned)
    mask(tmp_path / "masks" / "1.png", [0, 1], size=(6, 12))
    assert counts(pairs.read(tmp_path)) == {"train": 3}


def test_images_and_masks_without_each_other_are_told(tmp_path):
    two_folders(tmp_path)
    picture(tmp_path / "images" / "alone.jpg")
    mask(tmp_path / "masks" / "lost.png", [0])
    assert "images/alone.jpg: an image without a mask; skipped" in said(pairs.read(tmp_path))
    assert "masks/lost.png: a mask without an image; left out" in said(pairs.read(tmp_path))


def test_masks_as_jpeg_are_told(tmp_path):
    two_folders(tmp_path)
    picture(tmp_path / "images" / "3.jpg")
    picture(tmp_path / "masks" / "3.jpg", mode="L")
    assert "masks/3.jpg: a mask stored as JPEG" in said(pairs.read(tmp_path))


def test_colour_masks_are_refused(tmp_path):
    picture(tmp_path / "images" / "0.png")
    picture(tmp_path / "masks" / "0.png")
    with pytest.raises(BadData, match="expected one number a pixel"):
        pairs.read(tmp_path)


def test_nothing_left_is_refused(tmp_path):
    picture(tmp_path / "images" / "0.png")
    mask(tmp_path / "masks" / "0.png", [0], size=(3, 3))
    with pytest.raises(BadData, match="differ in size"):
        pairs.read(tmp_path)
