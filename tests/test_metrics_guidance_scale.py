"""Adaptive guidance scaling against closed forms and the numbers that the published code gives."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm, truncnorm

from counterfactory.metrics.guidance_scale import Normal, adaptive, clipped, guidance_scale, truncated

EVENLY = (np.arange(500) + 0.5) / 500


def drawn(way: Callable[[Normal, float], float], likelihood: float, shots: int) -> np.ndarray:
    """The values at evenly spaced shares: the distribution itself and no sample of it."""
    normal = adaptive(likelihood, shots)
    return np.array([way(normal, float(share)) for share in EVENLY])


@pytest.mark.parametrize(
    ("likelihood", "shots", "mean", "low", "high"),
    [
        (0.0, 1, 0.9, 0.7, 0.9),
        (0.05, 4, 0.89, 0.7, 0.9),
        (0.3, 1, 0.84, 0.7, 0.9),  # the threshold itself belongs to the unsure
        (math.nextafter(0.3, 1), 1, 0.31, 0.1, 0.5),
        (0.95, 4, 0.115, 0.1, 0.6),
        (1.0, 16, 0.1, 0.1, 0.8),
        (0.5, 5000, 0.25, 0.1, 1.0),  # more images than the formula was made for
    ],
)
def test_the_scale_is_drawn_around_what_the_formula_says(
    likelihood: float, shots: int, mean: float, low: float, high: float
):
    found = adaptive(likelihood, shots)
    assert (found.mean, found.low, found.high) == pytest.approx((mean, low, high))
    assert found.deviation == pytest.approx(0.05 * shots)
    assert found.low <= found.mean <= found.high


@pytest.mark.parametrize("likelihood", [0.0, 0.05, 0.3, 0.31, 0.95, 1.0])
@pytest.mark.parametrize("shots", [1, 4, 16])
def test_a_truncated_normal_has_its_mean_and_quantiles_and_no_mass_at_its_bounds(likelihood: float, shots: int):
    normal = adaptive(likelihood, shots)
    values = drawn(truncated, likelihood, shots)
    low, high = ((bound - normal.mean) / normal.deviation for bound in (normal.low, normal.high))
    inside = norm.cdf(high) - norm.cdf(low)
    mean = normal.mean + normal.deviation * (norm.pdf(low) - norm.pdf(high)) / inside
    assert values.mean() == pytest.approx(mean, abs=2e-5)
    assert values == pytest.approx(truncnorm.ppf(EVENLY, low, high, normal.mean, normal.deviation), abs=1e-9)
    assert normal.low < values.min()
    assert values.max() < normal.high


@pytest.mark.parametrize(
    ("likelihood", "shots", "at_low", "at_high"),
    [
        *((0.05, 1, 0, 0.42), (0.05, 4, 0.17, 0.48), (0.05, 16, 0.41, 0.50)),
        *((0.95, 1, 0.38, 0), (0.95, 4, 0.47, 0.01), (0.95, 16, 0.49, 0.20)),
    ],
)
def test_clipping_piles_draws_on_the_bounds(likelihood: float, shots: int, at_low: float, at_high: float):
    normal, values = adaptive(likelihood, shots), drawn(clipped, likelihood, shots)
    assert np.mean(values == normal.low) == pytest.approx(at_low, abs=0.006)
    assert np.mean(values == normal.high) == pytest.approx(at_high, abs=0.006)


@pytest.mark.parametrize("way", [truncated, clipped])
def test_the_ends_of_what_can_be_drawn_are_the_bounds(way: Callable[[Normal, float], float]):
    for likelihood in (0.05, 0.95):
        normal = adaptive(likelihood, 16)
        assert way(normal, 0.0) == pytest.approx(normal.low)
        assert way(normal, 1.0) == pytest.approx(normal.high)
        assert normal.low <= way(normal, 0.0) < way(normal, 1.0) <= normal.high


def test_a_seed_gives_one_scale_and_each_rule_draws_one_number():
    for rule in ("truncated", "clipped", "uniform", 0.6):
        generators = np.random.default_rng(5), np.random.default_rng(5)
        first, again = (guidance_scale(rule, 0.6, 4, generator) for generator in generators)  # type: ignore[arg-type]
        assert first == again
        assert generators[0].random() == np.random.default_rng(5).random(2)[1]


def test_a_rule_is_followed_and_a_number_is_itself():
    share = np.random.default_rng(7).random()
    normal = adaptive(0.6, 4)
    assert guidance_scale("truncated", 0.6, 4, np.random.default_rng(7)) == truncated(normal, share)
    assert guidance_scale("clipped", 0.6, 4, np.random.default_rng(7)) == clipped(normal, share)
    assert guidance_scale("uniform", 0.6, 4, np.random.default_rng(7)) == share
    assert guidance_scale(0.25, 0.6, 4, np.random.default_rng(7)) == 0.25


@pytest.mark.parametrize(("likelihood", "shots"), [(-0.1, 1), (1.1, 1), (math.nan, 1), (0.5, 0)])
def test_what_is_no_likelihood_and_no_number_of_pictures_is_refused(likelihood: float, shots: int):
    with pytest.raises(AssertionError):
        adaptive(likelihood, shots)
