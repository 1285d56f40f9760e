"""How many may ask at once, and when: one until it is heard, all while it goes well, fewer after a rebuff."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from time import monotonic

from counterfactory.errors import Unavailable

PATIENCE = 8  # rebuffs, one after the other and none heard between, of an endpoint that has answered before
IMPATIENCE = 4  # of one that never has
LONGEST_PAUSE = 30.0  # seconds, where the endpoint asks for none
LONGEST_ASKED = 300.0  # seconds that an endpoint may ask for


class Gate:
    """Lets requests through; shut for good when an endpoint is lost, so that nobody asks in vain."""

    def __init__(self, most: int, pause: float):
        self._turn = Condition()
        self._most, self._pause = most, pause
        self._open, self._inside, self._well = 1, 0, 0
        self._rebuffed, self._closed_until = 0.0, 0.0
        self._rebuffs, self._losses = 0, 0
        self._shut: Unavailable | None = None
        self.was_heard = False

    @contextmanager
    def passing(self) -> Iterator[float]:
        """Waits for a place, and holds it; gives the moment of passing."""
        with self._turn:
            while self._shut is None and (self._inside >= self._open or monotonic() < self._closed_until):
                wait = self._closed_until - monotonic()
                self._turn.wait(wait if wait > 0 else None)
            if self._shut is not None:
                raise self._shut
            self._inside += 1
        try:
            yield monotonic()
        finally:
            with self._turn:
                self._inside -= 1
                self._turn.notify()

    def went_well(self) -> None:
        """The endpoint answered: open wide at first, and again step by step after a rebuff."""
        with self._turn:
            self._rebuffs = self._losses = 0
            self._well += 1
            if not self.was_heard:
                self._open = self._most
            elif self._open < self._most and self._well >= self._open:
                self._open, self._well = min(self._most, max(self._open + 1, self._open * 5 // 4)), 0
            else:
                return
            self.was_heard = True
            self._turn.notify_all()

    def rebuff(self, since: float, why: str, asked: float | None = None, patience: int | None = None) -> None:
        """The endpoint turned a request away that passed at `since`: all pause, and fewer ask afterwards."""
        if asked is not None and asked > LONGEST_ASKED:
            self.shut(f"{why} It asks to wait {asked:.0f} seconds: run again then; what was answered is kept.")
        with self._turn:
            if since >= self._rebuffed:  # else it is one of those that were under way at the last rebuff
                self._rebuffs, self._well, self._open = self._rebuffs + 1, 0, max(1, self._open // 2)
                self._rebuffed = monotonic()
            if self._rebuffs < (patience or (PATIENCE if self.was_heard else IMPATIENCE)):
                pause = asked or min(LONGEST_PAUSE, self._pause * 2 ** (self._rebuffs - 1))
                jitter = 1 + random.random() / 4  # else all machines that share an endpoint come back at one moment
                self._closed_until = max(self._closed_until, monotonic() + pause * jitter)
                return
        self.shut(f"{why} So it was {self._rebuffs} times in a row; what was answered is kept, run again later.")

    def lost(self, why: str) -> None:
        """One request came to nothing for good; when that happens to many and none is answered, it is not they."""
        with self._turn:
            self._losses += 1
            if self._losses < (2 * PATIENCE if self.was_heard else IMPATIENCE):
                return
        self.shut(f"{why} So it was with {self._losses} requests and with none otherwise.")

    def shut(self, why: str) -> None:
        """Ends all asking: what waits and what comes later is told the same."""
        with self._turn:
            self._shut = self._shut or Unavailable(why)
            self._turn.notify_all()
            raise self._shut
