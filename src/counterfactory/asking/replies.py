"""Every reply as it came, in one SQLite file a workspace. Knows keys and replies, not what they are about."""

import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from counterfactory.asking.chat import Reply
from counterfactory.errors import DiskTrouble, RunTooNew, writing
from counterfactory.store import DISK_TROUBLES

FILE = "replies.db"
FORMAT = 1
SCHEMA = """create table if not exists replies (key blob primary key, model text not null, text text not null,
    finish text not null, read integer not null, written integer not null, at text default current_timestamp)"""


class Replies:
    """Replies by key, kept as they come; safe among threads and processes."""

    def __init__(self, workspace: Path):
        self.path, self._turn = workspace / FILE, Lock()
        with self._disk():
            workspace.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
            weakref.finalize(self, self._db.close)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._prepare()

    def get(self, key: str) -> Reply | None:
        """The reply under a key, where it has come already."""
        asked = "select text, finish, read, written from replies where key = ?"
        with self._turn, self._disk():
            row = self._db.execute(asked, (bytes.fromhex(key),)).fetchone()
        return Reply(text=row[0], finish=row[1], read=row[2], written=row[3]) if row else None

    def put(self, key: str, model: str, reply: Reply) -> None:
        """Keep a reply; of two processes that asked the same, the first is believed."""
        row = (bytes.fromhex(key), model, reply.text, reply.finish, reply.read, reply.written)
        kept = "insert or ignore into replies (key, model, text, finish, read, written) values (?, ?, ?, ?, ?, ?)"
        with self._turn, self._disk():
            self._db.execute(kept, row)

    def _prepare(self) -> None:
        (version,) = self._db.execute("pragma user_version").fetchone()
        if version > FORMAT:
            raise RunTooNew(
                f"{self.path} was written by a later Counterfactory (format {version}; this one knows {FORMAT}). "
                "Upgrade Counterfactory, or choose another --workspace."
            )
        self._db.execute(SCHEMA)
        self._db.execute(f"pragma user_version = {FORMAT}")

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            with writing(self.path.parent):
                yield
        except sqlite3.DatabaseError as error:
            if DISK_TROUBLES.isdisjoint(getattr(error, "sqlite_errorname", "").split("_")):
                raise
            raise DiskTrouble(
                f"{self.path} cannot be used ({error}). Mend the disk, or set the file aside: replies that are not in "
                "it are asked for again."
            ) from error
