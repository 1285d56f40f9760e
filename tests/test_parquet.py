"""Parquet files in Hugging Face's layout, from that library and from others."""

import json
import time
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from counterfactory.data import parquet as reader
from counterfactory.data import read
from counterfactory.errors import BadData
from counterfactory.keys import digest
from counterfactory.pixels import Pixels, encode_png
from pictures import counts, labels, picture, said

CIFAR = Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar10"  # 60,000 photographs, where there are any


def png(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return encode_png(Image.fromarray(noise))


def write(path, images=None, features=None, **columns):
    """A table with some images, and features as that library notes them."""
    rows = images or [{"bytes": png(n), "path": None} for n in range(len(next(iter(columns.values()))))]
    table = pa.table({"image": rows, **columns})
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path)
    return path


def names(*classes):
    return {"names": list(classes), "_type": "ClassLabel"}


def test_what_the_datasets_library_writes_is_read(tmp_path):
    features = datasets.Features(
        {"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"]), "text": datasets.Value("string")}
    )
    rows = {"img": [Image.fromarray(np.full((4, 4, 3), n, np.uint8)) for n in range(4)], "label": [1, 0, 1, 0]}
    written = datasets.Dataset.from_dict({**rows, "text": ["a", "b", "c", None]}, features=features)
    (tmp_path / "data").mkdir()
    written.to_parquet(tmp_path / "data" / "train-00000-of-00002.parquet")
    written.to_parquet(tmp_path / "data" / "train-00001-of-00002.parquet")
    written.to_parquet(tmp_path / "data" / "test_unusual-00000-of-00001.parquet")
    collection = read.read(str(tmp_path))
    assert (collection.kind, collection.classes) == ("Hugging Face parquet", ("cat", "dog"))
    assert counts(collection) == {"train": 8, "test-unusual": 4}
    assert labels(collection)[:4] == ["dog", "cat", "dog", "cat"]
    assert [sample.caption for sample in collection.splits["train"].samples[:4]] == ["a", "b", "c", None]
    assert Pixels().image(collection.splits["train"].samples[6].image).getpixel((0, 0)) == (2, 2, 2)
    assert not collection.problems


def test_the_digest_is_that_of_the_encoded_image(tmp_path):
    collection = reader.read(write(tmp_path / "x.parquet", label=["a", "b"]))
    for number, sample in enumerate(collection.splits["train"].samples):
        assert sample.image.digest == digest(png(number))
        assert Pixels().encoded(sample.image) == png(number)


@pytest.mark.parametrize(
    ("file", "split"),
    [("train-00000-of-00001.parquet", "train"), ("val.parquet", "validation"), ("default/test/0000.parquet", "test")],
)
def test_the_split_is_in_the_name_of_the_file_or_folder(tmp_path, file, split):
    write(tmp_path / file, label=[0, 1])
    assert counts(read.read(str(tmp_path))) == {split: 2}


def test_without_notes_numbers_and_words_are_classes(tmp_path):
    numbers = reader.read(write(tmp_path / "n" / "train.parquet", category=[10, 2, 2]))
    assert (numbers.classes, labels(numbers)) == (("2", "10"), ["10", "2", "2"])
    words = reader.read(write(tmp_path / "w" / "train.parquet", label=["dog", "cat", None], caption=["a", "b", "c"]))
    assert (words.classes, labels(words)) == (("cat", "dog"), ["dog", "cat"])
    assert said(words) == "train.parquet row 2: no label in this row (a name or a whole number); skipped"


@pytest.mark.parametrize(
    ("column", "classes"),
    [
        (pa.array(["dog", "cat", "dog"]).dictionary_encode(), ["dog", "cat", "dog"]),
        (pa.array([7, 30, 7]).dictionary_encode(), ["7", "30", "7"]),
        (pa.array([1.0, 0.0, None]), ["1", "0"]),
        (pa.array([1.0, float("nan"), 0.0]), ["1", "0"]),
        (pa.array([1.0, 0.5, 0.0]), ["1", "0"]),
    ],
)
def test_labels_are_read_as_data_frames_write_them(tmp_path, column, classes):
    assert labels(reader.read(write(tmp_path / "x.parquet", label=column))) == classes


def test_of_several_labels_the_finest_is_used_and_said(tmp_path):
    features = {"fine_label": names("cat", "dog", "oak"), "coarse_label": names("animal", "plant")}
    path = write(tmp_path / "x.parquet", coarse_label=[0, 0, 1], fine_label=[0, 1, 2], features=features)
    collection = reader.read(path)
    assert labels(collection) == ["cat", "dog", "oak"]
    assert [sample.attributes for sample in collection.splits["train"].samples][2] == {"coarse_label": "plant"}
    assert "several columns of labels (fine_label, coarse_label): fine_label, the finest, is used" in said(collection)


def test_a_list_of_classes_is_multi_label(tmp_path):
    features = {"labels": {"feature": names("red", "round", "soft"), "_type": "List"}}
    collection = reader.read(write(tmp_path / "x.parquet", labels=[[0, 2], []], features=features))
    assert collection.task == "multi-label"
    assert [sample.target for sample in collection.splits["train"].samples] == [(1, 0, 1), (0, 0, 0)]


def test_rows_without_an_image_are_skipped_and_said(tmp_path):
    images = [
        {"bytes": png(0), "path": None},
        None,
        {"bytes": None, "path": "gone.png"},
        {"bytes": png(3), "path": "x"},
    ]
    collection = reader.read(write(tmp_path / "x.parquet", images, label=["a", "a", "a", "b"]))
    assert labels(collection) == ["a", "b"]
    assert (
        said(collection) == "x.parquet row 1, x.parquet row 2: no image in this row, nor in the table's folder; skipped"
    )


