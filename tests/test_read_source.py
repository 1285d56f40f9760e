"""What a path is, told by nobody; and what is said where it is nothing."""

import os
from pathlib import Path

import pytest

from counterfactory.data import images
from counterfactory.data.read import read
from counterfactory.errors import BadData
from pictures import class_folders, counts, lines, mask, picture, said


def hugging_face(root):
    class_folders(root / "train")
    lines(root / "train" / "metadata.jsonl", *({"file_name": f"{c}/0.png", "label": c} for c in ("cat", "dog")))


def table(root):
    class_folders(root)
    lines(root / "labels.csv", "path,label", "cat/0.png,x", "dog/0.png,y")


def table_called_metadata(root):
    class_folders(root)
    lines(root / "metadata.csv", "path,label", "cat/0.png,x", "dog/0.png,y")


def pair_folders(root):
    picture(root / "images" / "0.png")
    mask(root / "masks" / "0.png", [0, 1])


def celeba(root):
    picture(root / "img_align_celeba" / "0.jpg")
    lines(root / "list_attr_celeba.csv", "image_id,Smiling,Young", "0.jpg,1,-1")
    lines(root / "list_eval_partition.csv", "image_id,partition", "0.jpg,0")


def coco(root):
    picture(root / "train" / "0.png")
    picture(root / "train" / "1.png")
    images = '[{"id": 1, "file_name": "0.png"}, {"id": 2, "file_name": "1.png"}]'
    objects = '[{"image_id": 1, "category_id": 1, "area": 1}, {"image_id": 2, "category_id": 2, "area": 1}]'
    categories = '[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]'
    text = f'{{"images": {images}, "annotations": {objects}, "categories": {categories}}}'
    lines(root / "annotations" / "instances_train.json", text)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (class_folders, "class folders"),
        (lambda root: class_folders(root / "train"), "split and class folders"),
        (hugging_face, "Hugging Face image folder"),
        (table, "CSV table"),
        (table_called_metadata, "CSV table"),
        (pair_folders, "image and mask pairs"),
        (celeba, "CelebA attribute table"),
        (coco, "COCO annotations"),
    ],
)
def test_a_folder_is_recognised_without_a_flag(tmp_path, make, kind):
    make(tmp_path / "data")
    assert read(str(tmp_path / "data")).kind == kind


def test_a_relative_path_is_kept_whole(tmp_path, monkeypatch):
    class_folders(tmp_path / "pets")
    monkeypatch.chdir(tmp_path)
    collection = read("pets/../pets")
    assert collection.name == "pets"
    assert collection.splits["train"].samples[0].image.place == f"file:{tmp_path}/pets/cat/0.png"


def test_diorama_is_a_source_of_its_own():
    assert read("diorama:train=2,validation=2,test=2,classes=cup+dog").kind == "diorama"


def test_a_path_that_is_not_there_suggests_the_nearest(tmp_path):
    class_folders(tmp_path / "pets")
    with pytest.raises(BadData, match=r"nothing at .*/petz\. Did you mean .*/pets\?"):
        read(str(tmp_path / "petz"))
    with pytest.raises(BadData, match=r"Did you mean .*/pets\?"):
        read(str(tmp_path / "petz" / "train"))
    with pytest.raises(BadData, match=r"is there, but has nothing of a similar name"):
        read(str(tmp_path / "zzzzzz"))


def test_an_empty_folder_is_called_so(tmp_path):
    with pytest.raises(BadData, match="is an empty folder"):
        read(str(tmp_path))


def test_what_is_not_understood_is_described_and_what_would_be_is_listed(tmp_path):
    for number in range(3):
        picture(tmp_path / f"{number}.png")
    lines(tmp_path / "notes.txt", "x")
    with pytest.raises(BadData) as error:
        read(str(tmp_path))
    assert "seen 3 x .png, 1 x .txt" in str(error.value)
    assert "- class folders (cat/1.jpg)" in str(error.value)
    assert "- COCO annotations" in str(error.value)
    assert str(error.value).endswith("names each in a column file_name.")


@pytest.mark.parametrize(("name", "message"), [("pets.zip", "is an archive; unpack it"), ("pets.doc", "ends in .doc")])
def test_a_file_of_another_kind_is_refused(tmp_path, name, message):
    lines(tmp_path / name, "x")
    with pytest.raises(BadData, match=message):
        read(str(tmp_path / name))


def test_what_no_reader_looks_at_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "may_be_read", lambda folder: Path(folder).name != "lost+found")
    class_folders(tmp_path, "cat dog lost+found")
    picture(tmp_path / "dog" / "more.png").rename(tmp_path / "dog" / "more.avif")
    collection = read(str(tmp_path))
    assert (collection.classes, counts(collection)) == (("cat", "dog"), {"train": 6})
    assert "lost+found: a folder that may not be read" in said(collection)
    assert "dog/more.avif: a format that is not read; convert it" in said(collection)


def test_what_no_reader_looks_at_is_a_reason_where_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "may_be_read", lambda folder: Path(folder).name not in {"cat", "dog"})
    with pytest.raises(BadData, match=r"a folder that may not be read; .* not a data set"):
        read(str(class_folders(tmp_path)))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path):
    class_folders(tmp_path)
    (tmp_path / "cat").chmod(0)
    assert "cat: a folder that may not be read" in said(read(str(tmp_path)))
    (tmp_path / "cat").chmod(0o700)
