"""How commands speak: words for people, and one JSON object as the last line where it was asked for."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def say(text: str) -> None:
    """A line for a person; names of files that are not Unicode are shown with escapes."""
    print(text.encode("utf-8", "backslashreplace").decode(), flush=True)


def note(text: str) -> None:
    """A line about what is going on, apart from the result."""
    print(text.encode("utf-8", "backslashreplace").decode(), file=sys.stderr, flush=True)


def finish(answer: Mapping[str, Any], as_json: bool, words: Iterable[str] = ()) -> None:
    """The result of a command: words, or with `--json` one object on one line."""
    if not as_json:
        for line in words:
            say(line)
        return
    print(json.dumps(answer, default=str, allow_nan=False), flush=True)


def columns(rows: Sequence[Sequence[object]], heads: Sequence[str]) -> list[str]:
    """A table in plain text, aligned; readable in a pipe and by a screen reader."""
    cells = [list(heads), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
