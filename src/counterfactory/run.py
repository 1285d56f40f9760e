"""Doing, once each: a run maps steps, fits trainers and publishes, and remembers all of it in its workspace."""

import json
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Generic, overload

from filelock import FileLock, Timeout

from counterfactory import codec, keys
from counterfactory.errors import BadConfig, RunBusy, TooManyFailures, writing
from counterfactory.executors.local import LocalExecutor
from counterfactory.publish import publish
from counterfactory.search.course import Alike, Objective, search
from counterfactory.search.plan import Search
from counterfactory.search.trials import Found, Ledger
from counterfactory.store import Failure, Store
from counterfactory.types import Artifact, Dataset, Failed, Item, Result, Step, Trainer
from counterfactory.watch import Silent, Told, Watcher
from counterfactory.worker import Hear, Worker, nobody

WINDOW = 4096  # items looked up at once; bounds the memory of a map
KEY_BYTES = 16
MODEL = re.compile(r"\b[0-9a-f]{32}\b")
AT_ONCE, SOON, EVER = 0, 60, -1  # seconds to wait for a lock, as filelock counts them


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
        self.executor = LocalExecutor(worker)
        self.images = 0  # published ones that were made and not photographed
        self.made = 0  # results and models that were not known before
        self._used = UsedKeys(folder)
        if folder.resolve().parent != worker.workspace.resolve():
            raise BadConfig(
                f"The run {folder} does not lie in its workspace {worker.workspace}: expected a folder in it."
            )
        with ExitStack() as held:
            with beginning(worker.workspace):  # `prune` sees this run whole, or not yet
                held.enter_context(locked(folder / ".lock", "Wait for it, or give this run a --name of its own."))
            self.store = Store(worker.workspace / "store.db")
            held.callback(self.store.close)
            self._held = held.pop_all()

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None:
            self._used.finish()
        self.close()

    def close(self) -> None:
        """Let go of the store and the folder."""
        self._held.close()

    def map(self, step: Step[Item, Result], items: Iterable[Item]) -> Results[Result]:
        """Apply a step to items, once each ever; returns the results in the items' order, failures in their places."""
        said = keys.canonical([step, self.worker.settings])
        self._uses_models(step)
        number = self.store.step(type(step).__qualname__, said)
        prefix = keys.digest(said.encode())
        addresses, failed, rest = bytearray(), 0, iter(items)
        self.watcher.begin(type(step).__qualname__, len(items) if isinstance(items, Sequence) else None)
        try:
            while window := list(islice(rest, WINDOW)):
                names = [bytes.fromhex(keys.key(prefix, item)) for item in window]
                addresses += b"".join(names)
                self._used.add(b"".join(names))
                done = self.store.done(names)
                todo = {name: item for name, item in zip(names, window, strict=True) if name not in done}
                self.watcher.move(0, 0, len(window) - len(todo))
                failed += self._do(step, number, todo, failed)
        finally:
            self.watcher.end()
        if failed and failed == len(addresses) // KEY_BYTES:
            raise TooManyFailures(self._sorry(type(step).__qualname__, failed, bytes(addresses[:KEY_BYTES])))
        return Results(self.store, bytes(addresses))

    def fit(self, trainer: Trainer, label: str = "", hear: Hear | None = None, /, **datasets: Dataset) -> Artifact:
        """Train once ever, shown under a label; a killed one goes on from its folder, another run's is waited for.

        `hear` is told on the way how good it is, and may raise to stop it; of one that is known it hears nothing.
        """
        said = keys.canonical([trainer, self.worker.settings])
        self._uses_models(trainer)
        name = bytes.fromhex(keys.key("fit", keys.digest(said.encode()), datasets))
        self._used.add(name)
        if artifact := self._fitted(name):
            return artifact
        told = Told(self.watcher, label or f"fit {trainer.kind}")
        with self._in_turn(self._model(name).with_suffix(".lock"), told.what):
            if artifact := self._fitted(name):  # by the run that was waited for
                return artifact
            self.store.forget([name])  # its model was deleted by hand: half of a new one must not pass for whole
            numbers = self._train(trainer, name, datasets, told, hear or nobody)
            artifact = Artifact(kind=trainer.kind, key=name.hex(), numbers=numbers)
            self.store.commit(self.store.step(type(trainer).__qualname__, said), {name: codec.encode(artifact)})
            self.made += 1
            return artifact

    def search(self, said: Search, objective: Objective, about: Any, alike: Alike = dict) -> Found:
        """Try settings, each once ever; `about` says all that a score follows from besides them."""
        ledger = Ledger(self.store, [said.course, about, self.worker.settings], self._used.add)
        return search(said, objective, ledger, self.watcher, alike)

    def publish(self, datasets: Mapping[str, Dataset], scores: Mapping[str, Mapping[str, float]] | None = None) -> Path:
        """Write data sets in the canonical form, lineage and named scores beside each image."""
        samples = (sample for dataset in datasets.values() for sample in dataset.samples)
        self.images = sum(sample.origin is not None for sample in samples)
        return publish(self.folder / "data", datasets, self.worker.pixels, scores)

    def failures(self) -> list[Failure]:
        """What failed among all that this run asked for."""
        return self.store.failures(self._used.of_this_process())

    def _model(self, name: bytes) -> Path:
        return self.worker.workspace / "artifacts" / name.hex()

    def _uses_models(self, step: Any) -> None:
        """Models of this workspace that a step names, by their folder perhaps, are needed, whoever trained them."""
        named = map(bytes.fromhex, MODEL.findall(repr(step)))
        self._used.add(b"".join(name for name in named if self._model(name).is_dir()))

    def _fitted(self, name: bytes) -> Artifact | None:
        found = self.store.get([name])
        return codec.decode(found[name]) if found and self._model(name).is_dir() else None

    @contextmanager
    def _in_turn(self, lock: Path, what: str) -> Iterator[None]:
        """Hold a training's lock, after whoever holds it now."""
        with ExitStack() as held:
            try:
                held.enter_context(locked(lock))
            except RunBusy:
                self.watcher.note(f"{what}: another run is training the same model; waiting for it.")
                held.enter_context(locked(lock, wait=EVER))
            yield

    def _train(
        self, trainer: Trainer, name: bytes, datasets: Mapping[str, Dataset], told: Told, hear: Hear
    ) -> Mapping[str, Any]:
        folder = self._model(name)
        try:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                return trainer.fit(replace(self.worker, tell=told.tell, hear=hear), folder, datasets)
        finally:
            told.end()

    def _do(self, step: Step[Any, Any], number: int, todo: dict[bytes, Any], failed_before: int) -> int:
        """Run what is missing, batch by batch, each committed before the next begins."""
        chunks, failed = _batches(step, self.worker, todo), 0
        batches = ([todo[name] for name in chunk] for chunk in chunks)
        for chunk, answers in zip(chunks, self.executor.map(step, batches), strict=True):
            pairs = list(zip(chunk, answers, strict=True))
            good = {n: codec.encode(a) for n, a in pairs if not isinstance(a, Failed)}
            bad = [Failure(n.hex(), "", _shown(todo[n]), a.reason, a.detail) for n, a in pairs if isinstance(a, Failed)]
            self.store.commit(number, good, bad)
            self.made += len(good)
            failed += len(bad)
            self.watcher.move(len(good), len(bad), 0)
            count = failed_before + failed
            if count > self.max_failures:
                raise TooManyFailures(self._sorry(type(step).__qualname__, count, bytes.fromhex(bad[-1].key)))
        return failed

    def _sorry(self, step: str, count: int, example: bytes) -> str:
        reason = self.store.failures([example])[0].reason.rstrip(". ")
        return f"{step}: {count} items failed, one so: {reason}. What worked is kept; mend the cause and run again."


