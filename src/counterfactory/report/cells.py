"""How a value reads in a table: its digits, its bounds and whether it is the best of its column. Knows no HTML.

One rule for numbers. A value is shown in the unit that it comes in; nothing is multiplied by 100.
Whole numbers stay whole. Where a column says % (or the title or the note does, for intervals; "95 %" does not count),
measured numbers have one decimal; where a whole column lies within -1..1 they have three; where all of it is larger,
those of the largest; else each has three significant digits and at least one decimal.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterfactory.types import Address, Interval, Table

MISSING = "–"
PERCENT = re.compile(r"(?<!\d)(?<!\d\s)%|\bpoints\b")
MORE_IS_BETTER = re.compile(r"↑|\b(accuracy|precision|recall|f1|auc|agreement|gain|cas)\b", re.IGNORECASE)
LESS_IS_BETTER = re.compile(r"↓|\b(loss|error|calibration error|ece|fid|kid|brier|lpips|drop|gap)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value as it is read, and what sorting goes by: `order` is None where there is no number."""

    text: str
    order: float | None = None
    title: str = ""
    best: bool = False


def rows(table: Table) -> list[list[Cell]]:
    """The cells of a table, row by row; its columns decide the digits and the best."""
    columns = [_column(table, index) for index in range(len(table.columns))]
    return [[column[index] for column in columns] for index in range(len(table.rows))]


def cell(value: Any, decimals: int | None = None) -> Cell:
    """One value on its own."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, Interval):
        return _interval(value, decimals)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(text=text(value))
    if not math.isfinite(value):
        return Cell(text=number(value), title="not a number" if math.isnan(value) else "infinite")
    return Cell(text=number(value, decimals), order=float(value))


def text(value: Any) -> str:
    """Any plain value in words."""
    value = value.item() if isinstance(value, np.generic) else value
    match value:
        case None:
            return MISSING
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case int() | float() | Interval():
            return cell(value).text
        case Address():
            return value.digest
        case Mapping():
            return ", ".join(f"{name}: {text(item)}" for name, item in value.items()) or MISSING
        case Sequence() | set() | frozenset() if not isinstance(value, bytes):
            return ", ".join(text(item) for item in value) or MISSING
    return str(value)


def number(value: float, decimals: int | None = None) -> str:
    """Digits that a person can take in; whole numbers stay whole, what rounds to nothing is said to be small."""
    if isinstance(value, int):
        return _minus(f"{value:,}")
    if not math.isfinite(value):
        return MISSING if math.isnan(value) else "∞" if value > 0 else "−∞"
    if decimals is None and value == 0:
        return "0"
    if decimals is None and abs(value) < 0.01:
        return _minus(re.sub(r"e([+-])0*", r"e\1", f"{value:.3g}"))
    decimals = significant_decimals(value) if decimals is None else decimals
    if value and round(value, decimals) == 0:
        return f"<{10**-decimals:.{decimals}f}" if value > 0 else f">−{10**-decimals:.{decimals}f}"
    return _minus(f"{value:,.{decimals}f}")


def significant_decimals(value: float) -> int:
    """Decimals that leave three significant digits, at least one and at most three."""
    return 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3


def says_percent(*words: str) -> bool:
    """Whether a name says that its numbers are percentages; the level of an interval does not count."""
    return any(PERCENT.search(word) for word in words)


def duration(seconds: float) -> str:
    """Seconds in the two units that matter."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _column(table: Table, index: int) -> list[Cell]:
    name = table.columns[index]
    values = [row[index] if index < len(row) else None for row in table.rows]
    intervals = all(isinstance(value, Interval) for value in values if value is not None)
    speaking = (name, table.title, table.note) if intervals else (name,)
    decimals = _decimals(values, says_percent(*speaking))
    direction = 0 if table.columns[0] == "class" else _direction(speaking)  # nobody chooses among classes
    return _mark_best([cell(value, decimals) for value in values], direction)


def _decimals(values: Sequence[Any], percent: bool) -> int | None:
    """The decimals that a whole column shares, where it shares any."""
    sizes = [abs(mean) for mean in map(_measured, values) if mean is not None and math.isfinite(mean)]
    if not sizes:
        return None
    if percent:
        return 1
    if max(sizes) <= 1:
        return 3 if max(sizes) >= 0.01 else None
    return significant_decimals(max(sizes)) if min(sizes) >= 1 else None


def _measured(value: Any) -> float | None:
    """The number in a value that was measured and not counted."""
    value = value.mean if isinstance(value, Interval) else value
    return float(value) if isinstance(value, float | np.floating) else None


def _direction(speaking: Iterable[str]) -> int:
    """1 where more is better, -1 where less is, 0 where nobody says; the first that speaks is right."""
    for words in speaking:
        less, more = LESS_IS_BETTER.search(words), MORE_IS_BETTER.search(words)
        if less or more:
            return -1 if less else 1
    return 0


def _mark_best(cells: list[Cell], direction: int) -> list[Cell]:
    orders = [each.order for each in cells if each.order is not None]
    if not direction or len(orders) < 2 or min(orders) == max(orders):
        return cells
    best = max(orders) if direction > 0 else min(orders)
    return [replace(each, best=each.order == best) for each in cells]


def _interval(value: Interval, decimals: int | None) -> Cell:
    """Mean and half width; both bounds where they do not lie evenly about the mean."""
    if not math.isfinite(value.mean):
        return cell(float(value.mean))
    order = float(value.mean)
    decimals = significant_decimals(order) if decimals is None else decimals
    mean = number(order, decimals)
    many = f" (n = {value.n:,})" if value.n > 1 else ""
    if value.low is None or value.high is None or not math.isfinite(value.high - value.low):
        return Cell(text=mean, order=order, title=f"no interval{many}")
    low, high = (number(float(bound), decimals) for bound in (value.low, value.high))
    half, skew = (value.high - value.low) / 2, abs(value.high + value.low - 2 * value.mean)
    even = skew <= 10**-decimals
    shown = f"{mean} ± {half:,.{decimals}f}" if even else f"{mean} [{low}, {high}]"
    return Cell(text=shown, order=order, title=f"95 % interval from {low} to {high}{many}")


def _minus(digits: str) -> str:
    """A minus sign as wide as a plus."""
    return digits.replace("-", "−", 1) if digits.startswith("-") else digits
