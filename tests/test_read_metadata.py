"""Hugging Face image folders, and the folders that this project publishes, which come back as they were."""

import json

import datasets
import pyarrow as pa
import pytest
from pyarrow import parquet

from counterfactory.data import diorama, folders, metadata
from counterfactory.errors import BadData, RunTooNew
from counterfactory.pixels import Pixels
from counterfactory.publish import publish
from counterfactory.types import Dataset, Origin, Sample
from pictures import class_folders, counts, labels, lines, mask, picture, said


def folder_of(root, *rows):
    """Images and the rows that name them."""
    for row in rows:
        picture(root / row["file_name"])
    lines(root / "metadata.jsonl", *rows)
    return root


def images(root, count=4):
    """Some addresses."""
    return [s.image for s in folders.read(class_folders(root, count=count)).splits["train"].samples]


def test_rows_give_label_caption_and_attributes_in_their_order(tmp_path):
    folder_of(
        tmp_path,
        {"file_name": "b.png", "label": "dog", "text": "a dog", "age": 3, "box": [1, 2]},
        {"file_name": "a.png", "label": "cat", "caption": "a cat", "text": "kept", "age": None, "prompt": "p"},
    )
    collection = metadata.read(tmp_path)
    first, second = collection.splits["train"].samples
    assert (collection.kind, collection.classes) == ("Hugging Face image folder", ("cat", "dog"))
    assert (first.target, first.caption, first.attributes) == (1, "a dog", {"age": 3})
    assert (second.caption, second.attributes) == ("a cat", {"text": "kept", "age": None, "prompt": "p"})
    assert second.origin is None


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_csv_or_parquet_says_the_same(tmp_path, ending):
    names = ["0.png", "1.png", "2.png"]
    for name in names:
        picture(tmp_path / name)
    if ending == "csv":
        text = 'file_name,label,caption,age,code\n0.png,10,"a, b",3,007\n1.png,2,42,0.5,x\n2.png,2,,,\n'
        (tmp_path / "metadata.csv").write_text(text)
    else:
        columns = {
            "label": [10, 2, 2],
            "caption": ["a, b", "42", None],
            "age": [3, 0.5, None],
            "code": ["007", "x", None],
        }
        parquet.write_table(pa.table({"file_name": names, **columns}), tmp_path / "metadata.parquet")
    collection = metadata.read(tmp_path)
    samples = collection.splits["train"].samples
    assert collection.classes == ("2", "10")
    assert [sample.target for sample in samples] == [1, 0, 0]
    assert [sample.caption for sample in samples] == ["a, b", "42", None]
    assert samples[0].attributes == {"age": 3, "code": "007"}
    assert samples[2].attributes == {"age": None, "code": None}


def test_metadata_in_each_split_or_at_the_root_with_split_folders(tmp_path):
    rows = [{"file_name": f"{i}.png", "label": "ab"[i % 2]} for i in range(4)]
    for split in ("train", "valid", "test_dark"):
        folder_of(tmp_path / "each" / split, *rows)
    folder_of(
        tmp_path / "root", *[{**row, "file_name": f"{s}/{row['file_name']}"} for s in ("test", "train") for row in rows]
    )
    assert counts(metadata.read(tmp_path / "each")) == {"train": 4, "validation": 4, "test-dark": 4}
    assert counts(metadata.read(tmp_path / "root")) == {"train": 4, "test": 4}


def test_numbers_may_have_names_beside_them(tmp_path):
    rows = [{"file_name": f"{i}.png", "label": i, "label_name": name} for i, name in enumerate(["zebra", "ant"])]
    collection = metadata.read(folder_of(tmp_path, *rows))
    assert collection.classes == ("zebra", "ant")
    assert labels(collection) == ["zebra", "ant"]


def test_rows_without_labels_in_class_folders_take_those(tmp_path):
    rows = [{"file_name": f"{name}/{i}.png", "text": "x"} for name in ("cat", "dog") for i in range(2)]
    assert labels(metadata.read(folder_of(tmp_path, *rows))) == ["cat", "cat", "dog", "dog"]


def test_no_labels_at_all_is_a_problem(tmp_path):
    collection = metadata.read(folder_of(tmp_path, {"file_name": "0.png", "text": "x"}))
    assert (counts(collection), collection.classes) == ({"train": 1}, ())
    assert "no row has a label" in said(collection)


