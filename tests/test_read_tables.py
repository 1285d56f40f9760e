"""A CSV of paths and labels, as people's tools and spreadsheets write it."""

import os

import pytest

from counterfactory.data import tables
from counterfactory.data.read import read
from counterfactory.errors import BadData
from pictures import counts, labels, picture, said


def table(root, text, names="a.png b.png c.png", file="labels.csv", encoding="utf-8"):
    """Images and a table beside them."""
    for name in names.split():
        picture(root / name)
    (root / file).write_bytes(text.encode(encoding))
    return root / file


def test_a_table_is_read_by_itself_or_by_its_folder(tmp_path):
    file = table(tmp_path, "path,label\nb.png,dog\na.png,cat\nc.png,dog\n")
    for path in (file, tmp_path):
        collection = tables.read(path)
        assert (collection.kind, collection.classes, labels(collection)) == (
            "CSV table",
            ("cat", "dog"),
            ["dog", "cat", "dog"],
        )
        assert not collection.problems


@pytest.mark.parametrize(
    "header", ["path,label", "Filename,Class", "IMAGE,category", "file_name,Target", "Image Name,class-name"]
)
def test_columns_go_by_many_names(tmp_path, header):
    assert labels(tables.read(table(tmp_path, f"id,{header}\n1,a.png,x\n2,b.png,y\n", "a.png b.png"))) == ["x", "y"]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_any_delimiter_and_what_spreadsheets_save(tmp_path, sign, encoding):
    text = f'path{sign}label\r\na.png{sign}"caf\u00e9{sign} noir"\r\nb.png{sign}th\u00e9\r\n'
    collection = tables.read(table(tmp_path, text, "a.png b.png", encoding=encoding))
    assert labels(collection) == [f"caf\u00e9{sign} noir", "th\u00e9"]
    assert not collection.problems


def test_latin1_is_read_and_told(tmp_path):
    text = "path,label\na.png,caf\u00e9\nb.png,th\u00e9\n"
    collection = tables.read(table(tmp_path, text, "a.png b.png", encoding="latin-1"))
    assert labels(collection) == ["caf\u00e9", "th\u00e9"]
    assert "labels.csv: not UTF-8; read as Latin-1" in said(collection)


def test_a_name_that_is_not_utf8_is_found(tmp_path):
    odd = os.fsdecode(b"caf\xe9.png")
    table(tmp_path, "path,label\ncaf\u00e9.png,x\nb.png,y\n", "b.png", encoding="latin-1")
    picture(tmp_path / odd)
    collection = tables.read(tmp_path)
    assert counts(collection) == {"train": 2}
    said(collection).encode()


def test_a_column_says_the_split(tmp_path):
    text = "path,label,subset\na.png,x,Training\nb.png,y,val\nc.png,x,test_rain\nd.png,y,holdout\ne.png,y,\n"
    collection = tables.read(table(tmp_path, text, "a.png b.png c.png d.png e.png"))
    assert counts(collection) == {"train": 2, "validation": 1, "holdout": 1, "test-rain": 1}


def test_a_table_for_each_split_is_one_collection(tmp_path):
    table(tmp_path, "path,label\na.png,x\nb.png,y\n", file="train.csv")
    table(tmp_path, "path,label\nc.png,x\n", file="val.csv")
    assert counts(tables.read(tmp_path)) == {"train": 2, "validation": 1}


def test_two_tables_of_other_names_are_not_guessed_between(tmp_path):
    for name in ("labels.csv", "labels_old.csv"):
        table(tmp_path, "path,label\na.png,x\nb.png,y\n", file=name)
    assert not tables.recognises(tmp_path)
    assert tables.recognises(tmp_path / "labels.csv")


def test_of_several_tables_those_that_are_named_after_a_split_are_read(tmp_path):
    table(tmp_path, "image_id,label\nb.png,4\n", file="sample_submission.csv")
    table(
        tmp_path,
        "image_id,label\na.png,1\nc.png,2\n",
        "train_images/a.png test_images/b.png train_images/c.png",
        "train.csv",
    )
    collection = read(str(tmp_path))
    assert (collection.kind, counts(collection), collection.classes) == ("CSV table", {"train": 2}, ("1", "2"))
    assert "sample_submission.csv: a table beside that of the labels; not read" in said(collection)


def test_a_table_of_something_else_is_not_recognised(tmp_path):
    assert not tables.recognises(table(tmp_path, "name,age\nx,1\n"))
    assert not tables.recognises(tmp_path)


def test_rows_without_files_and_files_without_rows_are_listed(tmp_path):
    gone = "".join(f"gone{i}.png,cat\n" for i in range(9))
    table(tmp_path, f"path,label\n{gone}a.png,cat\nb.png,dog\nc.png,\na.png,dog\n", "a.png b.png c.png left/d.png")
    collection = tables.read(tmp_path)
    assert counts(collection) == {"train": 2}
    assert "gone4.png and 4 more: in the table, but no such file; row skipped" in said(collection)
    assert "left/d.png: an image that no row has; left out" in said(collection)
    assert "c.png: a row without a label; skipped" in said(collection)
    assert "a.png: in the table with two labels; the first is kept" in said(collection)


def test_a_column_of_encoded_images_is_told_and_names_no_files(tmp_path):
    collection = tables.read(table(tmp_path, f"image,label\na.png,x\nb.png,y\n{'Q' * 3000},x\n", "a.png b.png"))
    assert counts(collection) == {"train": 2}
    assert "in the table, but no such file" in said(collection)


def test_an_image_in_two_splits_is_told(tmp_path):
    text = "path,label,split\na.png,cat,train\nb.png,dog,train\na.png,cat,test\nc.png,dog,test\nb.png,dog,train\n"
    collection = tables.read(table(tmp_path, text))
    assert counts(collection) == {"train": 2, "test": 1}
    assert "a.png: in the table for two splits; the first is kept" in said(collection)
    assert "b.png" not in said(collection)


def test_a_table_may_lead_out_of_its_folder_only_where_it_is_given_itself(tmp_path):
    secret = picture(tmp_path / "secret.png")
    file = table(tmp_path / "d", f"path,label\na.png,x\nb.png,y\n../secret.png,x\n{secret},y\n", "a.png b.png")
    assert counts(tables.read(file)) == {"train": 3}
    collection = tables.read(tmp_path / "d")
    assert counts(collection) == {"train": 2}
    assert "../secret.png" in said(collection)
    assert "outside of the folder; skipped (give the table itself" in said(collection)


def test_a_bare_name_is_found_in_a_folder_unless_two_have_it(tmp_path):
    names = "images/a.png images/b.png x/c.png y/c.png"
    collection = tables.read(table(tmp_path, "image,label\na.png,x\nb.png,y\nc.png,x\n", names))
    assert counts(collection) == {"train": 2}
    assert "c.png: in the table, but no such file" in said(collection)


def test_nothing_left_is_refused_with_the_reason(tmp_path):
    with pytest.raises(BadData, match="no such file"):
        tables.read(table(tmp_path, "path,label\nx.png,cat\ny.png,dog\n"))


def test_only_a_header_is_refused(tmp_path):
    with pytest.raises(BadData, match="no image in it can be used"):
        tables.read(table(tmp_path, "path,label\n"))


def test_one_class_is_read(tmp_path):
    assert tables.read(table(tmp_path, "path,label\na.png,cat\nb.png,cat\n")).classes == ("cat",)


def test_an_unclosed_quote_is_refused_with_the_file(tmp_path):
    with pytest.raises(BadData, match=r"labels.csv: cannot be read as a table"):
        tables.read(table(tmp_path, 'path,label\na.png,"cat\n'))
