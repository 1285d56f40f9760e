"""Values in tables: digits, bounds, and the best of a column."""

import math

import numpy as np
import pytest

from counterfactory.report.cells import Cell, cell, duration, number, rows, text
from counterfactory.types import Address, Interval, Table


def column(name, *values, title="", note=""):
    table = Table(title=title, columns=("method", name), rows=tuple(("m", value) for value in values), note=note)
    return [row[1] for row in rows(table)]


def test_an_interval_is_a_mean_and_half_its_width_with_the_bounds_beside():
    shown = cell(Interval(mean=55.24, low=52.13, high=58.31, n=5))
    assert shown.text == "55.2 ± 3.1"
    assert shown.title == "95 % interval from 52.1 to 58.3 (n = 5)"
    assert shown.order == pytest.approx(55.24)


def test_an_uneven_interval_shows_both_bounds():
    assert cell(Interval(mean=0.98, low=0.90, high=0.99, n=5)).text == "0.980 [0.900, 0.990]"


def test_what_has_no_interval_says_so():
    assert cell(Interval(mean=55.2)) == Cell(text="55.2", order=55.2, title="no interval")
    assert cell(Interval(mean=55.2, n=3)).title == "no interval (n = 3)"


def test_bounds_that_are_no_numbers_are_no_interval():
    assert cell(Interval(mean=1.5, low=math.nan, high=2.0, n=2)).text == "1.50"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (50_000, "50,000"),
        (-3, "−3"),
        (0.0, "0"),
        (1234.56, "1,234.6"),
        (55.25001, "55.3"),
        (-1.234, "−1.23"),
        (0.5521, "0.552"),
        (0.00012, "0.00012"),
        (1e-5, "1e-5"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_numbers_have_three_significant_digits(value, words):
    assert number(value) == words


def test_what_rounds_to_nothing_is_said_to_be_small():
    assert [each.text for each in column("p", 0.0001, 0.04, -0.0002, 0.0)] == ["<0.001", "0.040", ">−0.001", "0.000"]


def test_a_column_of_percentages_has_one_decimal_and_is_not_multiplied():
    assert [each.text for each in column("gain (%)", 9.7, 0.3, 100)] == ["9.7", "0.3", "100"]
    assert [each.text for each in column("usual", Interval(mean=9.71), note="in %")] == ["9.7"]


def test_the_level_of_an_interval_is_no_percentage():
    assert [each.text for each in column("usual", Interval(mean=0.5), note="mean ± 95 % interval")] == ["0.500"]


def test_a_column_of_fractions_has_three_decimals_and_one_of_larger_numbers_shares_its_own():
    assert [each.text for each in column("share", 1.0, 0.5)] == ["1.000", "0.500"]
    assert [each.text for each in column("seconds", 3.304, 15.81)] == ["3.3", "15.8"]


def test_a_column_of_unlike_numbers_keeps_the_digits_of_each():
    assert [each.text for each in column("value", 5000, 0.552, 23.41)] == ["5,000", "0.552", "23.4"]


def test_the_best_is_the_highest_accuracy_and_the_lowest_error():
    assert [each.best for each in column("accuracy", 1.0, 3.0, 2.0)] == [False, True, False]
    assert [each.best for each in column("calibration error", 0.1, 0.3)] == [True, False]


def test_equal_bests_are_all_best_unless_all_are_equal():
    assert [each.best for each in column("accuracy", 3.0, 3.0, 2.0)] == [True, True, False]
    assert not any(each.best for each in column("accuracy", 3.0, 3.0))


def test_no_class_is_better_than_another():
    for first, marks in (("class", [False, False]), ("method", [True, False])):
        table = Table(title="T", columns=(first, "accuracy"), rows=(("cat", 90.0), ("dog", 70.0)))
        assert [row[1].best for row in rows(table)] == marks


def test_where_nobody_says_what_is_better_nothing_is_best():
    assert not any(each.best for each in column("shots", 4, 8, title="Accuracy"))


def test_a_title_speaks_for_columns_of_intervals():
    values = (Interval(mean=1.0), Interval(mean=2.0))
    assert [each.best for each in column("unusual", *values, title="Accuracy")] == [False, True]
    assert [each.best for each in column("drop", *values, title="Accuracy")] == [True, False]


def test_missing_values_and_short_rows_are_dashes_without_an_order():
    found = rows(Table(title="", columns=("a", "b"), rows=((None,),)))
    assert found == [[Cell(text="–"), Cell(text="–")]]
    assert cell(math.nan).order is None


def test_any_plain_value_has_words():
    assert text(True) == "yes"
    assert text(np.float32(0.5)) == "0.500"
    assert text({"a": (1, 2), "b": None}) == "a: 1, 2, b: –"
    assert text([]) == "–"
    assert text(Address("ab12")) == "ab12"


@pytest.mark.parametrize(("seconds", "words"), [(58.31, "58.3 s"), (61, "1 min 1 s"), (7322, "2 h 2 min")])
def test_durations_have_two_units(seconds, words):
    assert duration(seconds) == words


def test_a_column_of_points_has_one_number_of_decimals():
    shown = column("difference, points", *(Interval(mean=m, low=m - 9, high=m + 9, n=5) for m in (0.0, -10.0, 13.33)))
    assert [each.text for each in shown] == ["0.0 ± 9.0", "−10.0 ± 9.0", "13.3 ± 9.0"]
