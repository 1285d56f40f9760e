"""What a recipe found, as a person is shown it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from counterfactory.types.samples import Address, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under column names; a cell is text, a number or an `Interval`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean of `n` repetitions, images or the like and its 95 % interval; no bounds where one alone says nothing."""

    mean: float
    low: float | None = None
    high: float | None = None
    n: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line or one group of bars: y over x, with bounds where they are known."""

    name: str
    x: tuple[Any, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Series to be drawn as bars, lines or a matrix (one series a row)."""

    title: str
    kind: Literal["bars", "lines", "matrix"]
    series: tuple[Series, ...]
    x: str = ""
    y: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image to be shown, beside its source where it has one, with its class, scores and lineage."""

    sample: Sample
    label: str
    note: str = ""  # one line beside its label
    source: Address | None = None
    difference: Address | None = None  # where it is not as its source: then the two are shown over each other too
    steps: tuple[Address, ...] = ()  # how it came about
    scores: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Pictures under one title."""

    title: str
    pictures: tuple[Picture, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a recipe found: words, numbers, tables, plots and pictures."""

    title: str
    summary: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    galleries: tuple[Gallery, ...] = ()