def test_lists_are_soft_labels_or_several_labels(tmp_path):
    soft = [{"file_name": f"{i}.png", "soft_label": [0.25, 0.75], "label": "ab"[i]} for i in range(2)]
    several = [{"file_name": "0.png", "labels": [0, 1, None]}]
    named = [{"file_name": "0.png", "labels": ["sun", "cat"]}, {"file_name": "1.png", "labels": ["sun"]}]
    one, two, three = (
        metadata.read(folder_of(tmp_path / str(i), *rows)) for i, rows in enumerate((soft, several, named))
    )
    assert (one.task, one.classes, one.splits["train"].samples[0].target) == ("soft-label", ("a", "b"), (0.25, 0.75))
    assert (two.task, two.splits["train"].samples[0].target) == ("multi-label", (0, 1, None))
    assert (three.classes, [s.target for s in three.splits["train"].samples]) == (("cat", "sun"), [(1, 1), (0, 1)])


def test_an_empty_list_of_labels_says_that_there_is_none(tmp_path):
    rows = [{"file_name": f"{i}.png", "labels": some} for i, some in enumerate((["a", "b"], ["a"], [], None))]
    collection = metadata.read(folder_of(tmp_path, *rows))
    assert [s.target for s in collection.splits["train"].samples] == [(1, 1), (1, 0), (0, 0), None]


def test_masks_alone_are_a_segmentation(tmp_path):
    mask(tmp_path / "masks" / "0.png", [0, 2])
    collection = metadata.read(folder_of(tmp_path, {"file_name": "0.png", "mask": "masks/0.png"}))
    assert (collection.task, collection.classes) == ("segmentation", ("class 0", "class 1", "class 2"))
    assert not collection.problems


def test_a_file_name_that_is_too_long_for_the_disk_is_told(tmp_path):
    folder_of(tmp_path, *({"file_name": f"{i}.png", "label": "ab"[i], "mask": "y" * 300} for i in range(2)))
    with open(tmp_path / "metadata.jsonl", "a") as file:
        file.write(json.dumps({"file_name": "x" * 300, "label": "a"}))
    collection = metadata.read(tmp_path)
    assert counts(collection) == {"train": 2}
    assert f"{'x' * 300}: in the metadata, but no such file" in said(collection)
    assert f"{'y' * 300}: a mask that is not there" in said(collection)


def test_rows_that_name_no_image_are_told(tmp_path):
    folder_of(tmp_path, {"file_name": "0.png", "label": "a"}, {"file_name": "1.png", "label": "b"})
    with open(tmp_path / "metadata.jsonl", "a") as file:
        file.write('{"file_name": null, "label": "a"}\n{"label": "a"}\n')
    collection = metadata.read(tmp_path)
    assert counts(collection) == {"train": 2}
    assert "metadata.jsonl, row 3, metadata.jsonl, row 4: no file_name" in said(collection)


def test_a_column_that_is_called_attributes_is_one_like_others(tmp_path):
    odd = ("red, blue", ["red"], {"age": 3}, None)
    rows = [{"file_name": f"{i}.png", "label": "ab"[i % 2], "attributes": some} for i, some in enumerate(odd)]
    samples = metadata.read(folder_of(tmp_path, *rows)).splits["train"].samples
    assert [sample.attributes for sample in samples] == [{"attributes": "red, blue"}, {}, {"age": 3}, {}]


def test_a_mask_of_another_size_is_told(tmp_path):
    mask(tmp_path / "masks" / "0.png", [0, 1], size=(4, 8))
    collection = metadata.read(folder_of(tmp_path, {"file_name": "0.png", "mask": "masks/0.png"}))
    assert said(collection) == "0.png: image and mask differ in size; bring them to one"


def test_what_is_missing_on_either_side_is_told(tmp_path):
    rows = [{"file_name": f"{i}.png", "label": "ab"[i % 2], "mask": ""} for i in range(4)]
    folder_of(tmp_path, *rows, {"file_name": "no_mask.png", "label": "a", "mask": "lost.png"})
    with open(tmp_path / "metadata.jsonl", "a") as file:
        file.write('{"file_name": "gone.png", "label": "a"}\n\n')
        file.write('{"file_name": "0.png", "label": null}\n')
    picture(tmp_path / "unlisted.png")
    collection = metadata.read(tmp_path)
    assert counts(collection) == {"train": 5}
    assert "gone.png: in the metadata, but no such file; row skipped" in said(collection)
    assert "unlisted.png: an image that no row has; left out" in said(collection)
    assert "lost.png: a mask that is not there" in said(collection)
    assert "0.png: a row without a label; skipped" in said(collection)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "line 3: not JSON"),
        ("[" * 100_000, "line 3: not JSON"),
        ("[1]", "line 3: expected one object"),
        ('{"file_name": "0.png", "label": "a", "weight": -1}', "row 3: weight -1.0"),
        ('{"file_name": "0.png", "label": "a", "weight": "heavy"}', "row 3: could not convert"),
    ],
)
def test_a_broken_row_is_named(tmp_path, line, message):
    folder_of(tmp_path, {"file_name": "0.png", "label": "a"}, {"file_name": "1.png", "label": "b"})
    with open(tmp_path / "metadata.jsonl", "a") as file:
        file.write(line + "\n")
    with pytest.raises(BadData, match=message):
        metadata.read(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"soft_label": [1.0]}, "1 numbers for 2 classes"),
        ({"soft_label": [3.0, 1.0]}, "no distribution"),
        ({"labels": [0, 2]}, "0, 1 and null only"),
        ({"label": "owl"}, "'owl' is none of the 2 classes"),
    ],
)
def test_a_label_that_the_card_does_not_allow_is_named(tmp_path, row, message):
    folder_of(tmp_path, {"file_name": "0.png", **row})
    (tmp_path / "dataset.json").write_text('{"format": 1, "classes": ["a", "b"], "task": "single-label"}')
    with pytest.raises(BadData, match=message):
        metadata.read(tmp_path)


