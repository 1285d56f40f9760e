"""Precision, recall, density and coverage against configurations that can be counted by hand."""

import numpy as np
import pytest

from counterfactory.errors import BadData
from counterfactory.metrics import fidelity as module
from counterfactory.metrics.fidelity import fidelity


def line(*places: float) -> np.ndarray:
    """Points of the plane on its first axis."""
    return np.array([(place, 0.0) for place in places])


def cloud(count: int, seed: int, width: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width))


def test_a_set_is_as_good_and_as_varied_as_itself():
    points = cloud(60, 0, 5)
    found = fidelity(points, points, k=3)
    # a ball of a point holds itself and its three neighbours, the last one on the sphere
    assert found == pytest.approx({"precision": 1, "recall": 1, "density": 4 / 3, "coverage": 1})


def test_sets_that_lie_apart_share_nothing():
    found = fidelity(cloud(20, 0), cloud(30, 1) + 100, k=3)
    assert found == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_a_configuration_that_can_be_counted():
    """Real balls: 0 and 1 and 2 reach 1 far, 10 reaches 8. Made balls: 1.5 reaches 2.5, 4 and 20 reach 2.5 and 16."""
    found = fidelity(line(0, 1, 2, 10), line(1.5, 4, 20), k=1)
    # 1.5 lies in the balls of 1 and 2, 4 in that of 10, 20 in none
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["density"] == pytest.approx(3 / 3)
    assert found["coverage"] == pytest.approx(3 / 4)
    # 0, 1 and 2 lie in the ball of 1.5, 10 in that of 20
    assert found["recall"] == 1


def test_one_picture_drawn_again_and_again_is_precise_and_covers_little():
    real = cloud(50, 0)
    found = fidelity(real, np.repeat(real[:1], 40, axis=0), k=3)
    assert found["precision"] == 1
    assert found["recall"] == 1 / 50
    assert found["coverage"] <= 0.2
    assert found["density"] > 0


def test_equal_pictures_lie_in_balls_without_a_radius_whatever_rounding_does():
    equal = np.repeat(np.random.default_rng(0).standard_normal((1, 300)) * 1e3, 9, axis=0)
    assert fidelity(equal, equal, k=2) == {"precision": 1, "recall": 1, "density": 4.5, "coverage": 1}


def test_draws_of_one_distribution_have_density_one_and_the_coverage_that_chance_gives():
    n, m, k = 700, 500, 5
    found = fidelity(cloud(n, 0), cloud(m, 1), k)
    # that of the n - 1 + m others the k nearest to a real picture are all real (Naeem et al. 2020)
    turns = np.arange(1, k + 1)
    assert found["coverage"] == pytest.approx(1 - np.prod((n - turns) / (m + n - turns)), abs=0.03)
    assert found["density"] == pytest.approx(1, abs=0.1)


def test_many_pictures_have_the_neighbours_that_sorting_finds():
    points = cloud(1000, 0, 6)
    apart = np.square(points[:, None] - points).sum(2)
    assert module._radii(points, 5) == pytest.approx(np.sort(apart, axis=1)[:, 5])


def test_parts_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch):
    real, made = cloud(70, 0, 4), cloud(50, 1, 4) + 0.5
    whole = fidelity(real, made)
    monkeypatch.setattr(module, "AT_ONCE", 500)
    assert fidelity(real, made) == whole


def test_features_of_half_the_numbers_are_taken():
    real, made = cloud(70, 0, 4), cloud(50, 1, 4)
    half = fidelity(real.astype(np.float32), made.astype(np.float32))
    assert half == pytest.approx(fidelity(real, made), abs=0.03)


def test_too_few_pictures_have_no_neighbours():
    with pytest.raises(BadData, match="5 pictures have no 5 neighbours"):
        fidelity(cloud(9, 0), cloud(5, 1))
