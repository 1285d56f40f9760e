"""Numbers of explanations where they can be computed by hand, and a sentence where there are too few images."""

import itertools

import numpy as np
import pytest

from counterfactory.classify.insertion import inserted
from counterfactory.errors import BadData
from counterfactory.metrics.attributes import correlation_difference, correlations, number_changed, shown
from counterfactory.metrics.explanations import flip_rate, insertion_gain, likeness, mean_distance, same_share
from counterfactory.metrics.realism import fid, kid, split_fid
from counterfactory.metrics.statistics import jackknife, mean_interval
from counterfactory.score.features import mean_pairwise


def test_a_flip_rate_has_wilsons_interval():
    rate = flip_rate([True] * 97 + [False] * 3)
    assert (rate.mean, rate.n) == (0.97, 100)
    assert (rate.low, rate.high) == pytest.approx((0.9155, 0.9897), abs=1e-4)
    assert flip_rate([True] * 5).high == 1


def test_faces_count_as_one_persons_above_one_half():
    share = same_share([0.9, 0.51, 0.5, -1.0])
    assert (share.mean, share.n) == (0.5, 4)
    assert likeness([0.9, 0.7]).mean == pytest.approx(0.8)
    assert likeness([1.0, 0.99]).high == 1.0


def test_a_mean_distance_is_never_below_nothing():
    assert mean_distance([0.0, 0.0, 0.3]).low == 0.0
    assert mean_distance([0.2]).low is None


def test_an_answer_that_flips_at_the_first_pixel_gains_nearly_all():
    target, source = np.ones((2, 51)), np.zeros((2, 51))
    target[:, 0], source[:, 0] = 0, 1
    assert insertion_gain(target, source).mean == pytest.approx(0.98)


def test_an_answer_that_flips_halfway_gains_nothing_and_one_that_stays_loses_all():
    line = np.linspace(0, 1, 51)[None]
    assert insertion_gain(line, 1 - line).mean == pytest.approx(0)
    assert insertion_gain(np.zeros((1, 51)), np.ones((1, 51))).mean == pytest.approx(-1)


def test_pixels_are_put_in_by_how_much_they_differ():
    source, changed = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    changed[0, 1], changed[1, 0] = 10, 200
    curve = inserted(source, changed, 4)
    assert [image.any(2).sum() for image in curve] == [0, 1, 2, 2, 2]
    assert curve[1][1, 0].tolist() == [200] * 3
    assert (curve[0] == source).all()
    assert (curve[-1] == changed).all()


def test_pairwise_spread_in_one_pass_is_that_of_all_pairs():
    features = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    pairs = [np.square(a - b).sum() for a, b in itertools.combinations(features.astype(float), 2)]
    assert mean_pairwise(features) == pytest.approx(np.mean(pairs), rel=1e-12)
    assert mean_pairwise(np.array([[0.0, 0.0], [3.0, 4.0]])) == pytest.approx(25)


def test_attributes_that_changed_are_counted_with_and_without_the_asked_one():
    before = np.array([[0, 1, 0], [1, 1, 0]])
    after = np.array([[1, 1, 1], [0, 1, 0]])
    assert number_changed(before, after).mean == 1.5
    assert number_changed(before, after, [0, 0]).mean == 0.5
    assert before.tolist() == [[0, 1, 0], [1, 1, 0]]


def test_categories_are_attributes_too():
    before, after = np.array([["car", "red"]]), np.array([["truck", "red"]])
    assert number_changed(before, after).mean == 1


def test_an_attribute_is_there_by_its_own_threshold():
    assert shown([[0.4, 0.4]], [0.3, 0.5]).tolist() == [[True, False]]


def test_correlations_are_numpys_and_gaps_are_left_out():
    marks = np.random.default_rng(1).integers(0, 2, (50, 4)).astype(float)
    assert correlations(marks, 2) == pytest.approx(np.corrcoef(marks.T)[2])
    gaps = np.vstack([marks, np.full((9, 4), np.nan)])
    assert correlations(gaps, 2) == pytest.approx(np.corrcoef(marks.T)[2])


def test_correlation_difference_of_hand_made_changes():
    # The query always changes; the second attribute goes with it, the third against it, the fourth never changes.
    change = np.array([[1, 1, -1, 0], [-1, -1, 1, 0]] * 3)
    before = (change < 0).astype(float)
    found = correlation_difference(before, before + change, np.array([1.0, 0.25, 0.0, 0.5]), 0)
    assert found.value.mean == pytest.approx(0 + 0.75 + 1.0)
    assert (found.attributes, found.constant) == (3, 1)
    assert found.value.low is not None
    assert np.isfinite(found.value.low)


