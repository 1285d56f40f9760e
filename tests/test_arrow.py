"""Folders that `save_to_disk` wrote."""

import json

import datasets
import numpy as np
import pytest
from PIL import Image

from counterfactory.data import arrow, read
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels
from pictures import counts, labels, said


def some(count=6, **columns):
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    rows = {"image": [Image.fromarray(np.full((4, 4, 3), n, np.uint8)) for n in range(count)]}
    rows["label"] = [n % 2 for n in range(count)]
    features |= {name: datasets.Value("string") for name in columns}
    return datasets.Dataset.from_dict({**rows, **columns}, features=datasets.Features(features))


def test_a_dictionary_of_splits_is_read_from_all_its_files(tmp_path):
    both = datasets.DatasetDict({"train": some(), "val": some(2), "extra": some(2)})
    both.save_to_disk(tmp_path / "d", num_shards={"train": 3, "val": 1, "extra": 1})
    collection = read.read(str(tmp_path / "d"))
    assert (collection.kind, collection.classes) == ("Hugging Face save_to_disk", ("cat", "dog"))
    assert counts(collection) == {"train": 6, "validation": 2, "extra": 2}
    assert labels(collection) == ["cat", "dog"] * 3
    for number, sample in enumerate(collection.splits["train"].samples):
        assert Pixels().image(sample.image).getpixel((0, 0)) == (number,) * 3


def test_a_single_data_set_is_the_training_split(tmp_path):
    some(text=list("abcdef")).save_to_disk(tmp_path / "d")
    collection = read.read(str(tmp_path / "d"))
    assert counts(collection) == {"train": 6}
    assert [sample.caption for sample in collection.splits["train"].samples] == list("abcdef")


def test_a_selection_of_rows_is_read_as_it_was_saved(tmp_path):
    some().select([5, 0]).save_to_disk(tmp_path / "d")
    samples = arrow.read(tmp_path / "d").splits["train"].samples
    assert [Pixels().image(sample.image).getpixel((0, 0))[0] for sample in samples] == [5, 0]


def test_rows_without_an_image_are_skipped(tmp_path):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    image = Image.new("RGB", (2, 2))
    data = datasets.Dataset.from_dict({"image": [None, image, image], "label": [0, 1, 0]}, features=features)
    data.save_to_disk(tmp_path / "d")
    collection = arrow.read(tmp_path / "d")
    assert (labels(collection), len(collection.problems)) == (["b", "a"], 1)
    assert "row 0: no image in this row" in said(collection)


@pytest.mark.parametrize("name", ["state.json", "data-00000-of-00001.arrow"])
def test_a_file_that_is_damaged_or_gone_is_said(tmp_path, name):
    datasets.DatasetDict({"train": some()}).save_to_disk(tmp_path / "d")
    for damage in (lambda file: file.write_text("{"), lambda file: file.unlink()):
        damage(tmp_path / "d" / "train" / name)
        with pytest.raises(BadData, match=rf"{name} cannot be read"):
            arrow.read(tmp_path / "d")


@pytest.mark.parametrize(
    "text", ["{}", '{"_data_files": [{}]}', '{"_data_files": 1}', '{"_data_files": [{"filename": "../x.arrow"}]}']
)
def test_notes_that_name_no_files_in_the_folder_are_refused(tmp_path, text):
    some().save_to_disk(tmp_path / "d")
    (tmp_path / "d" / "state.json").write_text(text)
    with pytest.raises(BadData, match=r"state.json does not name what lies beside it"):
        arrow.read(tmp_path / "d")


def test_a_selection_that_was_not_flattened_is_refused(tmp_path):
    some().save_to_disk(tmp_path / "d")
    state = json.loads((tmp_path / "d" / "state.json").read_text())
    (tmp_path / "d" / "state.json").write_text(json.dumps({**state, "_indices_data_files": [{"filename": "i.arrow"}]}))
    with pytest.raises(BadData, match="flatten_indices"):
        arrow.read(tmp_path / "d")
