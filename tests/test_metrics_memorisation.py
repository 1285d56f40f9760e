"""Memorisation: copies are found, fresh draws of the same kind are not, and the worst come first."""

import numpy as np
import pytest

from counterfactory.errors import BadData
from counterfactory.metrics.memorisation import memorisation


def circle(*degrees: float) -> np.ndarray:
    """Vectors of length 1 in these directions of the plane."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def sphere(count: int, seed: int | list[int], width: int = 8) -> np.ndarray:
    points = np.random.default_rng(seed).standard_normal((count, width))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_distances_that_can_be_counted():
    unseen = circle(*range(5, 24))  # 5 to 23 degrees from the one training picture at 0
    found = memorisation(circle(80, 4, 5, 3), circle(180, 0), unseen, rare=0.05)
    assert found.expected.mean == 1 / 20
    assert found.threshold == pytest.approx(np.cos(np.radians(5)))
    assert found.share == 2 / 4  # 4 and 3 degrees; at 5 lies a real one too
    assert found.worst.tolist() == [3, 1, 2, 0]
    assert found.places.tolist() == [1, 1, 1, 1]
    assert found.cosines[3] == pytest.approx(np.cos(np.radians(3)))


def test_fresh_draws_of_the_same_kind_are_as_near_as_expected():
    found = memorisation(sphere(3000, 0), sphere(500, 1), sphere(1999, 2))
    assert found.expected.mean == 0.05
    assert found.expected.low < found.share < found.expected.high
    assert not found.found


@pytest.mark.parametrize(("unseen", "made"), [(40, 1000), (200, 2000)])
def test_innocent_sets_are_seldom_accused_however_few_unseen_pictures_judge(unseen: int, made: int):
    turns = [[sphere(count, [turn, n]) for n, count in enumerate((made, 100, unseen))] for turn in range(60)]
    assert sum(memorisation(*turn).found for turn in turns) <= 5  # of 1.5 expected


def test_copies_among_fresh_draws_are_found_and_come_first():
    training, fresh = sphere(500, 1), sphere(180, 0)
    moved = training[:20] + 0.01 * sphere(20, 3)
    copies = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    found = memorisation(np.concatenate([fresh, copies]), training, sphere(400, 2))
    assert found.found
    assert set(found.worst[:20].tolist()) == set(range(180, 200))
    assert found.places[180:].tolist() == list(range(20))


def test_too_few_unseen_pictures_are_said():
    with pytest.raises(BadData, match=r"18 unseen real pictures; .* at least 19"):
        memorisation(sphere(5, 0), sphere(5, 1), sphere(18, 2))
    with pytest.raises(BadData, match="0 made"):
        memorisation(sphere(0, 0), sphere(5, 1), sphere(30, 2))


def test_unseen_pictures_that_are_training_pictures_hide_no_copy():
    training, unseen = sphere(200, 1), sphere(37, 2)
    found = memorisation(training[:100], training, np.concatenate([unseen, training[:3]]))
    assert found.share == 1
    assert found.threshold < 0.9999
    assert found.expected.mean == 1 / 38
