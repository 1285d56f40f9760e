"""Weights of made pictures and labels of mixed ones: what can be worked out by hand."""

import numpy as np
import pytest

from counterfactory.classify.targets import targets_of
from counterfactory.metrics.weighting import chances, mixed_label, weights
from counterfactory.types import Address, Dataset, Sample


def test_a_picture_that_is_likelier_of_its_class_than_not_has_full_weight():
    assert weights(np.array([0.0, 0.1, 0.25, 0.499, 0.5, 0.7, 1.0])).tolist() == pytest.approx(
        [0, 0.2, 0.5, 0.998, 1, 1, 1]
    )


def test_pictures_share_what_their_source_gives_by_their_weights():
    found = chances(np.array([1.0, 0.2, 0.5, 0.2, 0.5]), ["a", "b", "a", "b", "a"])
    assert found.values.tolist() == pytest.approx([0.5, 0.5, 0.25, 0.5, 0.25])
    assert found.even == ()


def test_where_all_weigh_nothing_all_come_equally_often_and_it_is_said():
    found = chances(np.array([0.0, 1.0, 0.0, 0.0, 0.0]), ["b", "a", "b", "a", "c"])
    assert found.values.tolist() == [0.5, 1.0, 0.5, 0.0, 1.0]
    assert found.even == ("b", "c")


def test_no_pictures_have_no_chances():
    found = chances(np.zeros(0), [])
    assert (found.values.tolist(), found.even) == ([], ())


def test_a_mixed_label_moves_to_the_target_by_the_strength_and_its_curve():
    assert mixed_label(0, 2, 3, strength=0.49, curve=0.5) == pytest.approx((0.3, 0, 0.7))
    assert mixed_label(0, 2, 3, strength=1.0, curve=0.8) == pytest.approx((0, 0, 1))
    assert mixed_label(0, 2, 3, strength=0.7, curve=0.0) == pytest.approx((0, 0, 1))
    assert mixed_label(0, 2, 3, strength=0.7, curve=1.0) == pytest.approx((0.3, 0, 0.7))


def test_a_picture_redrawn_as_its_own_class_keeps_it_whole():
    assert mixed_label(1, 1, 2, strength=0.7, curve=0.8) == pytest.approx((0, 1))


def test_what_is_missing_is_spread_over_all_classes():
    found = mixed_label(0, 1, 4, strength=0.49, curve=0.5, kept=0.9)
    assert found == pytest.approx((0.295, 0.655, 0.025, 0.025))
    assert sum(found) == pytest.approx(1)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9, 1.0])
def test_a_data_set_takes_mixed_labels(kept: float):
    labels = [mixed_label(0, 2, 3, strength, 0.8, kept) for strength in (0.1, 0.5, 0.9)]
    samples = tuple(Sample(image=Address(str(n)), target=label) for n, label in enumerate(labels))
    found = targets_of(Dataset(samples=samples, classes=("a", "b", "c"), task="soft-label"))
    assert found == pytest.approx(np.array(labels), abs=1e-6)
