"""Oxford Pets and Flowers102 as they are distributed."""

import numpy as np
import pytest
from scipy.io import savemat

from counterfactory.data import oxford, read
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels
from pictures import counts, labels, lines, mask, picture, said


def pets(root):
    for stem in ("Abyssinian_1", "great_pyrenees_2", "great_pyrenees_10", "Abyssinian_9", "Abyssinian_7"):
        picture(root / "images" / f"{stem}.jpg")
        mask(root / "annotations" / "trimaps" / f"{stem}.png", [1, 2, 3])
    lines(root / "annotations" / "trainval.txt", "great_pyrenees_2 16 2 11", "Abyssinian_1 1 1 1", "Abyssinian_3 1 1 1")
    lines(
        root / "annotations" / "test.txt",
        "#image class species breed",
        "Abyssinian_9 1 1 1",
        "great_pyrenees_10 16 2 11",
    )
    (root / "annotations" / "trimaps" / "Abyssinian_9.png").unlink()
    return root


def flowers(root, labels_of=(77, 1, 2, 1, 77), **sets):
    for number in range(1, 6):
        picture(root / "jpg" / f"image_{number:05d}.jpg")
    savemat(root / "imagelabels.mat", {"labels": np.array([labels_of], np.uint8)})
    sets = sets or {"trnid": [[1, 3]], "valid": [[2]], "tstid": [[5, 4]]}
    savemat(root / "setid.mat", {name: np.array(numbers, np.uint16) for name, numbers in sets.items()})
    return root


def test_pets_have_breeds_splits_and_trimaps(tmp_path):
    collection = read.read(str(pets(tmp_path)))
    assert (collection.kind, collection.classes) == ("Oxford-IIIT Pets", ("Abyssinian", "great pyrenees"))
    assert labels(collection) == ["great pyrenees", "Abyssinian"]
    assert labels(collection, "test") == ["Abyssinian", "great pyrenees"]
    first = collection.splits["train"].samples[0]
    assert set(np.unique(Pixels().mask(first.mask))) == {1, 2, 3}
    assert collection.splits["test"].samples[0].mask is None
    assert "images/Abyssinian_3.jpg: in the lists, but no such file" in said(collection)
    assert "images/Abyssinian_7.jpg: an image that no list has" in said(collection)


def test_a_name_that_is_too_long_for_the_disk_is_told(tmp_path):
    lines(pets(tmp_path) / "annotations" / "test.txt", "Abyssinian_9 1 1 1", f"Abyssinian_{'9' * 300} 1 1 1")
    assert counts(oxford.read(tmp_path)) == {"train": 2, "test": 1}


def test_a_list_of_another_form_is_refused(tmp_path):
    lines(pets(tmp_path) / "annotations" / "test.txt", "Abyssinian_9")
    with pytest.raises(BadData, match=r"test.txt: expected lines like"):
        oxford.read(tmp_path)


def test_flowers_have_names_and_three_splits(tmp_path):
    collection = read.read(str(flowers(tmp_path)))
    assert collection.kind == "Flowers102"
    assert counts(collection) == {"train": 2, "validation": 1, "test": 2}
    assert labels(collection) == ["passion flower", "hard-leaved pocket orchid"]
    assert labels(collection, "test") == ["passion flower", "pink primrose"]
    assert collection.classes == ("pink primrose", "hard-leaved pocket orchid", "passion flower")


def test_the_flowers_have_a_hundred_and_two_names():
    names = oxford.FLOWERS.read_text().splitlines()
    assert len(names) == len(set(names)) == 102
    assert (names[0], names[10], names[101]) == ("pink primrose", "snapdragon", "blackberry lily")


@pytest.mark.parametrize("labels_of", [(77, 1, 2, 1), (77, 1, 2, 1, 103)])
def test_lists_beyond_the_labels_are_said(tmp_path, labels_of):
    with pytest.raises(BadData, match=f"do not fit: {len(labels_of)} images have labels, of 102 classes"):
        oxford.read(flowers(tmp_path, labels_of))


def test_a_mat_file_that_is_damaged_or_another_is_said(tmp_path):
    flowers(tmp_path, trnid=[[1]])
    with pytest.raises(BadData, match=r"setid.mat should hold 'valid'"):
        oxford.read(tmp_path)
    (tmp_path / "imagelabels.mat").write_bytes(b"no matrix at all" * 20)
    with pytest.raises(BadData, match=r"imagelabels.mat should hold 'labels'"):
        oxford.read(tmp_path)
