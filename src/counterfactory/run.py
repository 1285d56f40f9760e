"""Doing, once each: a run maps steps, fits trainers and publishes, and remembers all of it in its workspace."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Protocol, overload

from filelock import FileLock, Timeout

from counterfactory import codec, keys
from counterfactory.errors import RunBusy, TooManyFailures, writing
from counterfactory.executors.local import LocalExecutor
from counterfactory.publish import publish
from counterfactory.store import Failure, Store
from counterfactory.types import Artifact, Dataset, Failed, Item, Result, Step, Trainer
from counterfactory.worker import Worker

WINDOW = 4096  # items looked up at once; bounds the memory of a map
KEY_BYTES = 16


class Watcher(Protocol):
    """Whoever shows progress: told of each step when it begins, moves and ends."""

    def begin(self, what: str, total: int | None) -> None: ...

    def move(self, done: int, failed: int, known: int) -> None: ...

    def end(self) -> None: ...


class Silent:
    """Shows nothing."""

    def begin(self, what: str, total: int | None) -> None: ...

    def move(self, done: int, failed: int, known: int) -> None: ...

    def end(self) -> None: ...


class Results(Sequence[Result | Failed], Generic[Result]):
    """Results in the order of their items, read from the store as they are asked for: a million cost 16 MB."""

    def __init__(self, store: Store, addresses: bytes):
        self._store = store
        self._addresses = addresses

    def __len__(self) -> int:
        return len(self._addresses) // KEY_BYTES

    def __iter__(self) -> Iterator[Result | Failed]:
        for start in range(0, len(self), WINDOW):
            yield from self._read(start, min(start + WINDOW, len(self)))

    @overload
    def __getitem__(self, at: int) -> Result | Failed: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Result | Failed]: ...
    def __getitem__(self, at: int | slice) -> Result | Failed | Sequence[Result | Failed]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        at = range(len(self))[at]
        return self._read(at, at + 1)[0]

    def _read(self, start: int, stop: int) -> list[Result | Failed]:
        wanted = [self._addresses[i * KEY_BYTES : (i + 1) * KEY_BYTES] for i in range(start, stop)]
        found = self._store.get(wanted)
        missing = [key for key in wanted if key not in found]
        failed = {f.key: Failed(f.key, f.reason, f.detail) for f in self._store.failures(missing)}
        return [codec.decode(found[key]) if key in found else failed[key.hex()] for key in wanted]


class Run:
    """One run in its folder. Holds the folder's lock until it is closed."""

    def __init__(self, folder: Path, worker: Worker, watcher: Watcher | None = None, max_failures: int = 1000):
        self.folder = folder
        self.worker = worker
        self.watcher = watcher or Silent()
        self.max_failures = max_failures
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = locked(folder)
        self.store = Store(worker.workspace / "store.db")
        self.executor = LocalExecutor(worker)
        self.images = 0  # published ones that were made and not photographed
        self._used = UsedKeys(folder)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None:
            self._used.finish()
        self.close()

    def close(self) -> None:
        """Let go of the store and the folder."""
        self.store.close()
        self._lock.release()

    def map(self, step: Step[Item, Result], items: Iterable[Item]) -> Results[Result]:
        """Apply a step to items, once each ever; returns the results in the items' order, failures in their places."""
        said = keys.canonical([step, self.worker.settings])
        number = self.store.step(type(step).__qualname__, said)
        prefix = keys.digest(said.encode())
        addresses, failed, rest = bytearray(), 0, iter(items)
        self.watcher.begin(type(step).__qualname__, len(items) if isinstance(items, Sequence) else None)
        while window := list(islice(rest, WINDOW)):
            names = [bytes.fromhex(keys.key(prefix, item)) for item in window]
            addresses += b"".join(names)
            self._used.add(b"".join(names))
            done = self.store.done(names)
            todo = {name: item for name, item in zip(names, window, strict=True) if name not in done}
            self.watcher.move(0, 0, len(window) - len(todo))
            failed += self._do(step, number, todo, failed)
        self.watcher.end()
        if failed and failed == len(addresses) // KEY_BYTES:
            raise TooManyFailures(self._sorry(type(step).__qualname__, failed, bytes(addresses[:KEY_BYTES])))
        return Results(self.store, bytes(addresses))

    def fit(self, trainer: Trainer, **datasets: Dataset) -> Artifact:
        """Train once ever; a training that was killed goes on from its own folder."""
        said = keys.canonical([trainer, self.worker.settings])
        name = keys.key("fit", keys.digest(said.encode()), datasets)
        self._used.add(bytes.fromhex(name))
        folder = self.worker.workspace / "artifacts" / name
        found = self.store.get([bytes.fromhex(name)])
        if found and folder.is_dir():
            artifact: Artifact = codec.decode(found[bytes.fromhex(name)])
            return artifact
        told = Told(self.watcher, f"fit {trainer.kind}")
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder):
                numbers = trainer.fit(replace(self.worker, tell=told.tell), folder, datasets)
        artifact = Artifact(kind=trainer.kind, key=name, numbers=numbers)
        self.store.commit(
            self.store.step(type(trainer).__qualname__, said), {bytes.fromhex(name): codec.encode(artifact)}
        )
        told.end()
        return artifact

    def publish(self, datasets: Mapping[str, Dataset], scores: Mapping[str, Mapping[str, float]] | None = None) -> Path:
        """Write data sets in the canonical form, lineage and named scores beside each image."""
        samples = (sample for dataset in datasets.values() for sample in dataset.samples)
        self.images = sum(sample.origin is not None for sample in samples)
        return publish(self.folder / "data", datasets, self.worker.pixels, scores)

    def failures(self) -> list[Failure]:
        """What failed among all that this run asked for."""
        return self.store.failures(self._used.of_this_process())

    def _do(self, step: Step[Any, Any], number: int, todo: dict[bytes, Any], failed_before: int) -> int:
        """Run what is missing, batch by batch, each committed before the next begins."""
        names, size, failed = list(todo), self.worker.batch_size, 0
        chunks = [names[i : i + size] for i in range(0, len(names), size)]
        batches = ([todo[name] for name in chunk] for chunk in chunks)
        for chunk, answers in zip(chunks, self.executor.map(step, batches), strict=True):
            good = {n: codec.encode(a) for n, a in zip(chunk, answers, strict=True) if not isinstance(a, Failed)}
            bad = [
                Failure(n.hex(), "", _shown(todo[n]), a.reason, a.detail)
                for n, a in zip(chunk, answers, strict=True)
                if isinstance(a, Failed)
            ]
            self.store.commit(number, good, bad)
            failed += len(bad)
            self.watcher.move(len(good), len(bad), 0)
            if failed_before + failed > self.max_failures:
                raise TooManyFailures(
                    self._sorry(type(step).__qualname__, failed_before + failed, bytes.fromhex(bad[-1].key))
                )
        return failed

    def _sorry(self, step: str, count: int, example: bytes) -> str:
        reason = self.store.failures([example])[0].reason
        return (
            f"{step}: {count} items failed, one of them so: {reason} What worked is kept; mend the cause and run again."
        )


