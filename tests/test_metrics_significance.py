"""Intervals and tests against published examples and what can be worked out by hand."""

import numpy as np
import pytest

from counterfactory.metrics import statistics
from counterfactory.metrics.significance import Bounds, holm, mcnemar, mean_change, paired_shares, wilson


def paired(both: int, only_before: int, only_after: int, neither: int) -> Bounds:
    n = both + only_before + only_after + neither
    shares = ((both + only_before) / n, (both + only_after) / n, both / n)
    return paired_shares(*(np.array([share]) for share in shares), np.array([n]))


def test_wilson_s_interval_is_the_one_of_single_shares():
    hits, n = np.array([0, 3, 10, 47]), np.array([10, 10, 10, 100])
    found = wilson(hits / n, n)
    for at in range(4):
        known = statistics.share_interval(int(hits[at]), int(n[at]))
        assert (found.mean[at], found.low[at], found.high[at]) == pytest.approx((known.mean, known.low, known.high))


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        ((1, 1, 7, 12), 0.026, 0.507),  # airway responsiveness of 21 children (Bentur 2009, in Fagerland et al. 2014)
        ((14, 5, 0, 22), -0.226, -0.011),  # 41 patients before and after (Altman et al. 2000, table 6.2)
    ],
)
def test_the_difference_of_pairs_has_newcombe_s_published_intervals(
    cells: tuple[int, int, int, int], low: float, high: float
):
    found = paired(*cells)
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), abs=5e-4)


def test_equal_shares_have_a_difference_around_nothing_and_all_have_bounds():
    found = paired(5, 3, 3, 9)
    assert found.mean[0] == 0
    assert found.low[0] == pytest.approx(-found.high[0])
    for cells in [(10, 0, 0, 0), (0, 0, 0, 10), (0, 10, 0, 0), (0, 0, 10, 0)]:
        bounds = paired(*cells)
        assert -1 <= bounds.low[0] <= bounds.mean[0] <= bounds.high[0] <= 1


def test_mcnemar_is_the_sign_test_of_what_changed():
    chances = mcnemar(np.array([7, 0, 5, 0, 1]), np.array([1, 0, 5, 10, 0]))
    assert chances == pytest.approx([2 * 9 / 256, 1, 1, 2 / 1024, 1])


def test_holm_multiplies_step_by_step_and_never_falls():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.9])).tolist() == [1, 1]
    assert holm(np.array([])).size == 0


def test_a_mean_change_has_student_s_interval():
    values = np.array([0.1, -0.2, 0.4, 0.3])
    found = mean_change(np.array([values.sum()]), np.array([(values**2).sum()]), np.array([4]))
    known = statistics.mean_interval(values.tolist())
    assert (found.mean[0], found.low[0], found.high[0]) == pytest.approx((known.mean, known.low, known.high))
    alone = mean_change(np.array([0.5, 0]), np.array([0.25, 0]), np.array([1, 0]))
    assert alone.mean[0] == 0.5
    assert np.isnan([alone.low[0], alone.mean[1], alone.low[1]]).all()
