"""Diorama as a data set: options, splits, what is usual, addresses, and the folder that it writes."""

import time
from collections import Counter

import datasets
import numpy as np
import pytest
from PIL import Image

from counterfactory.blobs import Blobs
from counterfactory.data.diorama import read, write
from counterfactory.data.diorama.place import PLACE, scene_at
from counterfactory.data.diorama.world import CLASSES, KEPT_BACK, USUAL_SURFACE, unusual
from counterfactory.errors import BadConfig, BadData
from counterfactory.pixels import Pixels

SMALL = "train=6,validation=3,test=6,classes=cup+dog+windmill"
SCENE = '{"kind":"dog","colour":"red","surface":"grass","weather":"clear","time":"day","seed":1}'


def tags(dataset):
    return Counter(sample.attributes["unusual"] for sample in dataset.samples)


def test_diorama_alone_has_the_promised_splits_balanced_over_ten_classes():
    collection = read("")
    sizes = {split: len(dataset) for split, dataset in collection.splits.items()}
    assert sizes == {"train": 400, "validation": 200, "test": 1000, "test-unusual": 1000, "test-uniform": 1000}
    assert (collection.kind, collection.classes) == ("diorama", CLASSES)
    for split, dataset in collection.splits.items():
        counts = Counter(sample.target for sample in dataset.samples)
        assert dataset.split == split
        assert set(counts.values()) == {len(dataset) // 10}


def test_no_scene_is_in_two_splits():
    samples = [sample for dataset in read("").splits.values() for sample in dataset.samples]
    assert len({sample.image for sample in samples} | {sample.mask for sample in samples}) == 2 * len(samples)


def test_the_usual_splits_hold_only_what_is_usual():
    splits = read("").splits
    for split in ("train", "validation", "test"):
        for sample in splits[split].samples:
            said = sample.attributes
            assert said["surface"] == USUAL_SURFACE[said["class"]]
            assert (said["weather"], said["unusual"]) == ("clear", "")
            assert said["time"] in {"day", "dusk"}


def test_the_unusual_split_measures_each_departure_alone_and_together():
    dataset = read("").splits["test-unusual"]
    found = tags(dataset)
    assert "" not in found
    assert min(found["surface"], found["weather"], found["time"]) >= 200
    assert {"surface+weather", "surface+time", "weather+time", "surface+weather+time"} < set(found)
    assert all(sample.attributes["unusual"] == unusual(scene_at(sample.image.place)) for sample in dataset.samples)


def test_the_uniform_split_shows_every_value_of_every_factor():
    samples = read("").splits["test-uniform"].samples
    for factor, values in {"colour": 8, "surface": 6, "weather": 4, "time": 3}.items():
        counts = Counter(sample.attributes[factor] for sample in samples)
        assert len(counts) == values
        assert min(counts.values()) > 0.5 * 1000 / values


def test_the_eleventh_class_appears_only_where_it_is_asked_for():
    assert KEPT_BACK not in read("").classes
    assert read("classes=all").classes == (*CLASSES, KEPT_BACK)
    assert read(SMALL).classes == ("cup", "dog", "windmill")


def test_a_class_keeps_its_scenes_whatever_other_classes_there_are():
    alone = read("train=3,classes=dog").splits["train"].samples
    among = [s for s in read("train=30").splits["train"].samples if s.attributes["class"] == "dog"]
    assert [sample.image for sample in alone] == [sample.image for sample in among]


def test_the_seed_decides_and_a_split_of_no_images_is_left_out():
    assert read("train=5,seed=1").splits["train"].samples != read("train=5").splits["train"].samples
    assert read("train=5,seed=1").splits["train"].samples == read("seed=1, train=5").splits["train"].samples
    assert list(read("train=5,validation=0,test=0").splits) == ["train"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("tran=3", "option 'tran'. Did you mean 'train'"),
        ("train=many", "train='many' is not allowed; give a whole number"),
        ("train=-1", "train='-1' is not allowed"),
        ("train", "'train' has no value"),
        ("train=1,train=2", "'train' is given twice"),
        ("size=65", "size='65' is not allowed; give one of 32, 64"),
        ("classes=cup+dgo", "class 'dgo'. Did you mean 'dog'"),
        ("classes=cup+cup", "names a class twice"),
        ("train=0,validation=0,test=0", "leave no image"),
    ],
)
def test_an_option_that_is_not_allowed_is_named_with_what_is(options, message):
    with pytest.raises(BadConfig, match=message.replace("+", r"\+")):
        read(options)


def test_reading_draws_nothing():
    read("")
    start = time.process_time()
    read("")
    assert time.process_time() - start < 1  # 0.15 s on a quiet machine; drawing would take 15 s


def test_pixels_open_a_scene_once_and_keep_it(tmp_path):
    sample = read("train=1,size=32,classes=dog").splits["train"].samples[0]
    kept = Blobs(tmp_path)
    image, mask = Pixels(kept).image(sample.image), Pixels(kept).mask(sample.mask)
    assert (image.mode, image.size, mask.shape) == ("RGB", (32, 32), (32, 32))
    assert set(np.unique(mask)) == {0, 255}
    assert sample.image.digest in kept
    assert (np.asarray(Pixels(kept).image(sample.image)) == np.asarray(Pixels().image(sample.image))).all()


@pytest.mark.parametrize("place", ["picture/64/{}", "image/64/{", 'image/64/{"kind":"dog"}', "image/big/" + SCENE])
def test_a_damaged_place_is_reported(place):
    with pytest.raises(BadData, match="diorama scene"):
        PLACE.read(place)


def test_a_written_folder_loads_as_an_image_folder(tmp_path):
    collection = read(SMALL)
    assert write(collection, tmp_path / "out", processes=1) == 6 + 3 + 6 * 3
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 6, "validation": 3, "test": 18}
    for row, sample in zip(loaded["train"], collection.splits["train"].samples, strict=True):
        assert (np.asarray(row["image"]) == np.asarray(Pixels().image(sample.image))).all()
        mask = np.asarray(Image.open(tmp_path / "out" / "train" / row["mask"]))
        assert (mask == Pixels().mask(sample.mask)).all()
        assert row["caption"] == sample.caption
        assert row["label"] == row["class"] == sample.attributes["class"]
    assert set(loaded["test"]["split"]) == {"test", "test-unusual", "test-uniform"}
    assert {path.name for path in (tmp_path / "out" / "train").iterdir()} == {
        "cup",
        "dog",
        "windmill",
        "metadata.jsonl",
    }


def test_two_processes_write_what_one_writes(tmp_path):
    collection = read("train=70,validation=0,test=0,size=32")
    for processes in (1, 2):
        write(collection, tmp_path / str(processes), processes)
    one, two = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "1", tmp_path / "2")
    )
    assert len(one) == 141
    assert one == two


def test_a_folder_is_finished_by_the_same_call_and_refused_to_another(tmp_path):
    write(read("train=2,validation=0,test=0"), tmp_path)
    assert write(read("train=2,validation=0,test=0"), tmp_path) == 2
    with pytest.raises(BadConfig, match="already holds something else"):
        write(read("train=3,validation=0,test=0"), tmp_path)
