"""Intervals and tests against published examples and what can be worked out by hand."""

import numpy as np
import pytest

from counterfactory.metrics import significance, statistics
from counterfactory.metrics.significance import Bounds, holm, mean_change, no_change, paired_shares, wilson


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


def pairs_that_changed(worse: int, better: int) -> float:
    """With others that stayed as they were."""
    before = np.array([0] * worse + [1] * better + [0, 0, 1])
    after = np.array([1] * worse + [0] * better + [0, 0, 1])
    return no_change(before, after, np.ones_like(before))


def test_of_pairs_it_is_mcnemar_s_exact_test():
    chances = [pairs_that_changed(*one) for one in [(7, 1), (0, 0), (5, 5), (0, 10), (1, 0)]]
    assert chances == pytest.approx([2 * 9 / 256, 1, 1, 2 / 1024, 1])
    assert no_change(*np.zeros((3, 0), np.int64)) == 1


def test_several_counterfactuals_that_agree_are_one():
    before, after = np.array([0] * 7 + [1] * 3), np.array([1] * 7 + [0] * 3)
    assert no_change(before, 5 * after, np.full(10, 5)) == pytest.approx(pairs_that_changed(7, 3))


@pytest.mark.parametrize(("sources", "drawn"), [(40, 5), (100, 2), (30, 3)])
def test_edits_that_change_nothing_are_rarely_found(sources: int, drawn: int):
    chance, found = np.random.default_rng(0), []
    for _ in range(300):
        before, after = chance.random(sources) < 0.1, (chance.random((sources, drawn)) < 0.1).sum(1)
        found.append(no_change(before.astype(int), after, np.full(sources, drawn)))
    assert np.mean(np.array(found) < 0.05) < 0.08


def test_sources_with_different_numbers_of_counterfactuals_are_tested_together():
    before, parts = np.zeros(30, np.int64), np.array([1, 2, 3] * 10)
    assert no_change(before, parts, parts) == pytest.approx(2 / 2**30)
    assert no_change(before, before, parts) == 1


def test_very_many_sums_are_taken_as_normal(monkeypatch: pytest.MonkeyPatch):
    chance = np.random.default_rng(1)
    before, after = (chance.random(400) < 0.2).astype(int), (chance.random((400, 3)) < 0.24).sum(1)
    exact = no_change(before, after, np.full(400, 3))
    monkeypatch.setattr(significance, "LONGEST", 1)
    assert no_change(before, after, np.full(400, 3)) == pytest.approx(exact, rel=0.1)


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
