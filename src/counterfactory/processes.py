"""Helping processes: started so that Ctrl-C ends the command, and they with it, without a word of their own."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.synchronize import Event
from types import ModuleType
from typing import Any

from counterfactory.errors import Unavailable

if sys.platform == "win32":
    from multiprocessing.context import SpawnContext as Context
    from multiprocessing.context import SpawnProcess as Process
else:
    from multiprocessing.context import ForkServerContext as Context
    from multiprocessing.context import ForkServerProcess as Process

PRELOADED = ["counterfactory.pixels"]

_stopped: list[Event] = []  # in a helper, one: set when what is not begun yet is not wanted any more


class _Helper(Process):
    """Starts whole in spite of an interrupt, and without the program's own script: it would run that once more."""

    def start(self) -> None:
        with _interrupts_later(), _script_left_out():
            super().start()


class _Context(Context):
    Process = _Helper


class Helpers(ProcessPoolExecutor):
    """Processes that do what they are handed; all of them come from one server, which knows of no interrupt.

    What they are handed is found by importing it; what a script that is run defines is not.
    """

    def __init__(self, count: int):
        context = _Context()
        if sys.platform != "win32":
            context.set_forkserver_preload(PRELOADED)
            resource_tracker.ensure_running()  # on its way it lets interrupts through again, so it comes first
            with _interrupts_later(), _blocked():
                forkserver.ensure_running()
        self.stopped = context.Event()
        super().__init__(count, mp_context=context, initializer=_begin, initargs=(self.stopped,))

    def map(
        self, fn: Callable[..., Any], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[Any]:
        """The results in order, as `map` gives them."""
        return super().map(partial(_unless_stopped, fn), *iterables, timeout=timeout, chunksize=chunksize)


@contextmanager
def interruptible(helpers: Helpers) -> Iterator[Helpers]:
    """An interrupt of the block ends the helpers after the item that each is at: else all items would be done first.

    They are asked and not killed: one that dies while it sends a result leaves the program waiting for the rest of it.
    """
    try:
        yield helpers
    except (KeyboardInterrupt, SystemExit):
        helpers.stopped.set()
        helpers.shutdown(cancel_futures=True)
        raise
    except BrokenProcessPool as broken:
        helpers.stopped.set()
        raise Unavailable(
            "A helping process was killed, most often because the memory was full. "
            "Free some, then run the same again: what was done is kept."
        ) from broken


def _begin(stopped: Event) -> None:
    """What each helper does first: it remembers how it is stopped, and ends when the program is no more."""
    ignore_interrupts()  # where no server does it for all
    _stopped.append(stopped)
    threading.Thread(target=_end_with_the_program, daemon=True).start()


def _end_with_the_program() -> None:
    program = multiprocessing.parent_process()
    if program is not None:
        connection.wait([program.sentinel])
        os._exit(1)


def _unless_stopped(function: Callable[..., Any], *items: Any) -> Any:
    if any(stopped.is_set() for stopped in _stopped):
        raise CancelledError
    return function(*items)


def ignore_interrupts(_number: int = 0) -> None:
    """What a process of another library's pool does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """An interrupt within the block comes after it; only the main thread ever hears of one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = False

    def note(_number: int, _frame: object) -> None:
        nonlocal came
        came = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)


@contextmanager
def _script_left_out() -> Iterator[None]:
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


@contextmanager
def _blocked() -> Iterator[None]:
    """What is started in the block, and all that this starts, never hears of an interrupt."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