def test_an_image_that_is_only_named_is_found_beside_the_table(tmp_path):
    file = picture(tmp_path / "pictures" / "0.png")
    images = [{"bytes": None, "path": "pictures/0.png"}, {"bytes": png(1), "path": None}]
    collection = reader.read(write(tmp_path / "x.parquet", images, label=["a", "b"]))
    assert collection.splits["train"].samples[0].image.digest == digest(file.read_bytes())
    assert Pixels().image(collection.splits["train"].samples[0].image).size == (8, 8)


def test_a_name_that_leads_out_of_the_tables_folder_is_not_followed(tmp_path):
    secret = picture(tmp_path / "secret.png")
    images = [{"bytes": None, "path": name} for name in ("../secret.png", str(secret), "x" * 300)]
    images += [{"bytes": png(n), "path": None} for n in (1, 2)]
    collection = reader.read(write(tmp_path / "data" / "x.parquet", images, label=["a", "a", "a", "a", "b"]))
    assert counts(collection) == {"train": 2}
    assert "x.parquet row 1, x.parquet row 2: no image in this row, nor in the table's folder" in said(collection)


def test_a_mask_column_is_kept(tmp_path):
    masks = [{"bytes": encode_png(Image.new("L", (4, 4), n)), "path": None} for n in (1, 2)]
    collection = reader.read(write(tmp_path / "x.parquet", label=["a", "b"], mask=masks))
    assert [Pixels().mask(sample.mask).max() for sample in collection.splits["train"].samples] == [1, 2]


def test_lists_of_images_are_refused_by_name(tmp_path):
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"image": [[{"bytes": png(0), "path": None}]], "label": [1]}), path)
    with pytest.raises(BadData, match=r"x.parquet.*'image' holds lists of images"):
        reader.read(path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"text": ["a"], "label": [1]}, "no column of encoded images among text, label"),
        ({"image": [b"x"], "score": [0.5]}, "no column of labels among image, score"),
        ({"image": [b"x"], "label": [[0.5]]}, r"label \(list<.*double>\)"),
    ],
)
def test_tables_that_are_no_labelled_images_are_refused_with_what_they_have(tmp_path, table, message):
    parquet.write_table(pa.table(table), tmp_path / "x.parquet")
    with pytest.raises(BadData, match=message):
        reader.read(tmp_path / "x.parquet")


def test_damaged_files_and_pointers_are_said(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(BadData, match=r"train.parquet cannot be read \(damaged"):
        reader.read(tmp_path)
    (tmp_path / "train.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(BadData, match="git lfs pull"):
        reader.read(tmp_path)


def test_damage_inside_of_a_file_is_said(tmp_path):
    path = write(tmp_path / "train.parquet", label=[0, 1] * 20)
    data = bytearray(path.read_bytes())
    data[40:140] = bytes(byte ^ 0xFF for byte in data[40:140])
    path.write_bytes(data)
    with pytest.raises(BadData, match=r"train.parquet cannot be read \(damaged"):
        reader.read(tmp_path)


@pytest.mark.parametrize("notes", [b"{not json", b'{"info": null}', b"[]", b'{"info": {"features": [1]}}', b"\xff"])
def test_notes_of_another_form_are_passed_over(tmp_path, notes):
    table = parquet.read_table(write(tmp_path / "x.parquet", label=[0, 1]))
    parquet.write_table(
        table.replace_schema_metadata({"huggingface": notes, "counterfactory": notes}), tmp_path / "x.parquet"
    )
    assert labels(reader.read(tmp_path)) == ["0", "1"]


def ours(path, **columns):
    table = parquet.read_table(write(path, **columns))
    card = json.dumps({"classes": ["cat", "dog"], "task": "single-label"})
    parquet.write_table(table.replace_schema_metadata({"counterfactory": card}), path)
    return reader.read(path)


def test_an_edited_export_is_read_as_far_as_it_is_ours(tmp_path):
    path = tmp_path / "x.parquet"
    nothing = ours(path, label=pa.array([None, 1]), weight=[1.0, 0.5]).splits["train"]
    assert ([sample.target for sample in nothing.samples], nothing.weights) == ([None, 1], (1.0, 0.5))
    assert ours(path, label=[0, 1]).classes == ("0", "1")
    with pytest.raises(BadData, match="no column of labels"):
        ours(path, weight=[1.0, 0.5])
    with pytest.raises(BadData, match="label 77 is none of the 2 classes"):
        ours(path, label=[77, 1], weight=[1.0, 0.5])


def test_several_tables_in_one_folder_are_not_mixed(tmp_path):
    write(tmp_path / "plain" / "train.parquet", label=[0, 1])
    write(tmp_path / "crops" / "train.parquet", label=[0, 1])
    with pytest.raises(BadData, match=r"several tables \(crops, plain\); give the folder of one"):
        read.read(str(tmp_path))


def test_files_that_name_other_classes_are_not_mixed(tmp_path):
    write(tmp_path / "train.parquet", label=[0, 1], features={"label": names("a", "b")})
    write(tmp_path / "test.parquet", label=[0, 1], features={"label": names("b", "a")})
    with pytest.raises(BadData, match="name different classes"):
        reader.read(tmp_path)


@pytest.mark.skipif(not CIFAR.is_dir(), reason="needs CIFAR-10")
def test_cifar_10_is_read_quickly():
    start = time.process_time()
    collection = read.read(str(CIFAR))
    assert time.process_time() - start < 5
    assert counts(collection) == {"train": 50_000, "test": 10_000}
    assert collection.classes[:3] == ("airplane", "automobile", "bird")