def test_rows_that_lead_out_of_the_folder_are_told_and_not_read(tmp_path):
    secret = picture(tmp_path / "secret.png")
    rows = [{"file_name": f"{i}.png", "label": "ab"[i % 2]} for i in range(4)]
    folder_of(tmp_path / "d", *rows)
    rows[0]["mask"] = "../secret.png"
    rows += [{"file_name": name, "label": "a"} for name in ("../secret.png", str(secret), "x/../../secret.png")]
    lines(tmp_path / "d" / "metadata.jsonl", *rows)
    collection = metadata.read(tmp_path / "d")
    assert counts(collection) == {"train": 4}
    assert collection.splits["train"].samples[0].mask is None
    assert "d/../secret.png" in said(collection)
    assert said(collection).count("outside of the folder that was given; not read") == 1


def test_a_soft_label_of_rounded_shares_sums_to_one_and_an_exact_one_stays(tmp_path):
    shares = ([0.333, 0.333, 0.333], [0.1, 0.2, 0.7])
    collection = metadata.read(
        folder_of(tmp_path, *({"file_name": f"{i}.png", "soft_label": s} for i, s in enumerate(shares)))
    )
    rounded, exact = (sample.target for sample in collection.splits["train"].samples)
    assert abs(sum(rounded) - 1) < 1e-12
    assert exact == (0.1, 0.2, 0.7)


def test_one_class_is_read(tmp_path):
    assert metadata.read(folder_of(tmp_path, {"file_name": "0.png", "label": "a"})).classes == ("a",)


@pytest.mark.parametrize(
    "text",
    [
        *('{"a": 1}\n{"a": 2}', "[]", "3", '{"classes": null}', '{"labels": ["a"]}', '{"classes": [1], "task": "x"}'),
        '{"classes": ["a", "b"], "task": "classification"}',
        '{"classes": ["a", "b"], "task": "single-label", "format": "2"}',
    ],
)
def test_notes_of_the_same_name_in_another_form_are_not_ours(tmp_path, text):
    rows = [{"file_name": f"{i}.png", "label": name} for i, name in enumerate(("cat", "dog"))]
    for root in (tmp_path / "with", tmp_path / "with" / "inside"):
        folder_of(root, *rows)
    (tmp_path / "with" / "dataset.json").write_text(text)
    collection = metadata.read(tmp_path / "with")
    assert (collection.classes, counts(collection)) == (("cat", "dog"), {"train": 2})
    assert "dataset.json: not in the form of published data; not read" in said(collection)
    assert counts(metadata.read(tmp_path / "with" / "inside")) == {"train": 2}


