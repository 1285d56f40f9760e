"""Places inside of other files: table rows, planes of bytes, polygons and run lengths."""

import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from counterfactory.data import places
from counterfactory.data.check import look
from counterfactory.errors import BadData
from counterfactory.pixels import Pixels, encode_png
from counterfactory.types import Address, Failed


def png(value: int) -> bytes:
    """A grey picture of one value."""
    return encode_png(Image.new("RGB", (4, 4), (value, value, value)))


def table(path, count=20, group=3):
    """Pictures of rising brightness, in small row groups."""
    rows = [{"bytes": png(number), "path": None} for number in range(count)]
    parquet.write_table(pa.table({"image": rows}), path, row_group_size=group)
    return path


def mask(scheme, **said):
    return Pixels().mask(Address("", f"{scheme}:{json.dumps(said)}"))


def test_any_row_of_a_parquet_file_is_found_in_any_order(tmp_path):
    path = table(tmp_path / "a#b.parquet")
    for row in (19, 0, 2, 3, 18, 7):
        image = Pixels().image(Address("", f"parquet:{path}#image#{row}"))
        assert image.getpixel((0, 0)) == (row, row, row)


def test_parallel_reading_gives_the_same_in_order(tmp_path):
    path = table(tmp_path / "t.parquet", count=200, group=50)
    addresses = [Address("", f"parquet:{path}#image#{row}") for row in range(200)] * 3
    arrays = Pixels(processes=2).arrays(addresses, (4, 4))
    assert arrays[:, 0, 0, 0].tolist() == list(range(200)) * 3


def test_row_groups_are_kept_up_to_a_number_of_bytes(tmp_path):
    path = str(table(tmp_path / "t.parquet"))
    kept = places._RowGroups(limit=1)
    assert [kept.value(path, "image", row) for row in (0, 19, 1)] == [png(0), png(19), png(1)]
    assert len(kept.kept) == 1
    all_kept = places._RowGroups(limit=2**20)
    assert [all_kept.value(path, "image", row) for row in range(20)] == [png(row) for row in range(20)]
    assert len(all_kept.kept) == 7


def test_a_row_that_is_not_there_any_more_is_said(tmp_path):
    path = table(tmp_path / "t.parquet")
    with pytest.raises(BadData, match="has no row 99, only 20"):
        Pixels().image(Address("", f"parquet:{path}#image#99"))
    table(path, count=2)
    with pytest.raises(BadData, match="has no row 7, only 2"):
        Pixels().image(Address("", f"parquet:{path}#image#7"))


def test_an_empty_row_is_said(tmp_path):
    path = tmp_path / "t.parquet"
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    parquet.write_table(pa.table({"image": pa.array([None, {"bytes": None, "path": "x"}], kind)}), path)
    for row in (0, 1):
        with pytest.raises(BadData, match="no image in this row"):
            Pixels().image(Address("", f"parquet:{path}#image#{row}"))


@pytest.mark.parametrize("new", [pa.ipc.new_stream, pa.ipc.new_file])
def test_rows_of_arrow_files_of_both_kinds_are_found(tmp_path, new):
    data = pa.table({"image": [png(number) for number in range(6)]})
    with new(tmp_path / "x.arrow", data.schema) as writer:
        writer.write_table(data, max_chunksize=4)
    for row in (5, 0, 4):
        image = Pixels().image(Address("", f"arrow:{tmp_path / 'x.arrow'}#image#{row}"))
        assert image.getpixel((0, 0)) == (row, row, row)
    with pytest.raises(BadData, match="has no row 6"):
        Pixels().image(Address("", f"arrow:{tmp_path / 'x.arrow'}#image#6"))


def test_planes_are_colours_one_after_the_other(tmp_path):
    planes = np.arange(3 * 2 * 5, dtype=np.uint8).reshape(3, 2, 5)
    (tmp_path / "f.bin").write_bytes(b"\7" + planes.tobytes())
    image = Pixels().image(Address("", f"planes:{tmp_path / 'f.bin'}#1#3x2x5"))
    assert np.array_equal(np.array(image), planes.transpose(1, 2, 0))
    with pytest.raises(BadData, match="ends before"):
        Pixels().image(Address("", f"planes:{tmp_path / 'f.bin'}#2#3x2x5"))


def test_polygons_are_filled():
    found = mask("polygons", size=[6, 8], polygons=[[1, 1, 4, 1, 4, 3, 1, 3], [6, 5, 7, 5, 7, 5]])
    assert found.shape == (6, 8)
    assert set(np.unique(found)) == {0, 255}
    assert found[1:4, 1:5].all()
    assert (found > 0).sum() == 12 + 2


def test_run_lengths_go_down_the_columns_and_start_with_nothing():
    assert mask("rle", size=[2, 3], counts=[1, 2, 3]).tolist() == [[0, 255, 0], [255, 0, 0]]
    assert mask("rle", size=[2, 2], counts=[0, 4]).tolist() == [[255, 255], [255, 255]]
    with pytest.raises(BadData, match="runs for 5 pixels"):
        mask("rle", size=[2, 3], counts=[1, 4])


def test_compressed_runs_are_base_32_with_differences_from_the_fourth_on():
    # 6 is '6'; 1 '1'; 40 = 8 + 32 * 1: '8' with the bit for more (8 + 32 + 48 = 'X'), then '1'; 4th: 5 - 1 = '4'
    assert places.run_lengths("61X14") == [6, 1, 40, 5]
    # 1 - 4 = -3 is 29 in five bits, whose bit 16 is the sign: chr(29 + 48) = 'M'
    assert places.run_lengths("241M") == [2, 4, 1, 1]
    # 16 needs a second digit, or its bit 16 would be taken for the sign: 16 + 32 + 48 = '`', then '0'
    assert places.run_lengths("`0") == [16]
    assert mask("rle", size=[2, 4], counts="241M").T.ravel().tolist() == [0, 0, 255, 255, 255, 255, 0, 255]


@pytest.mark.parametrize(
    ("scheme", "shape"),
    [
        ("polygons", {"size": [6, 8], "polygons": [[1, 1, 4, 1, 4, 3, 1]]}),
        ("polygons", {"size": [6, None], "polygons": []}),
        ("polygons", {"size": [6, 8], "polygons": ["abcdef"]}),
        ("polygons", {"polygons": []}),
        ("polygons", {"size": [10**6, 10**6], "polygons": []}),
        ("rle", {"size": [2, 2], "counts": [6, -2]}),
        ("rle", {"size": [2, 2], "counts": [None]}),
        ("rle", {"size": [2], "counts": "04"}),
    ],
)
def test_shapes_that_cannot_be_drawn_are_refused_and_a_failed_row_in_a_check(scheme, shape):
    with pytest.raises(BadData, match="drawn"):
        mask(scheme, **shape)
    assert isinstance(look(Pixels(), Address("x", f"{scheme}:{json.dumps(shape)}")), Failed)
