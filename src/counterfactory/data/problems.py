"""What is wrong with data, in words: file names as printable text, long lists cut short."""

from collections.abc import Iterable
from pathlib import Path

from counterfactory.types import Problem

SHOWN = 5


def problem(names: Iterable[str], what: str) -> tuple[Problem, ...]:
    """One problem that all these names share; none where there is no name."""
    where = listed(names)
    return (Problem(where=where, what=what),) if where else ()


def listed(names: Iterable[str]) -> str:
    """The first few names and how many there are besides."""
    every = [printable(name) for name in names]
    rest = len(every) - SHOWN
    return ", ".join(every[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def printable(text: str) -> str:
    """Text that any output can hold: bytes of a file name that are not UTF-8 are shown by their codes."""
    return text.encode("utf-8", "backslashreplace").decode()


def below(path: Path, root: Path) -> str:
    """A path as seen from the data's own folder."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
