"""Krippendorff's alpha against its published examples."""

import math

import numpy as np
import pytest

from counterfactory.metrics.agreement import alpha

NOBODY = math.nan


def ratings(*rows: str) -> np.ndarray:
    return np.array([[NOBODY if value == "." else float(value) for value in row.split()] for row in rows])


# Krippendorff (2011), example C: four observers, twelve units, some ratings missing
FOUR = ratings(
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
# Krippendorff (2011), example A: two observers, ten units, yes or no
TWO = ratings("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")
# Hayes and Krippendorff's three coders of fifteen units
THREE = ratings(
    ". . . . . 3 4 1 2 1 1 3 3 . 3",
    "1 . 2 1 3 3 4 3 . . . . . . .",
    ". . 2 1 3 4 4 . 2 1 1 3 3 . 4",
)


def test_published_examples():
    assert alpha(FOUR) == pytest.approx(0.743, abs=5e-4)
    assert alpha(FOUR, "ordinal") == pytest.approx(0.815, abs=5e-4)
    assert alpha(TWO) == pytest.approx(0.095, abs=5e-4)
    assert alpha(THREE) == pytest.approx(0.691, abs=5e-4)
    assert alpha(THREE, "ordinal") == pytest.approx(0.807, abs=5e-4)


def test_full_agreement_is_one_and_its_opposite_is_below_nothing():
    assert alpha(ratings("1 2 3", "1 2 3")) == 1
    assert alpha(ratings("0 1 0 1", "1 0 1 0")) < 0


def test_of_two_values_both_levels_say_the_same():
    assert alpha(TWO) == pytest.approx(alpha(TWO, "ordinal"))


def test_order_matters_to_ordinal_ratings_alone():
    near, far = ratings("1 2 3 4", "2 2 3 4"), ratings("1 2 3 4", "4 2 3 4")
    assert alpha(near, "ordinal") > alpha(far, "ordinal")


def test_units_that_one_rater_alone_has_seen_say_nothing():
    more = np.concatenate([TWO, ratings("1 1 0", ". . .")], axis=1)
    assert alpha(more) == pytest.approx(alpha(TWO))


@pytest.mark.parametrize("rows", [("1 1 1", "1 1 1"), ("1 2 3",), ("1 . 2", ". 1 ."), (". .", ". .")])
def test_where_nothing_can_be_said_there_is_no_number(rows: tuple[str, ...]):
    assert math.isnan(alpha(ratings(*rows)))
