"""Overlaps of pixels against what can be worked out by hand."""

import numpy as np
import pytest

from counterfactory.metrics import segmentation
from counterfactory.metrics.segmentation import confusion, counts, overlaps

TRUE = np.array([[0, 0, 1, 1], [0, 0, 1, 255]])
FOUND = np.array([[0, 1, 1, 1], [0, 0, 7, 0]])


def counted(*confusions: list[list[int]]) -> np.ndarray:
    return counts(np.array(confusions))


def test_rows_are_true_classes_and_the_last_column_is_anything_else():
    assert confusion(TRUE, FOUND, 2).tolist() == [[3, 1, 0], [0, 2, 1]]
    assert confusion(TRUE.clip(0, 2), FOUND, 2, ignored=2).tolist() == confusion(TRUE, FOUND, 2).tolist()
    with pytest.raises(ValueError, match="from 0 to 3 and there are 2"):
        confusion(np.array([0, 3]), np.array([0, 1]), 2)
    assert confusion(np.full((2, 2), 255), np.zeros((2, 2), int), 2).sum() == 0


def test_overlap_is_intersection_over_union_pooled_over_images():
    both = np.stack([confusion(TRUE, FOUND, 2), confusion(TRUE, TRUE, 2)])
    assert counts(both).tolist()[0] == [[3, 2], [4, 3], [3, 3]]
    assert overlaps(counts(both)[:1]) == pytest.approx([3 / 4, 2 / 4])
    assert overlaps(counts(both)) == pytest.approx([7 / 8, 5 / 7])  # found as 255, the void pixel counts nowhere
    assert segmentation.mean_overlap(counts(both)) == pytest.approx((7 / 8 + 5 / 7) / 2)
    assert segmentation.image_overlaps(counts(both)) == pytest.approx([5 / 8, 1])


def test_a_class_that_never_occurs_has_no_overlap():
    pixels = counted([[4, 0, 0, 0], [0, 0, 0, 0], [1, 0, 3, 0]])
    assert np.isnan(overlaps(pixels)[1])
    assert segmentation.mean_overlap(pixels) == pytest.approx((4 / 5 + 3 / 4) / 2)


def test_images_that_are_all_alike_leave_no_doubt():
    alike = counted(*[[[3, 1, 0], [0, 4, 0]]] * 10)
    found = segmentation.overlap_interval(alike, seed=0)
    assert (found.mean, found.low, found.high, found.n) == pytest.approx((0.775, 0.775, 0.775, 10))
    assert segmentation.overlap_interval(alike[:1], seed=0).low is None


def test_the_bootstrap_comes_near_to_what_is_known():
    generator = np.random.default_rng(1)
    right = generator.integers(40, 101, 400)  # of 100 pixels of the only class, the rest found as something else
    images = counted(*[[[int(number), 100 - int(number)]] for number in right])
    found = segmentation.overlap_interval(images, seed=3)
    half = 1.96 * right.std(ddof=1) / 100 / np.sqrt(400)
    assert found.low == pytest.approx(found.mean - half, abs=0.15 * half)
    assert found.high == pytest.approx(found.mean + half, abs=0.15 * half)
    assert found == segmentation.overlap_interval(images, seed=3)
    assert found != segmentation.overlap_interval(images, seed=4)


def test_changes_are_drawn_pair_by_pair():
    generator = np.random.default_rng(2)
    before = generator.integers(50, 101, 60)
    first = counted(*[[[int(number), 0, 100 - int(number)], [0, 5, 0]] for number in before])
    second = counted(*[[[int(number) - 10, 0, 110 - int(number)], [0, 5, 0]] for number in before])
    change = segmentation.overlap_change(first, second, seed=0)
    assert change.mean == pytest.approx(-0.05)  # ten points of one class of two
    assert (change.low, change.high) == pytest.approx((-0.05, -0.05))  # whatever is drawn
    each = segmentation.overlap_changes(first, second, seed=0)
    assert [change.mean for change in each if change] == pytest.approx([-0.1, 0])
    absent = counted([[4, 0, 0], [0, 0, 0]])
    assert segmentation.overlap_changes(absent, absent, seed=0)[1] is None
