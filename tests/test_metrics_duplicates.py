"""The nearest of others, and of those before."""

import numpy as np
import pytest

from counterfactory.metrics import duplicates
from counterfactory.metrics.duplicates import nearest, nearest_before

X, Y = np.eye(2)
MIDDLE = (X + Y) / np.sqrt(2)


def test_the_nearest_of_others_is_that_of_the_largest_cosine():
    cosines, rows = nearest(np.stack([X, MIDDLE, -X]), np.stack([Y, X]))
    assert cosines.tolist() == pytest.approx([1, 0.5**0.5, 0])
    assert rows.tolist()[0] == 1
    assert rows.tolist()[2] == 0


def test_a_picture_is_compared_with_those_before_it_alone():
    cosines, rows = nearest_before(np.stack([X, Y, MIDDLE, X, -X]))
    assert cosines.tolist() == pytest.approx([-1, 0, 0.5**0.5, 1, 0])
    assert rows.tolist()[:2] == [-1, 0]
    assert rows.tolist()[3:] == [0, 1]


def test_where_there_is_nobody_the_cosine_is_the_least_there_is():
    assert [found.tolist() for found in nearest(np.stack([X, Y]), np.zeros((0, 2)))] == [[-1, -1], [-1, -1]]
    assert [found.tolist() for found in nearest_before(np.zeros((0, 2)))] == [[], []]
    assert [found.tolist() for found in nearest_before(np.stack([X]))] == [[-1], [-1]]


def test_parts_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch):
    vectors = np.random.default_rng(0).standard_normal((60, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    whole = nearest(vectors[:40], vectors[40:]), nearest_before(vectors)
    monkeypatch.setattr(duplicates, "AT_ONCE", 300)
    parts = nearest(vectors[:40], vectors[40:]), nearest_before(vectors)
    for one, other in zip(whole, parts, strict=True):
        assert one[0] == pytest.approx(other[0])
        assert one[1].tolist() == other[1].tolist()
