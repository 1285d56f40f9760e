"""The current folder as a place that modules are imported from, as `python` itself has it and a command has not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path


@contextmanager
def here_first() -> Iterator[None]:
    """Inside, modules of the current folder are found, before any others of their name."""
    here = str(Path.cwd())
    invalidate_caches()  # a file that has just been written is found too
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
