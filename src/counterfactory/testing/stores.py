"""What every store must keep: a commit is whole or nothing, and what was kept is there for the next process."""

from pathlib import Path
from typing import Any

import pytest

from counterfactory import keys
from counterfactory.store import Failure


class StoreContract:
    """Inherit, name it `Test...`, give `store`: opens the store of a folder, new or not."""

    def store(self, folder: Path) -> Any:
        raise NotImplementedError

    def names(self, count: int) -> list[bytes]:
        """Some keys."""
        return [bytes.fromhex(keys.key("store", i)) for i in range(count)]

    def test_what_was_kept_is_there_after_reopening(self, tmp_path: Path) -> None:
        one, two, three = self.names(3)
        first = self.store(tmp_path)
        first.commit(first.step("Step", "said"), {one: "1", two: "2"})
        first.close()
        second = self.store(tmp_path)
        assert second.done([one, two, three]) == {one, two}
        assert second.get([two, three]) == {two: "2"}
        second.close()

    def test_more_keys_than_one_statement_takes(self, tmp_path: Path) -> None:
        names, store = self.names(3000), self.store(tmp_path)
        store.commit(store.step("Step", "said"), {name: str(i) for i, name in enumerate(names)})
        assert list(store.get(names).values()).count("7") == 1
        assert store.done(names) == set(names)
        store.close()

    def test_a_result_replaces_the_failure_of_its_key(self, tmp_path: Path) -> None:
        (name,), store = self.names(1), self.store(tmp_path)
        step = store.step("Step", "said")
        store.commit(step, {}, [Failure(name.hex(), "", "item", "too dark", "trace")])
        assert store.failures([name]) == [Failure(name.hex(), "Step", "item", "too dark", "trace")]
        assert store.done([name]) == set()
        store.commit(step, {name: "1"})
        assert store.failures() == []
        store.close()

    def test_a_commit_that_breaks_leaves_nothing(self, tmp_path: Path) -> None:
        one, two = self.names(2)
        store = self.store(tmp_path)
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the store says of a value that is no text
            store.commit(store.step("Step", "said"), {one: "1", two: object()})
        assert store.done([one, two]) == set()
        store.commit(store.step("Step", "said"), {one: "1"})
        assert store.done([one, two]) == {one}
        store.close()

    def test_two_may_write_at_once(self, tmp_path: Path) -> None:
        one, two = self.names(2)
        first, second = self.store(tmp_path), self.store(tmp_path)
        first.commit(first.step("Step", "said"), {one: "1"})
        second.commit(second.step("Step", "said"), {two: "2"})
        assert first.done([one, two]) == second.done([one, two]) == {one, two}
        first.close()
        second.close()

    def test_what_is_forgotten_is_gone_and_the_rest_stays(self, tmp_path: Path) -> None:
        one, two, three = self.names(3)
        store = self.store(tmp_path)
        step = store.step("Step", "said")
        store.commit(step, {one: "1", two: "2"}, [Failure(three.hex(), "", "item", "too dark")])
        assert sorted(store.unnamed({one})) == sorted([two, three])
        assert list(store.values({one, three})) == ["1"]
        store.forget([two, three])
        store.shrink()
        assert store.done([one, two]) == {one}
        assert store.failures() == []
        store.close()
