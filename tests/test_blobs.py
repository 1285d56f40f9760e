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
