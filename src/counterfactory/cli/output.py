"""How commands speak: words for people, and one JSON object as the last line where it was asked for."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterfactory.types import Report, Table


ROWS = 20  # of a table that are worth a terminal


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
    print(json.dumps(_finite(answer), default=str, allow_nan=False), flush=True)


def _finite(value: Any) -> Any:
    """The same, with null for numbers that JSON has no word for: what could not be measured."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def columns(rows: Sequence[Sequence[object]], heads: Sequence[str]) -> list[str]:
    """A table in plain text, aligned; readable in a pipe and by a screen reader."""
    cells = [list(heads), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def as_rows(table: Table) -> list[dict[str, Any]]:
    """A table for a program."""
    return [as_plain(dict(zip(table.columns, row, strict=True))) for row in table.rows]


def as_plain(named: Mapping[str, Any]) -> dict[str, Any]:
    """Values for a program: intervals as mean, low, high and n."""
    from dataclasses import asdict

    from counterfactory.types import Interval

    return {name: asdict(value) if isinstance(value, Interval) else value for name, value in named.items()}


def first_table(report: Report) -> list[str]:
    """The table that answers the question, in plain text."""
    if not report.tables:
        return []
    table = report.tables[0]
    rows = [[_cell(cell) for cell in row] for row in table.rows[:ROWS]]
    more = [f"... and {len(table.rows) - ROWS} more rows on the page."] if len(table.rows) > ROWS else []
    return [*columns(rows, table.columns), *more, "", *([table.note, ""] if table.note else [])]


def _cell(cell: Any) -> str:
    from counterfactory.types import Interval

    if isinstance(cell, Interval):
        digits = _digits(cell.mean)
        if cell.low is None or cell.high is None:
            return f"{cell.mean:.{digits}f}"
        return f"{cell.mean:.{digits}f} [{cell.low:.{digits}f}, {cell.high:.{digits}f}]"
    if isinstance(cell, float):
        return f"{cell:.{_digits(cell)}f}"
    return "" if cell is None else str(cell)


def _digits(value: float) -> int:
    """Decimals of which something is left of a small number."""
    return 1 if value == 0 or abs(value) >= 1 else 3
