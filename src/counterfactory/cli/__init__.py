"""The command line: parses and calls. Starts without torch, and says what a person can mend in one sentence."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from counterfactory.cli.app import app
from counterfactory.errors import CounterfactoryError

__all__ = ["app", "main"]

INTERRUPTED = 130  # as a shell says of a program that Ctrl-C ended


def main() -> None:
    """The command `counterfactory`."""
    # Before torch starts its threads: where a machine is busy, threads that spin while they wait cost two thirds of it.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        with _interrupts():
            app(prog_name="counterfactory")
    except CounterfactoryError as error:
        print(f"counterfactory: {error}", file=sys.stderr)
        if "--json" in sys.argv:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}))
        sys.exit(2)


@contextmanager
def _interrupts() -> Iterator[None]:
    """Ctrl-C ends the block in order, with one sentence; a second one ends the program as it stands."""
    before = signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print("\nStopped. The same command goes on where it was.", file=sys.stderr)
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(INTERRUPTED)
