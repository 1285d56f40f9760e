"""COCO annotations where COCO and common tools put them."""

import json

import numpy as np
import pytest

from counterfactory import keys
from counterfactory.data import coco
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels
from pictures import counts, labels, picture, said

SQUARE = [[0, 0, 4, 0, 4, 4, 0, 4]]


def thing(image, category, area, **more):
    return {"image_id": image, "category_id": category, "area": area, "iscrowd": 0, "segmentation": SQUARE, **more}


def annotate(file, folder, objects, count=3):
    """Images `1.png`, `2.png`, ... and what is in them."""
    for number in range(1, count + 1):
        picture(folder / f"{number}.png")
    file.parent.mkdir(parents=True, exist_ok=True)
    said = {
        "info": {},
        "images": [{"id": n, "file_name": f"{n}.png", "width": 8, "height": 8} for n in range(1, count + 1)],
        "annotations": [{"id": i, **entry} for i, entry in enumerate(objects)],
        "categories": [{"id": 3, "name": "zebra"}, {"id": 7, "name": "cat"}, {"id": 90, "name": "sky"}],
    }
    file.write_text(json.dumps(said))
    return file


OBJECTS = [thing(1, 3, 5), thing(1, 7, 16), thing(2, 3, 9), thing(2, 7, 99, iscrowd=1), thing(3, 7, 1)]


def test_an_image_is_what_its_largest_object_is(tmp_path):
    annotate(tmp_path / "annotations" / "instances_train2017.json", tmp_path / "train2017", OBJECTS)
    collection = coco.read(tmp_path)
    assert (collection.kind, collection.task, collection.classes) == (
        "COCO annotations",
        "single-label",
        ("zebra", "cat"),
    )
    assert labels(collection) == ["cat", "zebra", "cat"]
    assert said(collection) == "sky: a category that is no image's largest object; left out"


def test_the_mask_is_a_place_that_opens(tmp_path):
    annotate(tmp_path / "annotations" / "instances_val2017.json", tmp_path / "images" / "val2017", OBJECTS)
    mask = coco.read(tmp_path).splits["validation"].samples[0].mask
    assert mask.place == 'polygons:{"size":[8,8],"polygons":[[0,0,4,0,4,4,0,4]]}'
    assert mask.digest == keys.digest(mask.place.encode())
    pixels = Pixels().mask(mask)
    assert pixels.shape == (8, 8)
    assert 16 <= np.count_nonzero(pixels) <= 25


def test_run_lengths_stay_as_they_are(tmp_path):
    counted = thing(1, 3, 8, segmentation={"size": [8, 8], "counts": [0, 8, 56]})
    annotate(tmp_path / "annotations.json", tmp_path, [counted, thing(2, 7, 4)], count=2)
    mask = coco.read(tmp_path).splits["train"].samples[0].mask
    assert mask.place == 'rle:{"size":[8,8],"counts":[0,8,56]}'
    assert np.count_nonzero(Pixels().mask(mask)) == 8


@pytest.mark.parametrize("name", ["_annotations.coco.json", "labels.json"])
def test_an_export_in_each_split_folder(tmp_path, name):
    for split in ("train", "valid", "test"):
        annotate(tmp_path / split / name, tmp_path / split, OBJECTS)
    assert counts(coco.read(tmp_path)) == {"train": 3, "validation": 3, "test": 3}


def test_one_file_beside_the_images_or_given_itself(tmp_path):
    file = annotate(tmp_path / "labels.json", tmp_path / "images", OBJECTS)
    assert counts(coco.read(tmp_path)) == counts(coco.read(file)) == {"train": 3}


def test_images_without_objects_or_files_are_told(tmp_path):
    annotate(tmp_path / "labels.json", tmp_path, [thing(1, 3, 5), thing(2, 7, 5), thing(3, 7, 5)], count=4)
    (tmp_path / "2.png").unlink()
    collection = coco.read(tmp_path)
    assert counts(collection) == {"train": 2}
    assert "4.png: an image without objects; skipped" in said(collection)
    assert "2.png: in labels.json, but no such file; skipped" in said(collection)


def test_a_crowd_counts_where_there_is_nothing_else(tmp_path):
    annotate(tmp_path / "labels.json", tmp_path, [thing(1, 3, 5, iscrowd=1), thing(2, 7, 5), thing(3, 7, 5)])
    assert labels(coco.read(tmp_path)) == ["zebra", "cat", "cat"]


def test_an_object_without_an_outline_has_no_mask(tmp_path):
    boxes = [
        thing(1, 3, None, segmentation=[], bbox=[0, 0, 2, 2]),
        thing(1, 7, None, segmentation=None, bbox=[0, 0, 3, 3]),
    ]
    annotate(tmp_path / "labels.json", tmp_path, [*boxes, thing(2, 3, 1)])
    first, second = coco.read(tmp_path).splits["train"].samples
    assert (first.target, first.mask) == (1, None)
    assert second.mask is not None


def test_one_odd_annotation_is_told_and_the_others_are_kept(tmp_path):
    odd = [thing(1, 3, None, bbox=[1, 1]), thing(1, 3, "big"), thing([1], 3, 1), thing(1, [3], 1)]
    flat = thing(1, 3, 5, segmentation=SQUARE[0])
    scattered = thing(3, 7, 5, segmentation=[1, SQUARE])
    file = annotate(tmp_path / "labels.json", tmp_path, [*odd, flat, thing(2, 7, 5), scattered])
    file.write_text(file.read_text().replace('"images": [', '"images": [{"id": 9, "file_name": 3}, '))
    collection = coco.read(tmp_path)
    first, _, third = collection.splits["train"].samples
    assert (labels(collection), third.mask) == (["zebra", "cat", "cat"], None)
    assert first.mask.place == 'polygons:{"size":[8,8],"polygons":[[0,0,4,0,4,4,0,4]]}'
    assert "labels.json, images 1: id or file_name of a wrong type; skipped" in said(collection)
    assert "labels.json, annotations 3, labels.json, annotations 4: image_id or category_id" in said(collection)
    assert "labels.json, object 1, labels.json, object 2: its area or box is none; skipped" in said(collection)
    assert "3.png: an outline of another form; kept without a mask" in said(collection)


def test_a_file_name_that_is_too_long_for_the_disk_is_told(tmp_path):
    file = annotate(tmp_path / "labels.json", tmp_path, OBJECTS)
    file.write_text(file.read_text().replace('"1.png"', f'"{"x" * 300}.png"'))
    assert counts(coco.read(tmp_path)) == {"train": 2}


def test_an_image_outside_of_the_folder_is_told_and_not_read(tmp_path):
    file = annotate(tmp_path / "d" / "labels.json", tmp_path / "d", OBJECTS)
    picture(tmp_path / "secret.png")
    file.write_text(file.read_text().replace('"1.png"', '"../secret.png"'))
    collection = coco.read(tmp_path / "d")
    assert counts(collection) == {"train": 2}
    assert "../secret.png: outside of the folder that was given; skipped" in said(collection)


@pytest.mark.parametrize(
    "text",
    ['{"images": [], "annotations": []}', '{"images": [{}], "annotations": [], "categories": []}', '{"images": ['],
)
def test_another_form_is_refused(tmp_path, text):
    (tmp_path / "instances.json").write_text(text)
    with pytest.raises(BadData, match="not in COCO's form"):
        coco.read(tmp_path)


def test_other_json_is_not_recognised(tmp_path):
    (tmp_path / "dataset.json").write_text('{"format": 1, "classes": [], "task": "single-label"}')
    assert not coco.recognises(tmp_path)
