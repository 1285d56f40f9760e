"""Places inside of other files: rows of tables, members of tar files, planes of bytes, and masks that are numbers."""

import bisect
import json
import os
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw
from pyarrow import parquet

from counterfactory.errors import BadData
from counterfactory.pixels import MAX_PIXELS, Place

KEPT_BYTES = 512 * 2**20  # of decompressed row groups in each process
SHOWN = 120  # characters of a mask that cannot be drawn
UNPACKED_BYTES = 4 * 2**30  # of an .npz file's members, more of which are refused
CHARACTER_BITS = 5  # of a run length in each character of COCO's compressed text


def image_bytes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The encoded images of a column: itself, or the `bytes` of its structures."""
    return pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column


def image_leaf(schema: pa.Schema, column: str) -> str:
    """The name under which parquet keeps the bytes of an image column."""
    return f"{column}.bytes" if pa.types.is_struct(schema.field(column).type) else column


def arrow_table(path: str) -> pa.Table:
    """An Arrow file as a table, mapped and not read."""
    source = pa.memory_map(path)
    try:
        return pa.ipc.open_stream(source).read_all()
    except pa.ArrowInvalid:
        return pa.ipc.open_file(source).read_all()


class _RowGroups:
    """Image columns of parquet row groups, the last used ones kept up to a number of bytes."""

    def __init__(self, limit: int):
        self.limit = limit
        self.kept: OrderedDict[tuple[Any, ...], pa.ChunkedArray] = OrderedDict()
        self.lock = threading.Lock()

    def value(self, path: str, column: str, row: int) -> bytes | None:
        """The encoded image in one row."""
        with self.lock:  # a parquet file is read by one thread at a time
            time = os.stat(path).st_mtime_ns
            file, ends = _parquet_file(path, time)
            if not 0 <= row < ends[-1]:
                raise BadData(f"{path} has no row {row}, only {ends[-1]}; the file has changed since it was read.")
            group = bisect.bisect_right(ends, row)
            images = self._group(file, (path, time, column, group))
        data: bytes | None = images[row - (ends[group - 1] if group else 0)].as_py()
        return data

    def _group(self, file: parquet.ParquetFile, name: tuple[Any, ...]) -> pa.ChunkedArray:
        if name not in self.kept:
            column, group = name[2:]
            table = file.read_row_group(group, columns=[image_leaf(file.schema_arrow, column)])
            self.kept[name] = image_bytes(table.column(0))
            while len(self.kept) > 1 and sum(images.nbytes for images in self.kept.values()) > self.limit:
                self.kept.popitem(last=False)
        self.kept.move_to_end(name)
        return self.kept[name]


@lru_cache(maxsize=64)
def _parquet_file(path: str, _time: int) -> tuple[parquet.ParquetFile, tuple[int, ...]]:
    """An open file and the row after the last of each of its groups."""
    file = parquet.ParquetFile(path)
    groups = range(file.metadata.num_row_groups)
    return file, tuple(accumulate(file.metadata.row_group(group).num_rows for group in groups)) or (0,)


@cache
def _row_groups() -> _RowGroups:
    return _RowGroups(KEPT_BYTES)


def _read_parquet(rest: str) -> bytes:
    path, column, row = rest.rsplit("#", 2)
    return _there(_row_groups().value(path, column, int(row)), rest)


@lru_cache(maxsize=256)
def _arrow_column(path: str, column: str, _time: int) -> pa.ChunkedArray:
    return image_bytes(arrow_table(path).column(column))


def _read_arrow(rest: str) -> bytes:
    path, column, row = rest.rsplit("#", 2)
    images = _arrow_column(path, column, os.stat(path).st_mtime_ns)
    if not 0 <= int(row) < len(images):
        raise BadData(f"{path} has no row {row}, only {len(images)}; the file has changed since it was read.")
    return _there(images[int(row)].as_py(), rest)


def _there(data: bytes | None, rest: str) -> bytes:
    if data is None:
        raise BadData(f"{rest}: there is no image in this row; the file has changed since it was read.")
    return data


def _read_planes(rest: str) -> Image.Image:
    """Bytes of one colour plane after the other, as CIFAR's binary files have them."""
    path, offset, shape = rest.rsplit("#", 2)
    channels, height, width = map(int, shape.split("x"))
    with Path(path).open("rb", buffering=0) as file:
        file.seek(int(offset))
        data = file.read(channels * height * width)
    if len(data) < channels * height * width:
        raise BadData(f"{rest}: the file ends before the image does; fetch it again.")
    planes = np.frombuffer(data, np.uint8).reshape(channels, height, width)
    return Image.fromarray(planes[0] if channels == 1 else np.ascontiguousarray(planes.transpose(1, 2, 0)))


