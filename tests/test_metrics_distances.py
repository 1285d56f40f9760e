"""Distances between sets of features, in closed form."""

from itertools import combinations

import numpy as np
import pytest

from counterfactory.errors import BadData
from counterfactory.metrics import distances
from counterfactory.metrics.distances import frechet_distance, kernel_distance


def white(count: int = 400, width: int = 3) -> np.ndarray:
    """Points whose mean is exactly 0 and whose covariance is exactly 1."""
    points = np.random.default_rng(0).standard_normal((count, width))
    points -= points.mean(0)
    return points @ np.linalg.inv(np.linalg.cholesky(np.cov(points, rowvar=False))).T


def test_the_frechet_distance_of_gaussians_is_that_of_their_means_and_spreads():
    points = white()
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(points, points + 2) == pytest.approx(12)
    assert frechet_distance(points, 3 * points) == pytest.approx(12)
    assert frechet_distance(points * [1, 2, 3], points * [2, 2, 5] + [1, 0, 0]) == pytest.approx(1 + 1 + 4)


def test_the_frechet_distance_of_few_pictures_is_finite():
    few, wide = white()[:3], np.random.default_rng(1).standard_normal((4, 20))
    assert frechet_distance(few[:1], few[:1] + 1) == pytest.approx(3)
    assert frechet_distance(wide, wide) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(few[:, :1], few[:, :1] + 2) == pytest.approx(4)


def by_eigenvalues(a: np.ndarray, b: np.ndarray) -> float:
    """The same from the covariances themselves, as its equation has it."""
    one, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(one @ other).astype(complex)).real
    return float(np.square(a.mean(0) - b.mean(0)).sum() + np.trace(one) + np.trace(other) - 2 * roots.sum())


@pytest.mark.parametrize(("counts", "width"), [((30, 20), 60), ((30, 200), 60), ((200, 30), 60), ((90, 200), 60)])
def test_the_frechet_distance_is_that_of_the_covariances_however_many_pictures_there_are(counts, width):
    random = np.random.default_rng(0)
    one, other = (random.standard_normal((count, width)) * np.linspace(0.1, 2, width) for count in counts)
    assert frechet_distance(one, other + 0.3) == pytest.approx(by_eigenvalues(one, other + 0.3), rel=1e-6)
    halves = one.astype(np.float32), other.astype(np.float32)
    assert frechet_distance(*halves) == pytest.approx(by_eigenvalues(one, other), rel=1e-5)


def test_the_kernel_distance_of_single_places_is_that_of_the_kernel():
    zero, one = np.zeros((3, 1)), np.ones((2, 1))
    assert kernel_distance(zero, one) == pytest.approx(1 + 8 - 2 * 1)
    assert kernel_distance(np.zeros((3, 2)), np.ones((4, 2))) == pytest.approx(1 + 8 - 2)  # the width divides x y
    mixed = np.array([[0.0], [1.0], [2.0]])
    others = (1 + 1 + 27) / 3  # the kernel of (0, 1), (0, 2) and (1, 2)
    assert kernel_distance(mixed, one) == pytest.approx(others + 8 - 2 * (1 + 8 + 27) / 3)


def test_the_kernel_distance_of_halves_of_one_set_is_nothing_on_average():
    points, rows = np.random.default_rng(0).standard_normal((6, 2)), set(range(6))
    halves = [(points[list(half)], points[sorted(rows - set(half))]) for half in combinations(range(6), 3)]
    found = [kernel_distance(one, other) for one, other in halves]
    assert np.mean(found) == pytest.approx(0, abs=1e-12)
    assert min(found) < 0 < max(found)


def test_parts_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch):
    points = white()
    whole = kernel_distance(points, points[:100] + 1)
    monkeypatch.setattr(distances, "AT_ONCE", 1000)
    assert kernel_distance(points, points[:100] + 1) == pytest.approx(whole)
    assert kernel_distance(points.astype(np.float32), points[:100] + 1) == pytest.approx(whole, rel=1e-4)


def test_one_picture_has_no_kernel_distance():
    with pytest.raises(BadData, match="two pictures"):
        kernel_distance(np.zeros((1, 2)), np.zeros((5, 2)))
