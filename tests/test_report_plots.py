"""Plots as inline SVG: safe to put into a page that allows no style, the same each time, never in the way."""

import math
import re
from xml.etree import ElementTree

import pytest

from counterfactory.report import plots
from counterfactory.types import Interval, Plot, Series


def plot(kind, *series, title="A title", x="x", y="y"):
    return Plot(title=title, kind=kind, series=tuple(series), x=x, y=y)


def bars():
    bounds = {"low": (40.0, 30.0), "high": (50.0, 41.0)}
    return plot("bars", *(Series(name=name, x=("usual", "unusual"), y=(45.5, 35.0), **bounds) for name in "ab"))


def lines():
    return plot("lines", Series(name="a", x=(1, 2, 4), y=(0.1, 0.3, 0.4), low=(0.0, 0.2, 0.3), high=(0.2, 0.4, 0.5)))


def matrix(size=3):
    names = tuple(f"class {i}" for i in range(size))
    rows = (Series(name=name, x=names, y=tuple(float(i * j) for j in range(size))) for i, name in enumerate(names))
    return plot("matrix", *rows)


def parsed(drawing):
    return ElementTree.fromstring(drawing)  # noqa: S314 - drawn a moment ago


def words(drawing):
    return [element.text for element in parsed(drawing).iter("text")]


@pytest.mark.parametrize("make", [bars, lines, matrix])
def test_a_drawing_needs_no_style_no_names_from_elsewhere_and_no_date(make):
    drawing = plots.svg(make(), "p1-")
    assert not re.search(r"style|xmlns|http|metadata|#00000\d|\d{4}-\d\d-\d\d", drawing)


@pytest.mark.parametrize("make", [bars, lines, matrix])
def test_the_same_plot_gives_the_same_bytes(make):
    assert plots.svg(make(), "p1-") == plots.svg(make(), "p1-")


@pytest.mark.parametrize("make", [bars, lines, matrix])
def test_every_reference_in_a_drawing_is_to_an_id_of_its_own(make):
    drawing = plots.svg(make(), "p7-")
    ids = re.findall(r' id="([^"]*)"', drawing)
    assert len(ids) == len(set(ids))
    assert all(name.startswith("p7-") for name in ids)
    referred = (
        re.findall(r'(?:href="#|url\(#)([^")]*)', drawing) + drawing.split('aria-labelledby="')[1].split('"')[0].split()
    )
    assert set(referred) <= set(ids)


def test_a_drawing_tells_its_title_and_what_it_shows():
    root = parsed(plots.svg(bars(), ""))
    assert root.find("title").text == "A title"
    assert root.find("desc").text == "Bar chart of y over x: a, b. Values from 35.0 to 45.5."


def test_text_stays_text_and_bars_say_their_numbers():
    assert {"usual", "unusual", "45.5", "35.0", "a", "b"} <= set(words(plots.svg(bars(), "")))


def test_cells_of_a_matrix_say_their_numbers():
    found = words(plots.svg(matrix(), ""))
    assert found.count("4") == 1
    assert found.count("0") == 5


def test_names_with_marks_of_other_languages_and_with_signs_are_drawn_as_they_are():
    name = '$x^2$ <b>&"猫\x00\ud800'
    drawing = plots.svg(plot("bars", Series(name=name, x=(name,), y=(1.0,))), "")
    assert '$x^2$ <b>&"猫' in words(drawing)


@pytest.mark.parametrize("kind", ["bars", "lines", "matrix"])
@pytest.mark.parametrize(
    "series",
    [(), (Series(name="a", x=(), y=()),), (Series(name="a", x=(1, "two"), y=(math.nan, math.inf)),)],
    ids=["no series", "no values", "no numbers"],
)
def test_plots_of_nothing_are_drawn(kind, series):
    assert plots.svg(plot(kind, *series), "").startswith("<svg")


@pytest.mark.parametrize("kind", ["bars", "lines", "matrix"])
def test_long_names_are_cut_and_leave_the_drawing_its_room(kind):
    name = "a very long name of a class " * 9
    drawing = plots.svg(plot(kind, Series(name=name, x=(name,), y=(1.0,)), title=name, x=name, y=name), "")
    assert all(len(said or "") <= 40 for said in words(drawing))
    assert parsed(drawing).find("title").text == name


def test_series_over_different_places_share_one_axis():
    both = plot("bars", Series(name="a", x=("p",), y=(1.0,)), Series(name="b", x=("q",), y=(2.0,)))
    assert {"p", "q"} <= set(words(plots.svg(both, "")))
    one = Interval(mean=1.0)
    assert plots.table(both).rows == (("p", one, None), ("q", None, Interval(mean=2.0)))


def test_the_numbers_of_a_matrix_are_counts_where_they_are_whole():
    assert plots.table(matrix()).rows[2] == ("class 2", 0, 2, 4)


def test_too_many_numbers_make_no_table():
    assert plots.table(plot("lines", Series(name="a", x=tuple(range(2001)), y=(0.0,) * 2001))) is None


def test_a_large_matrix_keeps_the_classes_most_often_confused():
    shown = plots.shown(matrix(100))
    assert len(shown.series) == plots.MATRIX_CAP
    assert shown.series[-1].name == "class 99"
    assert shown.series[0].name == "class 60"
    assert shown.series[0].x == tuple(series.name for series in shown.series)
    assert "40 of 100 classes" in shown.title


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    from matplotlib import rcParams

    before = dict(rcParams)
    plots.svg(lines(), "")
    assert dict(rcParams) == before
