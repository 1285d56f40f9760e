"""Progress on standard error: a moving bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from typing import Any

from counterfactory.cli.output import note
from counterfactory.watch import Watcher

EVERY = 5.0  # seconds between plain lines


class Bar:
    """Items, rate, time left and failures, on a terminal; a step that is over leaves its last line."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._tally = Tally("", None)
        self._progress: Any = None
        self._task: Any = None

    def begin(self, what: str, total: int | None) -> None:
        self._tally = Tally(what, total)
        self._progress = _bars(self._console)
        self._task = self._progress.add_task(what, total=total, rate="", failures="")
        self._progress.start()

    def move(self, done: int, failed: int, known: int) -> None:
        self._tally.add(done, failed, known)
        failures = f"{self._tally.failed} failed" if self._tally.failed else ""
        self._progress.update(self._task, completed=self._tally.seen, rate=self._tally.rate(), failures=failures)

    def end(self) -> None:
        if self._tally.total is None:
            self._progress.update(self._task, total=self._tally.seen)
        self._progress.stop()

    def note(self, what: str) -> None:
        self._console.print(what, markup=False, highlight=False)


class Lines:
    """The same in plain lines."""

    def __init__(self) -> None:
        self._tally = Tally("", None)
        self._last = 0.0

    def begin(self, what: str, total: int | None) -> None:
        self._tally, self._last = Tally(what, total), time.monotonic()

    def move(self, done: int, failed: int, known: int) -> None:
        self._tally.add(done, failed, known)
        if time.monotonic() - self._last >= EVERY and self._tally.seen != self._tally.total:
            self._last = time.monotonic()
            note(self._tally.line())

    def end(self) -> None:
        if self._tally.done or self._tally.failed:
            note(self._tally.line())

    def note(self, what: str) -> None:
        note(what)


class Tally:
    """What of a step is done, failed and was known before."""

    def __init__(self, what: str, total: int | None):
        self.what = what
        self.total = total
        self.done = self.failed = self.known = 0
        self._began = time.monotonic()

    def add(self, done: int, failed: int, known: int) -> None:
        self.done, self.failed, self.known = self.done + done, self.failed + failed, self.known + known

    @property
    def seen(self) -> int:
        return self.done + self.failed + self.known

    def rate(self) -> str:
        seconds = time.monotonic() - self._began
        made = self.done + self.failed
        return f"{made / seconds:.1f}/s" if made and seconds > 0.05 else ""

    def line(self) -> str:
        of = f"/{self.total}" if self.total is not None else ""
        extra = [
            self.rate(),
            f"{self.known} known before" if self.known else "",
            f"{self.failed} failed" if self.failed else "",
        ]
        return f"{self.what}: {self.seen}{of}" + "".join(f", {text}" for text in extra if text)


def watcher() -> Watcher:
    """What suits where standard error goes."""
    return Bar() if sys.stderr.isatty() else Lines()


def _bars(console: Any) -> Any:
    """A bar for one step: rich would draw those of the steps before again."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("[red]{task.fields[failures]}"),
        console=console,
    )
