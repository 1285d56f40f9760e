"""What the making of pictures and tokens took, by method: seconds that a run remembers over all its sittings."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from counterfactory.errors import writing
from counterfactory.run import Run

FILE = "spent.json"


@contextmanager
def spending(run: Run, what: str) -> Iterator[None]:
    """Adds what a block takes; nothing where all that it asks for was known."""
    made, began = run.made, time.monotonic()
    try:
        yield
    finally:
        if run.made > made:
            _write(run, {**spent(run), what: round(spent(run).get(what, 0.0) + time.monotonic() - began, 1)})


def spent(run: Run) -> Mapping[str, float]:
    """Seconds by what was made. What another run had made already cost nothing here."""
    path = run.folder / FILE
    known: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return known


def _write(run: Run, seconds: Mapping[str, float]) -> None:
    path = run.folder / FILE
    part = path.with_suffix(".part")
    with writing(run.folder):
        part.write_text(json.dumps(seconds) + "\n", encoding="utf-8")
        os.replace(part, path)
