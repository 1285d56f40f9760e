"""The store keeps the contract that it ships, and says what is wrong with a disk or a file."""

import sqlite3

import pytest

from counterfactory.errors import DiskTrouble, RunTooNew
from counterfactory.store import Failure, Store
from counterfactory.testing import StoreContract


class TestStore(StoreContract):
    def store(self, folder):
        return Store(folder / "store.db")


def test_a_store_of_a_later_version_is_refused(tmp_path):
    db = sqlite3.connect(tmp_path / "store.db")
    db.execute("pragma user_version = 99")
    db.close()
    with pytest.raises(RunTooNew, match="format 99"):
        Store(tmp_path / "store.db")


def test_a_full_disk_stops_with_a_sentence_and_loses_nothing(tmp_path):
    store = Store(tmp_path / "store.db")
    step = store.step("Step", "said")
    store.commit(step, {bytes(16): "kept"})
    (pages,) = store.db.execute("pragma page_count").fetchone()
    store.db.execute(f"pragma max_page_count = {pages + 2}")
    with pytest.raises(DiskTrouble, match="Nothing that was finished is lost"):
        store.commit(step, {bytes([1] * 16): "x" * 1_000_000})
    assert store.get([bytes(16)]) == {bytes(16): "kept"}
    store.db.execute("pragma max_page_count = 1000000")
    store.commit(step, {bytes([1] * 16): "x" * 1_000_000})
    assert len(store.done([bytes(16), bytes([1] * 16)])) == 2
    store.close()


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "store.db").write_text("this is no database " * 100)
    with pytest.raises(DiskTrouble, match=r"store\.db"):
        Store(tmp_path / "store.db")


def test_a_database_that_is_damaged_in_its_middle_is_named_also_when_it_is_read(tmp_path):
    path = tmp_path / "store.db"
    store = Store(path)
    names = [i.to_bytes(16, "big") for i in range(2000)]
    step = store.step("Step", "said")
    store.commit(step, dict.fromkeys(names, "x" * 100), [Failure(bytes(15).hex() + "ff", "", "item", "dark")])
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    store = Store(path)
    for read in (store.done, store.get, store.failures, lambda keys: list(store.values(set(keys))), store.unnamed):
        with pytest.raises(DiskTrouble, match=r"store\.db cannot be used"):
            read(names)
    store.close()


def test_a_mistake_in_the_program_is_told_as_what_it_is(tmp_path):
    store = Store(tmp_path / "store.db")
    store.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        store.done([bytes(16)])
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        store.commit(1, {bytes(16): "1"})
