"""WebDataset tar files are read where they lie, whoever wrote them."""

import io
import tarfile

import pytest

from counterfactory.data.read import read
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels
from pictures import picture


def packed(path, **members):
    """A tar file of members by name; two underscores stand for a dot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            said = tarfile.TarInfo(name.replace("__", "."))
            said.size = len(data)
            tar.addfile(said, io.BytesIO(data))
    return path


def photograph(folder, seed=0, kind="jpg"):
    return picture(folder / f"{seed}.{kind}", seed=seed).read_bytes()


def test_images_with_a_class_and_a_caption(tmp_path):
    first, second = photograph(tmp_path, 1), photograph(tmp_path, 2, "png")
    packed(tmp_path / "d" / "photos-train-0001.tar", a__jpg=first, a__cls=b"cat", b__png=second, b__cls=b"dog\n")
    packed(tmp_path / "d" / "photos-test.tar", c__jpg=first, c__cls=b"dog")
    found = read(str(tmp_path / "d"))
    assert (found.kind, found.classes, set(found.splits)) == ("WebDataset", ("cat", "dog"), {"train", "test"})
    one, other = found.splits["train"].samples
    assert (one.target, other.target) == (0, 1)
    assert Pixels().encoded(other.image) == second
    assert Pixels().image(one.image).mode == "RGB"


def test_folders_of_splits_and_words_in_json(tmp_path):
    image, cat, dog = photograph(tmp_path), b'{"label": "cat", "sun": 1}', b'{"label": "dog"}'
    for name in ("train/0", "val/0"):
        packed(tmp_path / "d" / f"{name}.tar", a__jpg=image, a__json=cat, b__jpg=image, b__json=dog, b__txt=b"a dog")
    found = read(str(tmp_path / "d"))
    assert {split: len(data) for split, data in found.splits.items()} == {"train": 2, "validation": 2}
    one, other = found.splits["train"].samples
    assert (one.attributes, other.caption) == ({"sun": 1}, "a dog")


def test_what_cannot_be_used_is_a_problem_and_the_rest_is_read(tmp_path):
    image = photograph(tmp_path)
    file = packed(tmp_path / "x.tar", a__jpg=image, a__cls=b"1", b__cls=b"2", c__jpg=image, d__jpg=image, d__cls=b"3",
                  e__jpg=image, e__txt=b"no label")  # fmt: skip
    found = read(str(file))
    assert [found.classes[sample.target] for sample in found.splits["train"].samples] == ["1", "3"]
    assert [said.what.partition(";")[0] for said in found.problems] == [
        "no image beside what is said", "an image of which nothing is said", "an image without a label",
    ]  # fmt: skip


def test_a_tar_file_that_is_cut_off_is_told(tmp_path):
    image = photograph(tmp_path)
    file = packed(tmp_path / "x.tar", a__jpg=image, a__cls=b"1", b__jpg=image * 50, b__cls=b"2")
    file.write_bytes(file.read_bytes()[: len(image) * 10])
    with pytest.raises(BadData, match=r"x\.tar is damaged"):
        read(str(file))


def test_words_that_are_no_json_are_told_with_their_key(tmp_path):
    file = packed(tmp_path / "x.tar", a__jpg=photograph(tmp_path), a__json=b"[1]")
    with pytest.raises(BadData, match=r"x\.tar a\.json cannot be read \(expected one object"):
        read(str(file))


def test_an_archive_of_class_folders_is_to_be_unpacked(tmp_path):
    file = packed(tmp_path / "x.tar", **{"cat/a__jpg": photograph(tmp_path), "dog/b__jpg": photograph(tmp_path)})
    with pytest.raises(BadData, match="is an archive; unpack it"):
        read(str(file))