def test_a_damaged_parquet_of_metadata_is_said(tmp_path):
    (picture(tmp_path / "0.png").parent / "metadata.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(BadData, match=r"metadata.parquet is damaged"):
        metadata.read(tmp_path)


def test_a_folder_of_a_later_version_is_refused(tmp_path):
    folder_of(tmp_path / "train", {"file_name": "0.png", "label": "a"})
    (tmp_path / "dataset.json").write_text('{"format": 99, "classes": ["a", "b"], "task": "single-label"}')
    with pytest.raises(RunTooNew):
        metadata.read(tmp_path)


def test_what_is_published_comes_back_unchanged(tmp_path):
    some = images(tmp_path / "in")
    how = {"changed": {"weather": "snow"}, "settings": {"guidance": 7.5, "strength": "1.0, then 0.5"}}
    origin = Origin(parent="f" * 32, prompt="a cat, in snow", seed=7, model="owner/model@abc", **how)
    train = (
        Sample(image=some[0], target=2, caption="a cat", attributes={"n": 1, "x": 0.5, "t": True, "none": None}),
        Sample(image=some[1], target=0, origin=origin, mask=some[5]),
        Sample(image=some[2], target=0, origin=Origin(parent="e" * 32)),
    )
    classes = ("zebra 10", "a/b", "Café")
    before = {
        "test-unusual": Dataset(samples=(Sample(image=some[3], target=1),), classes=classes, split="test-unusual"),
        "train": Dataset(samples=train, classes=classes, weights=(1.0, 0.25, 0.0)),
    }
    publish(tmp_path / "out", before, Pixels(), scores={some[0].digest: {"clip": 0.3}})
    after = metadata.read(tmp_path / "out")
    assert after.kind == "Hugging Face image folder"
    assert list(after.splits) == ["train", "test-unusual"]
    for split, dataset in before.items():
        again = after.splits[split]
        assert (again.samples, again.weights, again.classes) == (dataset.samples, dataset.weights, classes)
        assert [dict(s.attributes) for s in again.samples] == [dict(s.attributes) for s in dataset.samples]
        assert (again.task, again.split) == (dataset.task, split)
    assert (
        metadata.read(tmp_path / "out" / "test-unusual").splits["test-unusual"].samples
        == before["test-unusual"].samples
    )


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        ("soft-label", [(0.2, 0.8), (1.0, 0.0)]),
        ("multi-label", [(0, 1), (None, 1)]),
        ("segmentation", [None, None]),
    ],
)
def test_every_task_comes_back_unchanged(tmp_path, task, targets):
    some = images(tmp_path / "in")
    masks = some[4:6] if task == "segmentation" else [None, None]
    samples = tuple(Sample(image=i, target=t, mask=m) for i, t, m in zip(some, targets, masks, strict=False))
    publish(tmp_path / "out", {"train": Dataset(samples=samples, classes=("a", "b"), task=task)}, Pixels())
    again = metadata.read(tmp_path / "out")
    assert (again.task, again.classes, again.splits["train"].samples) == (task, ("a", "b"), samples)
    assert again.splits["train"].weights is None


def test_a_drawn_diorama_is_read_with_its_masks_and_factors(tmp_path):
    drawn = diorama.read("train=4,validation=2,test=4,classes=cup+dog")
    diorama.write(drawn, tmp_path / "d")
    collection = metadata.read(tmp_path / "d")
    assert counts(collection) == {split: len(dataset) for split, dataset in drawn.splits.items()}
    assert sorted(collection.classes) == sorted(drawn.classes)
    assert not collection.problems
    for split, dataset in drawn.splits.items():
        for before, after in zip(dataset.samples, collection.splits[split].samples, strict=True):
            assert after.caption == before.caption
            assert before.attributes.items() <= after.attributes.items()
            assert Pixels().mask(after.mask).shape == (64, 64)


def test_what_hugging_face_writes_is_read(tmp_path):
    rows = [{"file_name": f"{i}.png", "label": "ab"[i % 2]} for i in range(4)]
    folder_of(tmp_path / "data", *rows)
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "data"), cache_dir=str(tmp_path / "cache"))
    ours = metadata.read(tmp_path / "data")
    assert [row["label"] for row in loaded["train"]] == labels(ours)
    json.dumps(said(ours))


def soft(tmp_path, *rows):
    for number in range(len(rows)):
        picture(tmp_path / f"{number}.png", seed=number)
    text = "\n".join(json.dumps({"file_name": f"{number}.png", **row}) for number, row in enumerate(rows))
    (tmp_path / "metadata.jsonl").write_text(text)
    return metadata.read(tmp_path)


def test_a_soft_label_may_name_its_classes(tmp_path):
    found = soft(tmp_path, {"soft_label": {"dog": 0.3, "cat": 0.7}}, {"soft_label": {"owl": 1}})
    assert (found.task, found.classes) == ("soft-label", ("cat", "dog", "owl"))
    targets = [sample.target for sample in found.splits["train"].samples]
    assert targets == [(0.7, 0.3, 0.0), (0.0, 0.0, 1.0)]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"soft_label": 5}, "neither a list of shares nor an object"),
        ({"soft_label": "half"}, "no JSON text"),
        ({"soft_label": {"cat": "much"}}, "may hold numbers only"),
        ({"soft_label": ["cat"]}, "may hold numbers only"),
        ({"soft_label": {"cat": 0.2}}, "sum to 1"),
        ({"labels": {"cat": 1}}, "neither a list of class names"),
    ],
)
def test_a_soft_label_of_a_wrong_type_is_told_with_its_row(tmp_path, row, why):
    with pytest.raises(BadData, match=rf"metadata\.jsonl, row 2: .*{why}"):
        soft(tmp_path, {"soft_label": {"cat": 0.5, "dog": 0.5}}, row)


def test_soft_labels_of_both_forms_are_not_mixed(tmp_path):
    with pytest.raises(BadData, match="an object in some rows and a list in others"):
        soft(tmp_path, {"soft_label": {"cat": 0.5, "dog": 0.5}}, {"soft_label": [0.5, 0.5]})