def _batches(step: Step[Any, Any], worker: Worker, todo: Mapping[bytes, Any]) -> list[list[bytes]]:
    """The items' keys, a list for each batch; where a step tells which items are alike, none has others among them."""
    alike, size = getattr(step, "alike", None), max(worker.batch_size, getattr(step, "at_once", 1))
    groups: dict[Hashable, list[bytes]] = {}
    for name, item in todo.items():
        groups.setdefault(alike(worker, item) if alike else None, []).append(name)
    return [group[i : i + size] for group in groups.values() for i in range(0, len(group), size)]


class UsedKeys:
    """The keys that a run asked for, in its folder: `prune` keeps what any run names.

    A run that is given again writes a new list beside the old one, which stays until the new one is whole. What a
    killed process named is added to the old one.
    """

    def __init__(self, folder: Path):
        self._whole = folder / "used.keys"
        self._part = folder / "used.keys.part"
        self._begun = False

    def add(self, addresses: bytes | bytearray) -> None:
        """Name some keys more; the first call of a process begins the list anew."""
        with writing(self._part):
            if not self._begun and self._part.exists():
                self._join()
            with self._part.open("ab") as stream:
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

    def _join(self) -> None:
        """Both lists become the whole one; a kill on the way leaves one or both as they were."""
        joined = self._whole.with_name("used.keys.joined")
        joined.write_bytes(b"".join(self.all()))
        joined.replace(self._whole)
        self._part.unlink()


def _keys(path: Path) -> list[bytes]:
    """The keys of a list, once each; half a key at its end was cut off by a kill."""
    data = path.read_bytes() if path.exists() else b""
    return list(dict.fromkeys(data[i : i + KEY_BYTES] for i in range(0, len(data) - KEY_BYTES + 1, KEY_BYTES)))


@contextmanager
def locked(path: Path, advice: str = "Wait for it.", wait: float = AT_ONCE) -> Iterator[None]:
    """Hold a lock file within the block, at most until the process dies; who waited in vain is told."""
    lock = FileLock(path)
    try:
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=wait)
    except Timeout:
        raise RunBusy(f"Another process is working in {path.parent}. {advice}") from None
    try:
        yield
    finally:
        lock.release()


def beginning(workspace: Path) -> AbstractContextManager[None]:
    """A workspace's own lock: a run holds it while it begins, `prune` as long as it counts and deletes."""
    return locked(workspace / ".workspace.lock", "It lets no run begin: wait for it.", wait=SOON)


def _shown(item: Any) -> str:
    """An item in one readable line."""
    text = codec.encode(item) if not isinstance(item, str) else json.dumps(item)
    return text if len(text) <= 500 else text[:499] + "…"
