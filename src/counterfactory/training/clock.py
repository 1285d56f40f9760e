"""Tells how long a training has worked; a process that was suspended did not work meanwhile."""

import math
import time
from collections.abc import Callable

LONGEST = 10.0  # times the shortest lap: what takes longer was not work


class Clock:
    """Counts laps of equal work, from the seconds that earlier sittings took.

    On a processor it counts the training thread's own time: beside busy neighbours a budget buys as much as alone.
    """

    def __init__(self, seconds: float, device: str, now: Callable[[], float] | None = None) -> None:
        self.seconds = seconds
        self._now = now or (time.thread_time if device == "cpu" else time.monotonic)
        self._before = self._now()
        self._shortest = math.inf

    def lap(self) -> float:
        """The seconds of work so far, one more lap being done."""
        now = self._now()
        lasted = now - self._before
        self._before, self._shortest = now, min(lasted, self._shortest)
        self.seconds += min(lasted, LONGEST * self._shortest)
        return self.seconds
