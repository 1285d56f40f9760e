"""Plots as inline SVG: bars, lines and matrices, and the same numbers as a table for who cannot see them."""

import io
import math
import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from counterfactory.report.cells import number, says_percent
from counterfactory.report.svg import inline
from counterfactory.types import Interval, Plot, Series, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 400  # units of the drawing; small, so that its text stays readable on a phone
INK, MUTED, RULE, HEAT = "#000001", "#000002", "#000003", "#000004"
SERIES = tuple(f"#0000{index}0" for index in range(1, 7))
MARKERS = "osD^vP"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
# what the style sheet makes of the colours above, in light and in dark
COLOURS = {INK: "currentColor", MUTED: "var(--muted)", RULE: "var(--rule)", HEAT: "var(--heat)"} | {
    colour: f"var(--series-{index})" for index, colour in enumerate(SERIES, 1)
}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "counterfactory",
    "text.parse_math": False,
    "text.color": INK,
    "font.size": 12,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
}
MATRIX_CAP = 40  # classes whose names can still be read
TABLE_CAP = 2000  # cells


def svg(plot: Plot, prefix: str) -> str:
    """A plot as an `<svg>` element; `prefix` keeps its ids apart from those of the others."""
    from matplotlib import rc_context, rcdefaults, rcParams
    from matplotlib.figure import Figure

    draw, height = DRAWN[plot.kind]
    stream = io.StringIO()
    with rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the browser's fonts draw the text, and have more letters
        warnings.filterwarnings("ignore", message="constrained_layout")  # names too long to fit: drawn all the same
        rcdefaults()
        rcParams.update(STYLE)
        figure = Figure(figsize=(WIDTH / 72, height(plot) / 72), layout="constrained")
        draw(figure.add_subplot(), plot)
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return inline(stream.getvalue(), prefix, COLOURS, _drawable(plot.title), _drawable(describe(plot)))


def shown(plot: Plot) -> Plot:
    """The plot, or the part of a large matrix that a page can show: the classes most often confused."""
    names = [series.name for series in plot.series]
    if plot.kind != "matrix" or len(names) <= MATRIX_CAP or any(list(s.x) != names for s in plot.series):
        return plot
    values = np.array([series.y for series in plot.series], float)
    missed = values.sum(axis=1) - values.diagonal()
    kept = sorted(np.argsort(-missed, kind="stable")[:MATRIX_CAP])
    rows = tuple(
        Series(name=names[row], x=tuple(names[i] for i in kept), y=tuple(values[row, i] for i in kept)) for row in kept
    )
    title = f"{plot.title} (the {MATRIX_CAP} of {len(names):,} classes with the most off the diagonal)"
    return Plot(title=title, kind="matrix", series=rows, x=plot.x, y=plot.y)


def table(plot: Plot) -> Table | None:
    """The numbers of a plot; none where there are too many to read."""
    places = _places(plot)
    if len(places) * len(plot.series) > TABLE_CAP:
        return None
    if plot.kind == "matrix":
        rows = tuple((series.name, *map(_counted, series.y)) for series in plot.series)
        return Table(title=plot.title, columns=(_corner(plot), *map(str, places)), rows=rows)
    found = [dict(zip(series.x, _intervals(series), strict=False)) for series in plot.series]
    rows = tuple((place, *(values.get(place) for values in found)) for place in places)
    columns = (plot.x or "x", *(series.name for series in plot.series))
    return Table(title=plot.title, columns=columns, rows=rows, note=plot.y)


def describe(plot: Plot) -> str:
    """One or two sentences for who hears the page."""
    values = [value for series in plot.series for value in series.y if math.isfinite(value)]
    kind = {"bars": "Bar chart", "lines": "Line chart", "matrix": "Matrix"}[plot.kind]
    of = f" of {plot.y}" if plot.y else ""
    over = f" over {plot.x}" if plot.x else ""
    names = ", ".join(series.name for series in plot.series[:8]) + (", and more" if len(plot.series) > 8 else "")
    ends = f" Values from {number(min(values))} to {number(max(values))}." if values else " No values."
    return f"{kind}{of}{over}: {names}.{ends}"


def _bars(axes: "Axes", plot: Plot) -> None:
    """Bars lie, so that long names stay readable."""
    places, count = _places(plot), max(1, len(plot.series))
    thick = 0.8 / count
    for index, series in enumerate(plot.series):
        for x, value in zip(series.x, _intervals(series), strict=False):
            if math.isfinite(value.mean):
                at = places.index(x) + (index - (count - 1) / 2) * thick
                _bar(axes, at, thick * 0.88, value, SERIES[index % len(SERIES)])
                if len(places) * count <= 36:
                    _say(axes, at, value, plot)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(places)), [_wrapped(place) for place in places])
    axes.set_ylim(max(1, len(places)) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.14)
    axes.grid(axis="x")
    axes.set_xlabel(_words(plot.y))
    axes.set_ylabel(_words(plot.x))
    _legend(axes, plot, [_patch(SERIES[index % len(SERIES)]) for index in range(len(plot.series))])


def _bar(axes: "Axes", at: float, thick: float, value: Interval, colour: str) -> None:
    axes.barh(at, value.mean, thick, color=colour)
    if value.low is not None and value.high is not None:
        axes.plot([value.low, value.high], [at, at], color=INK, linewidth=1.3, solid_capstyle="butt")


