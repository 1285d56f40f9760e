"""ImageNet's folders under their readable names."""

import pytest

from counterfactory.data import imagenet, read
from counterfactory.errors import BadData
from pictures import class_folders, counts, labels, picture, said

TENCH, GOLDFISH, CRANE = "n01440764", "n01443537", "n03126707"


def test_the_names_are_a_thousand_and_all_differ():
    names = imagenet.class_names()
    assert len(names) == len({name.casefold() for name in names.values()}) == 1000
    assert list(names) == sorted(names)
    assert (names[TENCH], names["n15075141"], names[CRANE]) == ("tench", "toilet tissue", "construction crane")


def test_splits_are_read_in_the_standard_order_of_classes(tmp_path):
    class_folders(tmp_path / "train", f"{CRANE} {TENCH}", count=2)
    class_folders(tmp_path / "val", f"{CRANE} {TENCH}", count=1)
    collection = read.read(str(tmp_path))
    assert (collection.kind, collection.classes) == ("ImageNet", ("tench", "construction crane"))
    assert counts(collection) == {"train": 4, "validation": 2}
    assert labels(collection, "validation") == ["tench", "construction crane"]
    assert not collection.problems


def test_class_folders_alone_are_enough(tmp_path):
    collection = imagenet.read(class_folders(tmp_path / "some", f"{GOLDFISH} {TENCH}"))
    assert (collection.classes, counts(collection)) == (("tench", "goldfish"), {"train": 6})


def test_flat_validation_images_take_their_labels_from_the_list(tmp_path):
    root = tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    class_folders(root / "train", f"{GOLDFISH} {TENCH}", count=1)
    for number in (1, 2, 3):
        picture(root / "val" / f"ILSVRC2012_val_0000000{number}.JPEG")
    rows = f"ILSVRC2012_val_00000001,{GOLDFISH} 1 2 3 4 \nILSVRC2012_val_00000002,{TENCH} 1 2 3 4 {TENCH} 5 6 7 8 \n"
    (tmp_path / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + rows)
    assert imagenet.recognises(tmp_path)
    collection = imagenet.read(tmp_path)
    assert labels(collection, "validation") == ["goldfish", "tench"]
    assert "ILSVRC2012_val_00000003.JPEG: without a class folder or a row in LOC_val_solution.csv" in said(collection)


def test_a_list_of_other_columns_is_refused(tmp_path):
    class_folders(tmp_path / "train", f"{GOLDFISH} {TENCH}", count=1)
    picture(tmp_path / "val" / "1.JPEG")
    (tmp_path / "LOC_val_solution.csv").write_text("id,label\n1,cat\n")
    with pytest.raises(BadData, match="has the columns id, label; expected ImageId and PredictionString"):
        imagenet.read(tmp_path)


def test_other_folders_are_not_taken_for_imagenet(tmp_path):
    class_folders(tmp_path / "a", f"{TENCH} cat")
    class_folders(tmp_path / "b", "n99999999 n99999998")
    assert not imagenet.recognises(tmp_path / "a")
    assert not imagenet.recognises(tmp_path / "b")
    assert not imagenet.recognises(tmp_path / "a" / TENCH)
