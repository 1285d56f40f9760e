"""Metrics against what can be worked out by hand."""

import math

import numpy as np
import pytest

from counterfactory.metrics import classification, statistics

RIGHT = np.eye(3)[[0, 1, 2, 0]]
TARGETS = np.array([0, 1, 2, 1])


def test_accuracy_counts_the_most_probable_class():
    assert classification.accuracy(RIGHT, TARGETS) == 0.75


def test_a_distribution_stands_for_its_most_probable_class():
    soft = np.array([[0.6, 0.4, 0], [0, 0.9, 0.1], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    assert classification.accuracy(RIGHT, soft) == 0.75


def test_balanced_accuracy_weighs_classes_alike_and_leaves_absent_ones_out():
    probabilities = np.eye(3)[[0, 0, 0, 0]]
    assert classification.balanced_accuracy(probabilities, np.array([0, 0, 0, 1])) == 0.5


def test_rows_of_a_confusion_matrix_are_true_classes():
    confusion = classification.confusion_matrix(RIGHT, TARGETS)
    assert confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert classification.recalls(confusion).tolist() == [1, 0.5, 1]
    assert math.isnan(classification.recalls(np.array([[1, 0], [0, 0]]))[1])


def test_top_accuracy_takes_the_k_most_probable():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    targets = np.array([1, 0])
    assert [classification.top_accuracy(probabilities, targets, k) for k in (1, 2, 3)] == [0, 0.5, 1]


def test_likelihood_of_a_coin_is_one_bit():
    coin = np.full((4, 2), 0.5)
    assert classification.negative_log_likelihood(coin, np.array([0, 1, 1, 0])) == pytest.approx(math.log(2))
    assert classification.negative_log_likelihood(coin, coin) == pytest.approx(math.log(2))


def test_a_probability_of_zero_costs_much_but_not_infinitely():
    assert 20 < classification.negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1])) < 30


def test_calibration_error_is_confidence_minus_accuracy_bin_by_bin():
    sure = np.array([[0.95, 0.05]] * 4)
    assert classification.calibration_error(sure, np.array([0, 0, 1, 1])) == pytest.approx(0.45)
    mixed = np.array([[0.95, 0.05]] * 2 + [[0.55, 0.45]] * 2)
    assert classification.calibration_error(mixed, np.array([0, 0, 1, 1])) == pytest.approx((2 * 0.05 + 2 * 0.55) / 4)


def test_calibration_error_of_certainty_that_is_right_is_zero():
    assert classification.calibration_error(RIGHT, np.array([0, 1, 2, 0])) == 0


def test_labels_that_nobody_knows_do_not_count():
    probabilities = np.array([[0.9, 0.2], [0.1, 0.9], [0.8, 0.9]])
    targets = np.array([[1, np.nan], [1, np.nan], [np.nan, np.nan]])
    found = classification.label_accuracy(probabilities, targets)
    assert found[0] == 0.5
    assert math.isnan(found[1])
    assert classification.measure_labels(probabilities, targets)["accuracy"] == 0.5


def test_average_precision_is_the_mean_precision_at_positives():
    scores, targets = np.array([[0.9], [0.8], [0.7], [0.6]]), np.array([[1.0], [0.0], [1.0], [0.0]])
    assert classification.average_precision(scores, targets)[0] == pytest.approx((1 + 2 / 3) / 2)


def test_equal_scores_are_counted_together():
    scores, targets = np.full((4, 1), 0.5), np.array([[1.0], [0.0], [1.0], [0.0]])
    assert classification.average_precision(scores, targets)[0] == pytest.approx(0.5)
    assert classification.area_under_curve(scores, targets)[0] == pytest.approx(0.5)


def test_area_under_curve_is_the_chance_of_the_right_order():
    scores, targets = np.array([[0.9], [0.8], [0.7], [0.6]]), np.array([[1.0], [0.0], [1.0], [0.0]])
    assert classification.area_under_curve(scores, targets)[0] == pytest.approx(0.75)
    assert math.isnan(classification.area_under_curve(scores, np.ones((4, 1)))[0])


def test_each_class_against_the_rest_counts_ties_half_and_leaves_absent_ones_out():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.4, 0.5, 0.1], [0.4, 0.5, 0.1], [0.2, 0.7, 0.1]])
    found = classification.one_against_rest(probabilities, np.array([0, 0, 1, 1]))
    assert found[:2] == pytest.approx([(1 + 1 + 0.5 + 1) / 4] * 2)
    assert math.isnan(found[2])  # no image of the third class
    assert classification.measure(probabilities, np.array([0, 0, 1, 1]))["auc"] == pytest.approx(0.875)
    assert classification.one_against_rest(RIGHT, np.array([0, 1, 2, 0])).tolist() == [1, 1, 1]


def test_everything_that_one_label_an_image_allows_is_measured():
    numbers = classification.measure(np.full((6, 6), 1 / 6), np.arange(6))
    assert set(numbers) == {"accuracy", "balanced_accuracy", "auc", "nll", "calibration_error", "top_5"}
    assert numbers["top_5"] == pytest.approx(5 / 6)
    assert "top_5" not in classification.measure(RIGHT, TARGETS)


def test_an_interval_over_repetitions_is_students():
    interval = statistics.mean_interval([1, 2, 3])
    assert (interval.mean, interval.n) == (2, 3)
    assert interval.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-5)
    assert interval.low == pytest.approx(4 - (interval.high or 0))


def test_one_repetition_has_no_bounds():
    interval = statistics.mean_interval([0.7])
    assert (interval.mean, interval.low, interval.high, interval.n) == (0.7, None, None, 1)


def test_equal_gains_say_nothing_of_chance_however_arithmetic_rounds_them():
    assert statistics.paired_chance([200 / 3, 100, 100 / 3], [100 / 3, 200 / 3, 0]) is None
    chance = statistics.paired_chance([1.0, 2.0, 4.0], [0.0, 0.0, 0.0])
    assert chance is not None and 0.05 < chance < 0.2  # noqa: PT018


def test_a_paired_difference_leaves_out_what_the_seeds_share():
    interval = statistics.paired_difference([0.6, 0.8, 0.7], [0.5, 0.7, 0.6])
    assert interval.mean == pytest.approx(0.1)
    assert (interval.high or 0) - (interval.low or 0) < 1e-9


def test_pairs_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="zip"):
        statistics.paired_difference([1, 2], [1])


def test_wilsons_interval_stays_within_bounds():
    none, some = statistics.share_interval(0, 10), statistics.share_interval(5, 10)
    assert none.low == 0
    assert none.high == pytest.approx(0.27753, abs=1e-4)
    assert (some.low, some.high) == (pytest.approx(0.23659, abs=1e-4), pytest.approx(0.76341, abs=1e-4))