@contextmanager
def npz_members(path: str) -> Iterator[Mapping[str, np.ndarray]]:
    """The arrays of an .npz file by name, each unpacked when it is asked for; nothing is ever unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > UNPACKED_BYTES:
            raise BadData(
                f"{path} holds {size / 1e9:.1f} GB of arrays; at most {UNPACKED_BYTES / 1e9:.1f} GB are unpacked. "
                "Give the version with smaller images, or write these into class folders."
            )
        with np.load(path, allow_pickle=False) as members:
            yield members
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadData(f"{path} cannot be read as an .npz file of plain arrays ({error}); fetch it again.") from error


@lru_cache(maxsize=4)
def npz_images(path: str, member: str, _time: int) -> np.ndarray:
    """The images of one member, kept unpacked: a packed file cannot be entered in its middle."""
    with npz_members(path) as members:
        return members[member]


def _read_npz(rest: str) -> Image.Image:
    path, member, row = rest.rsplit("#", 2)
    images = npz_images(path, member, os.stat(path).st_mtime_ns)
    if not 0 <= int(row) < len(images):
        raise BadData(f"{path} has no image {row} in {member}, only {len(images)}; it has changed since it was read.")
    return Image.fromarray(images[int(row)])


def _read_tar(rest: str) -> bytes:
    """The bytes of one member, from where they stand in the tar file."""
    path, offset, size = rest.rsplit("#", 2)
    with Path(path).open("rb", buffering=0) as file:
        file.seek(int(offset))
        data = file.read(int(size))
    if len(data) < int(size):
        raise BadData(f"{rest}: the file ends before the image does; fetch it again.")
    return data


def _read_polygons(rest: str) -> Image.Image:
    with _drawing(rest):
        said = json.loads(rest)
        mask = Image.new("L", _size(said))
        for polygon in said["polygons"]:
            ImageDraw.Draw(mask).polygon(polygon, fill=255)
    return mask


def _read_rle(rest: str) -> Image.Image:
    with _drawing(rest):
        said = json.loads(rest)
        width, height = _size(said)
        counts = said["counts"]
        runs = run_lengths(counts) if isinstance(counts, str) else counts
        if sum(runs) != height * width:
            raise BadData(f"A mask of {width} x {height} has runs for {sum(runs)} pixels; its file is damaged.")
        values = np.zeros(len(runs), np.uint8)
        values[1::2] = 255
        return Image.fromarray(np.repeat(values, runs).reshape((height, width), order="F"))


@contextmanager
def _drawing(rest: str) -> Iterator[None]:
    """Numbers of the wrong kind or count become one sentence."""
    try:
        yield
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise BadData(f"{rest[:SHOWN]!r}: no mask can be drawn from this ({error}); mend the annotations.") from error


def _size(said: Any) -> tuple[int, int]:
    """Width and height, before anything of this size is made."""
    height, width = said["size"]
    if not 0 < height * width <= MAX_PIXELS:
        raise BadData(f"A mask of {width} x {height} pixels cannot be drawn; expected 1 to 89 million.")
    return width, height


def run_lengths(text: str) -> list[int]:
    """COCO's compressed runs: base 32 from character 48 on, low digits first; from the fourth on less the last but one.

    Bit 32 of a character says that more follow; bit 16 of the last one is the sign.
    """
    runs: list[int] = []
    value = digits = 0
    for character in text:
        code = ord(character) - 48
        value |= (code & 31) << (CHARACTER_BITS * digits)
        digits += 1
        if code & 32:
            continue
        if code & 16:
            value -= 1 << (CHARACTER_BITS * digits)
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = digits = 0
    return runs


PARQUET = Place(read=_read_parquet)
ARROW = Place(read=_read_arrow)
TAR = Place(read=_read_tar)
PLANES = Place(read=_read_planes)
NPZ = Place(read=_read_npz)
POLYGONS = Place(read=_read_polygons)
RLE = Place(read=_read_rle)
