"""Helping processes: started so that Ctrl-C ends the command, and they with it, without a word of their own."""

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import InvalidStateError, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker

PRELOADED = ["counterfactory.pixels"]


def pool(count: int) -> ProcessPoolExecutor:
    """Processes that do what they are handed; all of them come from one server, which knows of no interrupt."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    resource_tracker.ensure_running()  # on its way it lets interrupts through again, so it comes first
    with _interrupts_later():
        with _blocked():
            forkserver.ensure_running()
        helpers = ProcessPoolExecutor(count, mp_context=context)
        for _ in range(count):  # an interrupt while one starts would leave it behind, so all start now
            helpers.submit(int)
    return helpers


@contextmanager
def interruptible(helpers: ProcessPoolExecutor) -> Iterator[ProcessPoolExecutor]:
    """An interrupt of the block ends what the helpers are at: else the program would end after all of it."""
    try:
        yield helpers
    except (KeyboardInterrupt, SystemExit):
        threading.excepthook = _say_nothing_of_cancelled
        helpers.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise


def ignore_interrupts(_number: int = 0) -> None:
    """What a process of another library's pool does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _say_nothing_of_cancelled(hint: threading.ExceptHookArgs) -> None:
    """The thread of a pool stumbles over cancelled work when its processes are ended; others' errors are told."""
    if not issubclass(hint.exc_type, InvalidStateError):
        threading.__excepthook__(hint)


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
def _blocked() -> Iterator[None]:
    """What is started in the block, and all that this starts, never hears of an interrupt."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
