"""Attribute tables in CelebA's two forms."""

import pytest

from counterfactory.data import celeba
from counterfactory.errors import BadData
from pictures import counts, picture, said

NAMES = ["000001.jpg", "000002.jpg", "000003.jpg", "000004.jpg"]


def faces(root, form, rows, folder="img_align_celeba/img_align_celeba", parts="0012"):
    """Images, attributes and partition as CSV or in the original text form."""
    for name in NAMES:
        picture(root / folder / name)
    sign = "," if form == "csv" else "  "
    lines = [sign.join(["image_id", "Smiling", "Young"] if form == "csv" else ["Smiling", "Young"])]
    lines += [sign.join([name, *row]) for name, row in zip(NAMES, rows, strict=True)]
    lines = lines if form == "csv" else ["4", *lines]
    (root / f"list_attr_celeba.{form}").write_text("\n".join(lines) + "\n")
    splits = [sign.join(pair) for pair in zip(NAMES, parts, strict=False)]
    head = ["image_id,partition"] if form == "csv" else []
    (root / f"list_eval_partition.{form}").write_text("\n".join([*head, *splits]) + "\n")
    return root


@pytest.mark.parametrize("form", ["csv", "txt"])
@pytest.mark.parametrize("folder", ["img_align_celeba/img_align_celeba", "img_align_celeba", "."])
def test_attributes_are_yes_or_no_and_partitions_are_splits(tmp_path, form, folder):
    collection = celeba.read(faces(tmp_path, form, [["-1", "1"], ["1", "1"], ["-1", "-1"], ["1", "-1"]], folder))
    assert (collection.kind, collection.task, collection.classes) == (
        "CelebA attribute table",
        "multi-label",
        ("Smiling", "Young"),
    )
    assert counts(collection) == {"train": 2, "validation": 1, "test": 1}
    assert [sample.target for sample in collection.splits["train"].samples] == [(0, 1), (1, 1)]
    assert not collection.problems


def test_noughts_and_gaps_are_allowed(tmp_path):
    rows = [["0", "1"], ["", "1"], ["1", ""], ["0", "0"]]
    collection = celeba.read(faces(tmp_path, "csv", rows, parts="0000"))
    assert [sample.target for sample in collection.splits["train"].samples] == [(0, 1), (None, 1), (1, None), (0, 0)]


def test_the_original_folders_are_found(tmp_path):
    faces(tmp_path, "txt", [["1", "1"]] * 4, "Img/img_align_celeba")
    for folder, name in (("Anno", "list_attr_celeba.txt"), ("Eval", "list_eval_partition.txt")):
        (tmp_path / folder).mkdir()
        (tmp_path / name).rename(tmp_path / folder / name)
    assert counts(celeba.read(tmp_path)) == {"train": 2, "validation": 1, "test": 1}


def test_what_is_missing_is_told(tmp_path):
    faces(tmp_path, "csv", [["1", "1"]] * 4, parts="01")
    (tmp_path / "img_align_celeba/img_align_celeba/000003.jpg").unlink()
    picture(tmp_path / "img_align_celeba/img_align_celeba/000009.jpg")
    collection = celeba.read(tmp_path)
    assert counts(collection) == {"train": 2, "validation": 1}
    assert "000003.jpg: in the table, but no such file; skipped" in said(collection)
    assert "000009.jpg: an image that no row has; left out" in said(collection)
    assert "000004.jpg: in no partition; counted as train" in said(collection)


def test_no_partition_is_one_split_and_told(tmp_path):
    faces(tmp_path, "csv", [["1", "1"]] * 4)
    (tmp_path / "list_eval_partition.csv").unlink()
    assert counts(celeba.read(tmp_path)) == {"train": 4}
    assert "every image counts as train" in said(celeba.read(tmp_path))


@pytest.mark.parametrize("form", ["csv", "txt"])
def test_another_mark_is_refused_by_row(tmp_path, form):
    with pytest.raises(BadData, match=r"row 000002.jpg: 'maybe' is not an attribute's value"):
        celeba.read(faces(tmp_path, form, [["1", "1"], ["1", "maybe"], ["1", "1"], ["1", "1"]]))


def test_another_partition_is_refused(tmp_path):
    with pytest.raises(BadData, match="0, 1 or 2"):
        celeba.read(faces(tmp_path, "csv", [["1", "1"]] * 4, parts="0079"))


def test_a_short_text_table_is_refused(tmp_path):
    (tmp_path / "list_attr_celeba.txt").write_text("1\nSmiling Young\n0.jpg 1\n")
    with pytest.raises(BadData, match="expected a line with the count"):
        celeba.read(tmp_path)
