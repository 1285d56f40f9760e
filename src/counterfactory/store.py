"""What has been done: one SQLite file a workspace, one row an item. Knows keys and texts, not what they mean."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterfactory.errors import DiskTrouble, RunTooNew, writing

FORMAT = 1
DISK_TROUBLES = {"FULL", "READONLY", "IOERR", "CANTOPEN", "NOTADB", "CORRUPT"}  # SQLite's own names
MANY = 500  # keys asked for in one statement
# Keys stand in an index apart from the values, so that a million of them are looked up within the cache.
SCHEMA = """
create table steps (id integer primary key, name text not null, said text not null unique);
create table results (id integer primary key, key blob not null unique, step integer not null, value text not null);
create table failures (key blob primary key, step integer not null, item text not null,
                       reason text not null, detail text not null, at text default current_timestamp) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed item as it is kept: its key, what it was, and why."""

    key: str
    step: str
    item: str
    reason: str
    detail: str = ""


class Store:
    """Results and failures by key. A commit is one transaction: a kill leaves all of it or nothing."""

    def __init__(self, path: Path):
        self.path = path
        with self._disk():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self.db.execute("pragma journal_mode = wal")
            self.db.execute("pragma synchronous = normal")
            self.db.execute("pragma cache_size = -65536")
            self._prepare()
        self._steps: dict[str, int] = {}

    def done(self, keys: Sequence[bytes]) -> set[bytes]:
        """Which of the keys have a result."""
        return {row[0] for row in self._select("key", keys)}

    def get(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """The results of those keys that have one."""
        return dict(self._select("key, value", keys))

    def step(self, name: str, said: str) -> int:
        """The number of a step, remembered with all that it says."""
        if said not in self._steps:
            with self._disk():
                self.db.execute("insert or ignore into steps (name, said) values (?, ?)", (name, said))
                (self._steps[said],) = self.db.execute("select id from steps where said = ?", (said,)).fetchone()
        return self._steps[said]

    def commit(self, step: int, results: Mapping[bytes, str], failures: Iterable[Failure] = ()) -> None:
        """Keep a batch: results replace failures of the same keys."""
        with self._disk(), self._transaction():
            self.db.executemany(
                "insert or replace into results (key, step, value) values (?, ?, ?)",
                [(k, step, v) for k, v in results.items()],
            )
            self.db.executemany("delete from failures where key = ?", [(k,) for k in results])
            self.db.executemany(
                "insert or replace into failures (key, step, item, reason, detail) values (?, ?, ?, ?, ?)",
                [(bytes.fromhex(f.key), step, f.item, f.reason, f.detail) for f in failures],
            )

    def failures(self, keys: Sequence[bytes] | None = None) -> list[Failure]:
        """Failures of the given keys, or all."""
        columns = "hex(f.key), s.name, f.item, f.reason, f.detail"
        every = f"select {columns} from failures f join steps s on s.id = f.step"  # noqa: S608
        if keys is None:
            return [_failure(row) for row in self._rows(every)]
        chunks = (keys[i : i + MANY] for i in range(0, len(keys), MANY))
        return [
            _failure(row) for chunk in chunks for row in self._rows(f"{every} where f.key in ({_marks(chunk)})", chunk)
        ]

    def unnamed(self, kept: set[bytes]) -> list[bytes]:
        """The keys of all results and failures but the kept ones."""
        every = "select key from results union select key from failures"
        return [key for (key,) in self._rows(every) if key not in kept]

    def forget(self, keys: Sequence[bytes]) -> None:
        """Delete results and failures."""
        with self._disk(), self._transaction():
            self.db.executemany("delete from results where key = ?", [(key,) for key in keys])
            self.db.executemany("delete from failures where key = ?", [(key,) for key in keys])

    def shrink(self) -> None:
        """Give the room of what was forgotten back to the disk."""
        with self._disk():
            self.db.execute("vacuum")

    def values(self, kept: set[bytes]) -> Iterator[str]:
        """The texts of the kept results."""
        return (value for key, value in self._rows("select key, value from results") if key in kept)

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    def _prepare(self) -> None:
        (version,) = self.db.execute("pragma user_version").fetchone()
        if version > FORMAT:
            raise RunTooNew(
                f"{self.path} was written by a later Counterfactory (format {version}; this one knows {FORMAT}). "
                "Upgrade Counterfactory, or choose another --workspace."
            )
        if version == 0:
            with self._transaction():
                (made,) = self.db.execute("pragma user_version").fetchone()  # another process may have been first
                if made == 0:
                    for statement in SCHEMA.split(";"):
                        self.db.execute(statement)
                    self.db.execute(f"pragma user_version = {FORMAT}")

    def _select(self, columns: str, keys: Sequence[bytes]) -> Iterator[Any]:
        for start in range(0, len(keys), MANY):
            chunk = keys[start : start + MANY]
            yield from self._rows(f"select {columns} from results where key in ({_marks(chunk)})", chunk)  # noqa: S608

    def _rows(self, statement: str, given: Sequence[bytes] = ()) -> Iterator[Any]:
        with self._disk():
            yield from self.db.execute(statement, given)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.db.execute("begin immediate")
        try:
            yield
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("rollback")
            raise
        self.db.execute("commit")

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """SQLite's words for a full or read-only disk become ours."""
        try:
            with writing(self.path.parent):
                yield
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", "")  # none, where not SQLite but its Python module complains
            if DISK_TROUBLES.isdisjoint(name.split("_")):
                raise
            raise DiskTrouble(
                f"{self.path} cannot be used ({error}). Nothing that was finished is lost: "
                "mend the disk or choose another --workspace, then give the same command again."
            ) from error


def _failure(row: tuple[str, str, str, str, str]) -> Failure:
    return Failure(row[0].lower(), *row[1:])


def _marks(chunk: Sequence[bytes]) -> str:
    return ",".join("?" * len(chunk))
