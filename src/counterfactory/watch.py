"""Telling whoever watches a run how far it is. Knows nothing of what is done."""

from typing import Protocol


class Watcher(Protocol):
    """Whoever shows progress: told of each step when it begins, moves and ends, and of what a person should know."""

    def begin(self, what: str, total: int | None) -> None: ...
    def move(self, done: int, failed: int, known: int) -> None: ...
    def end(self) -> None: ...
    def note(self, what: str) -> None: ...


class Silent:
    """Shows nothing."""

    def begin(self, what: str, total: int | None) -> None: ...
    def move(self, done: int, failed: int, known: int) -> None: ...
    def end(self) -> None: ...
    def note(self, what: str) -> None: ...


class Told:
    """Turns what a training tells of itself into a watcher's moves."""

    def __init__(self, watcher: Watcher, what: str):
        self._watcher = watcher
        self.what = what
        self._done: int | None = None

    def tell(self, done: int, total: int) -> None:
        """So many steps of all are done."""
        if self._done is None:
            self._watcher.begin(self.what, total)
            self._watcher.move(0, 0, done)  # a training that goes on did these before
        else:
            self._watcher.move(done - self._done, 0, 0)
        self._done = done

    def end(self) -> None:
        """The training is over; one that never told has shown nothing."""
        if self._done is not None:
            self._watcher.end()
