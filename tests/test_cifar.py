"""CIFAR's binary files; the pickled ones are refused and never opened."""

import pickle

import numpy as np
import pytest

from counterfactory.data import cifar, read
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels
from pictures import counts, labels, said

RANDOM = np.random.default_rng(0)


def records(path, *heads):
    """One record for each tuple of label bytes; returns their planes."""
    planes = RANDOM.integers(0, 256, (len(heads), 3, 32, 32), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(bytes(head) + plane.tobytes() for head, plane in zip(heads, planes, strict=True)))
    return planes


def ten(root):
    (root / "batches.meta.txt").write_text("airplane\nautomobile\nbird\n\n")
    first = records(root / "data_batch_1.bin", (2,), (0,))
    records(root / "data_batch_2.bin", (1,))
    records(root / "test_batch.bin", (0,))
    return first


def test_cifar_10_is_read_with_its_pixels(tmp_path):
    planes = ten(tmp_path)
    collection = read.read(str(tmp_path))
    assert collection.kind == "CIFAR-10 binary"
    assert counts(collection) == {"train": 3, "test": 1}
    assert labels(collection) == ["bird", "airplane", "automobile"]
    assert "data_batch_3.bin" in said(collection)
    for sample, plane in zip(collection.splits["train"].samples, planes, strict=False):
        assert np.array_equal(np.array(Pixels().image(sample.image)), plane.transpose(1, 2, 0))


def test_cifar_100_takes_the_fine_label_also_from_the_folder_above(tmp_path):
    root = tmp_path / "cifar-100-binary"
    records(root / "train.bin", (0, 3), (1, 2))
    records(root / "test.bin", (0, 0))
    (root / "fine_label_names.txt").write_text("apple\nfish\nbaby\nbear\n")
    collection = cifar.read(tmp_path)
    assert (collection.kind, labels(collection)) == ("CIFAR-100 binary", ["bear", "baby"])


def test_a_file_that_is_cut_off_keeps_its_whole_records(tmp_path):
    ten(tmp_path)
    file = tmp_path / "data_batch_1.bin"
    file.write_bytes(file.read_bytes()[:-100])
    collection = cifar.read(tmp_path)
    assert counts(collection)["train"] == 2
    assert "data_batch_1.bin: 2973 bytes after its last whole record" in said(collection)


def test_a_label_that_has_no_name_is_skipped_and_said(tmp_path):
    ten(tmp_path)
    records(tmp_path / "data_batch_3.bin", (9,), (1,))
    collection = cifar.read(tmp_path)
    assert counts(collection)["train"] == 4
    assert "data_batch_3.bin record 0" in said(collection)


@pytest.mark.parametrize(
    ("folder", "files", "remedy"),
    [
        ("cifar-10-batches-py", ("data_batch_1", "batches.meta"), "cifar-10-batches-bin"),
        (".", ("train", "test", "meta"), "cifar-100-binary"),
    ],
)
def test_pickles_are_refused_with_the_remedy_and_never_opened(tmp_path, folder, files, remedy):
    class Bomb:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'harm')!r}, 'w')",))

    (tmp_path / folder).mkdir(exist_ok=True)
    for name in files:
        (tmp_path / folder / name).write_bytes(pickle.dumps(Bomb()))
    assert cifar.recognises(tmp_path)
    with pytest.raises(BadData, match=rf"pickled.*{remedy}"):
        read.read(str(tmp_path))
    assert not (tmp_path / "harm").exists()
