"""Bytes by their digest."""

import errno
import os

import pytest

from counterfactory import keys
from counterfactory.blobs import Blobs
from counterfactory.errors import DiskTrouble


def test_a_blob_is_found_by_its_digest(tmp_path):
    blobs = Blobs(tmp_path)
    name = blobs.put(b"pixels")
    assert name == keys.digest(b"pixels")
    assert name in blobs
    assert blobs.get(name) == b"pixels"
    assert list(blobs) == [name]


def test_a_blob_that_is_not_there_is_a_key_error(tmp_path):
    with pytest.raises(KeyError):
        Blobs(tmp_path).get("00" * 16)


def test_a_write_that_breaks_leaves_no_half_blob(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DiskTrouble, match="is full"):
        Blobs(tmp_path).put(b"pixels")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")
def test_a_blob_may_be_read_by_whom_the_umask_lets(tmp_path):
    blobs = Blobs(tmp_path)
    before = os.umask(0o027)
    try:
        name = blobs.put(b"pixels")
    finally:
        os.umask(before)
    assert blobs.path(name).stat().st_mode & 0o777 == 0o640


def test_what_is_no_blob_is_not_listed_and_what_is_half_of_one_is_told(tmp_path):
    blobs = Blobs(tmp_path)
    folder = blobs.path(blobs.put(b"pixels")).parent
    for name in (".DS_Store", "Thumbs.db", ".part-1"):
        (folder / name).write_bytes(b"")
    assert list(blobs) == [keys.digest(b"pixels")]
    assert blobs.halves() == [folder / ".part-1"]
