"""Numbers of a counterfactual's validity: analytic cases."""

import numpy as np
import pytest
from PIL import Image

from counterfactory.metrics.validity import cosines, directions, floor_of, preferences
from counterfactory.score.change import difference

X, Y, Z = np.eye(3)


def rows(*vectors: np.ndarray) -> np.ndarray:
    return np.stack(vectors)


def test_a_picture_that_moves_as_its_text_points_the_same_way():
    assert directions(rows(X), rows(Y), rows(X), rows(Y)) == pytest.approx([1.0])
    assert directions(rows(X), rows(Y), rows(Y), rows(X)) == pytest.approx([-1.0])
    assert directions(rows(X), rows(Y), rows(X), rows(Z)) == pytest.approx([0.5])


def test_what_does_not_move_points_nowhere():
    assert directions(rows(X, X), rows(X, Y), rows(X, Z), rows(Y, Z)).tolist() == [0.0, 0.0]


def test_the_new_words_are_preferred_by_what_is_nearer():
    assert preferences(rows(Y, X), rows(X, X), rows(Y, Y)) == pytest.approx([1.0, -1.0])
    assert cosines(rows(X), rows(Y)) == pytest.approx([0.0])


def test_a_floor_is_what_so_many_fall_below():
    assert floor_of(np.arange(101.0), 0.05) == pytest.approx(5.0)


def test_the_difference_of_black_and_white_is_whole_and_size_is_none():
    black, white = (Image.new("RGB", (n, n), c) for n, c in ((32, "black"), (200, "white")))
    assert difference(black, white) == 1.0
    assert difference(white, white.resize((64, 48))) == 0.0
