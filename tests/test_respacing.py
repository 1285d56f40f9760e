"""Which times are visited, against lists made by hand from the published rule."""

import pytest

from counterfactory.diffusion.respacing import spaced
from counterfactory.errors import BadConfig


def test_500_become_200_as_in_dime():
    times = spaced(500, "200")
    assert (len(times), times[59], times[60], times[-1]) == (200, 148, 150, 499)
    assert times == spaced(500, 200)


@pytest.mark.parametrize(
    ("times", "spacing", "expected"),
    [
        (10, "", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (10, "4", [0, 3, 6, 9]),  # a stride of 9 / 3
        (10, "3", [0, 4, 9]),  # 4.5 is rounded to the even number
        (10, "1", [0]),
        (10, "ddim5", [0, 2, 4, 6, 8]),  # as whole strides go, without the last
        (10, "ddim4", [0, 3, 6, 9]),
        (12, "4,2", [0, 2, 3, 5, 6, 11]),  # 5 / 3 a step in the first six, 5 in the others
        (11, "2,2,1", [0, 3, 4, 7, 8]),  # parts of 4, 4 and 3
    ],
)
def test_times_are_those_of_the_published_rule(times: int, spacing: str, expected: list[int]):
    assert spaced(times, spacing) == expected


def test_parts_may_be_spaced_each_in_its_own_way():
    times = spaced(300, "10,15,20")
    assert [sum(start <= time < start + 100 for time in times) for start in (0, 100, 200)] == [10, 15, 20]
    assert (times[0], times[9], times[10], times[24], times[25], times[44]) == (0, 99, 100, 199, 200, 299)


@pytest.mark.parametrize(
    ("spacing", "error"),
    [
        ("11", "steps: 11, but this model was trained on 10"),
        ("0", "give 1 to that many"),
        ("6,1", "trained on 10, 5 of them in this part"),
        ("ddim7", "no whole stride gives 7 of 10"),
        ("fast", "expected for example 250, ddim25 or 10,10,5"),
        ("5,", "expected for example"),
    ],
)
def test_a_respacing_that_cannot_be_is_refused(spacing: str, error: str):
    with pytest.raises(BadConfig, match=error):
        spaced(10, spacing)