def _say(axes: "Axes", at: float, value: Interval, plot: Plot) -> None:
    ends = [bound for bound in (value.mean, value.low, value.high) if bound is not None]
    words = number(float(value.mean), 1 if says_percent(plot.y, plot.title) else None)
    negative = value.mean < 0
    axes.annotate(
        words,
        (min(ends) if negative else max(ends), at),
        xytext=(-4 if negative else 4, 0),
        textcoords="offset points",
        ha="right" if negative else "left",
        va="center_baseline",
        fontsize=10,
    )


def _lines(axes: "Axes", plot: Plot) -> None:
    places = _places(plot)
    numeric = all(isinstance(place, Real) for place in places)
    handles = []
    for index, series in enumerate(plot.series):
        x = [float(place) if numeric else places.index(place) for place in series.x]
        colour, dash = SERIES[index % len(SERIES)], DASHES[index // len(SERIES) % len(DASHES)]
        marker = MARKERS[index % len(MARKERS)] if len(x) <= 30 else ""
        handles += axes.plot(x, _finite(series.y), dash, color=colour, marker=marker, markersize=5, linewidth=1.8)
        if series.low is not None and series.high is not None:
            axes.fill_between(x, _finite(series.low), _finite(series.high), color=colour, alpha=0.18, linewidth=0)
    _x_ticks(axes, places, numeric)
    axes.grid(axis="y")
    axes.set_xlabel(_words(plot.x))
    axes.set_ylabel(_words(plot.y))
    _legend(axes, plot, handles)


def _x_ticks(axes: "Axes", places: Sequence[Any], numeric: bool) -> None:
    """Few numbers are ticks themselves; many are left to matplotlib; names are spelled out."""
    if not numeric:
        axes.set_xticks(range(len(places)), [_wrapped(place, 12) for place in places])
    elif len(places) <= 6:
        axes.set_xticks([float(place) for place in places], [_words(place) for place in places])


def _matrix(axes: "Axes", plot: Plot) -> None:
    """One tint, stronger with the value; the numbers in the cells as long as they fit."""
    places, values = _places(plot), [[*_finite(series.y)] for series in plot.series]
    top = max((abs(value) for row in values for value in row if math.isfinite(value)), default=0) or 1
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            if value and math.isfinite(value):
                axes.add_patch(_patch(HEAT, (x - 0.48, y - 0.48), alpha=round(0.08 + 0.92 * abs(value) / top, 3)))
            if len(places) <= 12 and math.isfinite(value):
                size, colour = 11 if len(places) <= 8 else 9, INK if value else MUTED
                axes.text(x, y, _short(value), ha="center", va="center_baseline", fontsize=size, color=colour)
    small = 12 if len(places) <= 12 else 9 if len(places) <= 24 else 6
    axes.set_xticks(range(len(places)), [_words(place, 18) for place in places], rotation=90, fontsize=small)
    axes.set_yticks(range(len(values)), [_words(series.name, 18) for series in plot.series], fontsize=small)
    axes.set_xlim(-0.5, max(1, len(places)) - 0.5)
    axes.set_ylim(max(1, len(values)) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_aspect("equal")
    axes.set_xlabel(_words(plot.x))
    axes.set_ylabel(_words(plot.y))


def _legend(axes: "Axes", plot: Plot, handles: Sequence[Any]) -> None:
    """Above the drawing, in as many columns as the names allow."""
    names = [_words(series.name) for series in plot.series]
    if len(names) > 1:
        longest = max(len(name) for name in names)
        columns = max(1, min(len(names), 50 // (longest + 7)))
        axes.figure.legend(handles, names, loc="outside upper left", ncols=columns, fontsize=11)


def _patch(colour: str, corner: tuple[float, float] = (0, 0), alpha: float = 1) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 0.96, 0.96, facecolor=colour, edgecolor="none", alpha=alpha)


def _places(plot: Plot) -> list[Any]:
    """Every x of any series, in the order first seen."""
    return list(dict.fromkeys(x for series in plot.series for x in series.x))


def _intervals(series: Series) -> list[Interval]:
    nothing = [None] * len(series.y)
    bounds = zip(series.y, series.low or nothing, series.high or nothing, strict=False)
    return [Interval(mean=mean, low=low, high=high) for mean, low, high in bounds]


def _finite(values: Sequence[float]) -> list[float]:
    return [value if math.isfinite(value) else math.nan for value in values]


def _short(value: float) -> str:
    """Without the zero before the point, so that it fits a cell."""
    counted = _counted(value)
    return f"{counted:,}" if isinstance(counted, int) else re.sub(r"^(-?)0\.", r"\1.", f"{counted:.2f}")


def _counted(value: float) -> float:
    """A count that came as a float, as the count that it is."""
    return int(value) if math.isfinite(value) and value == int(value) else value


def _corner(plot: Plot) -> str:
    return " \\ ".join(filter(None, (plot.y, plot.x))) or "row"


def _wrapped(value: Any, width: int = 18) -> str:
    return "\n".join(textwrap.wrap(_words(value), width)[:3])


def _words(value: Any, width: int = 40) -> str:
    """A label that leaves room for the drawing."""
    words = f"{value:,}" if isinstance(value, Integral) else f"{value:g}" if isinstance(value, Real) else str(value)
    return _drawable(words if len(words) <= width else words[: width - 1] + "…")


def _drawable(words: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in words)


DRAWN: dict[str, tuple[Callable[["Axes", Plot], None], Callable[[Plot], float]]] = {
    "bars": (_bars, lambda plot: 90 + len(_places(plot)) * (14 + 15 * len(plot.series))),
    "lines": (_lines, lambda plot: 270 + 6 * len(plot.series)),
    "matrix": (_matrix, lambda _: WIDTH),
}