class Told:
    """Turns what a training tells of itself into a watcher's moves."""

    def __init__(self, watcher: Watcher, what: str):
        self._watcher = watcher
        self._what = what
        self._done: int | None = None

    def tell(self, done: int, total: int) -> None:
        """So many steps of all are done."""
        if self._done is None:
            self._watcher.begin(self._what, total)
            self._watcher.move(0, 0, done)  # a training that goes on did these before
        else:
            self._watcher.move(done - self._done, 0, 0)
        self._done = done

    def end(self) -> None:
        """The training is over, whether or not it told."""
        if self._done is None:
            self.tell(0, 0)
        self._watcher.end()


class UsedKeys:
    """The keys that a run asked for, in its folder: `prune` keeps what any run names.

    A run that is given again writes a new list beside the old one, which stays until the new one is whole.
    """

    def __init__(self, folder: Path):
        self._whole = folder / "used.keys"
        self._part = folder / "used.keys.part"
        self._begun = False

    def add(self, addresses: bytes | bytearray) -> None:
        """Name some keys more; the first call of a process begins the list anew."""
        with writing(self._part), self._part.open("ab" if self._begun else "wb") as stream:
            stream.write(addresses)
        self._begun = True

    def finish(self) -> None:
        """The list is whole: the run came to its end."""
        if self._begun:
            self._part.replace(self._whole)

    def of_this_process(self) -> list[bytes]:
        """Every key that was named since this object was made, once."""
        return _keys(self._part) if self._begun else []

    def all(self) -> list[bytes]:
        """Every key of the last whole list and of one begun since, once."""
        return list(dict.fromkeys([*_keys(self._whole), *_keys(self._part)]))


def _keys(path: Path) -> list[bytes]:
    data = path.read_bytes() if path.exists() else b""
    return list(dict.fromkeys(data[i : i + KEY_BYTES] for i in range(0, len(data), KEY_BYTES)))


def locked(folder: Path) -> FileLock:
    """A folder's lock, held until it is released or the process dies; whoever comes second is told."""
    lock = FileLock(folder / ".lock")
    try:
        with writing(folder):
            lock.acquire(timeout=0)
    except Timeout:
        raise RunBusy(
            f"Another process is working in {folder}. Wait for it, or give this run a --name of its own."
        ) from None
    return lock


def _shown(item: Any) -> str:
    """An item in one readable line."""
    text = codec.encode(item) if not isinstance(item, str) else json.dumps(item)
    return text if len(text) <= 500 else text[:499] + "…"