def test_correlation_difference_is_never_below_nothing():
    change = np.array([[1, 1], [-1, -1], [1, 1], [-1, 1]], float)
    found = correlation_difference((change < 0).astype(float), (change > 0).astype(float), np.ones(2), 0)
    assert (found.value.low, found.value.n) == (0, 4)


def test_what_never_varies_in_the_reference_is_left_out_too():
    before = np.array([[0, 0], [1, 1], [0, 1], [1, 0]], float)
    usual = correlations(np.array([[0, 1], [1, 1], [0, 1]], float), 0)
    found = correlation_difference(before, 1 - before, usual, 0)
    assert (found.attributes, found.constant) == (1, 1)
    assert found.value.mean == pytest.approx(0)


def test_a_query_that_always_changes_alike_has_no_correlation_difference():
    with pytest.raises(BadData, match="in all 4 it did the same"):
        correlation_difference(np.zeros((4, 2)), np.ones((4, 2)), np.ones(2), 0)


def test_split_fid_does_not_reward_results_that_are_their_sources():
    real = np.random.default_rng(0).normal(size=(60, 4))
    assert fid(real, real).mean == pytest.approx(0, abs=1e-9)
    split = split_fid(real, real)
    assert (split.mean > 0.01, split.n) == (True, 60)
    assert split_fid(real, real, seed=1) != split


def test_results_that_are_their_sources_are_no_less_than_alike():
    found = kid(real := np.random.default_rng(0).normal(size=(80, 4)), real)
    assert abs(found.mean) < 0.2
    assert fid(real, real).low == 0


def test_a_shift_of_gaussians_is_found():
    real = np.random.default_rng(0).normal(size=(400, 3))
    moved = real + np.array([2, 0, 0])
    assert fid(real, moved).mean == pytest.approx(4, abs=1e-9)
    assert kid(real, moved).mean > 1


def test_leaving_out_one_by_one_gives_the_means_own_interval():
    values = np.random.default_rng(3).normal(size=9)
    ours, students = jackknife(lambda rows: values[rows].mean(), 9, 0), mean_interval(values.tolist())
    assert (ours.mean, ours.low, ours.high) == pytest.approx((students.mean, students.low, students.high))
    assert ours.n == 9


@pytest.mark.parametrize(
    ("take", "words"),
    [
        (lambda: flip_rate([]), "A flip rate needs 1 images or more, and there are 0"),
        (lambda: same_share([]), "FVA needs 1"),
        (lambda: fid(np.zeros((1, 3)), np.zeros((1, 3))), "FID needs 2 images or more, and there is 1"),
        (lambda: kid(np.zeros((3, 3)), np.zeros((3, 3))), "KID needs 4"),
        (lambda: split_fid(np.zeros((3, 3)), np.zeros((3, 3))), "sFID needs 4 images or more, and there are 3"),
        (lambda: number_changed(np.zeros((0, 2)), np.zeros((0, 2))), "MNAC needs 1"),
        (lambda: correlation_difference(np.zeros((2, 2)), np.ones((2, 2)), np.ones(2), 0), "CD needs 3"),
        (lambda: insertion_gain(np.zeros((0, 51)), np.zeros((0, 51))), "COUT needs 1"),
    ],
)
def test_too_few_images_are_counted_in_a_sentence(take, words):
    with pytest.raises(BadData, match=words):
        take()


def test_halves_share_no_source_however_many_results_each_has():
    chance = np.random.default_rng(0)
    real = chance.normal(size=(24, 3))
    rows = np.repeat(np.arange(24), 5)
    found = split_fid(real[rows], real[rows], sources=rows.tolist())
    assert found.mean == pytest.approx(split_fid(real, real).mean, rel=0.15)  # five times the same tells no more
    assert found.mean > 2 * split_fid(real[rows], real[rows]).mean
    assert found.n == kid(real[rows], real[rows], sources=rows.tolist()).n == 120
    with pytest.raises(BadData, match="sFID needs 4 images or more, and there are 3"):
        split_fid(real[:9], real[:9], sources=[0, 1, 2] * 3)


def test_a_query_that_the_reference_does_not_know_has_no_correlation_difference():
    before = np.array([[0.0, 1], [1, 0], [0, 0], [1, 1]])
    with pytest.raises(BadData, match="a reference in which the query is labelled"):
        correlation_difference(before, before[::-1], np.array([np.nan, np.nan]), 0)


def test_no_curve_is_said_to_be_no_image():
    with pytest.raises(BadData, match="COUT needs 1 image"):
        insertion_gain([], [])
