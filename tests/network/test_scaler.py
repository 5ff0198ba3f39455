import numpy as np
import pytest

from tsssm.network import CausalScaler
from tsssm.network.scaler import PRIOR_OBSERVATIONS


def closed_form(values, prior, half_life):
    """Weighted mean and deviation of all observations so far, from their definition."""
    seen = values[~np.isnan(values)]
    weights = 0.5 ** (np.arange(len(seen) - 1, -1, -1) / half_life)
    mean = (weights * seen).sum() / weights.sum()
    pseudo = PRIOR_OBSERVATIONS * 0.5 ** (len(seen) / half_life)
    # West's update keeps the weighted sum of squares around the current mean
    squares = (weights * (seen - mean) ** 2).sum() + pseudo * prior**2
    return mean, np.sqrt(squares / (weights.sum() + pseudo))


@pytest.mark.parametrize("half_life", [1.0, 7.0, 180.0])
def test_equals_the_weighted_moments(half_life):
    random = np.random.default_rng(0)
    values = 5 + random.normal(size=400).cumsum()
    values[random.random(400) < 0.2] = np.nan
    values[0] = 5.0
    scaler = CausalScaler(half_life)
    location, scale = scaler.advance(values[None], np.array([2.0]), scaler.initial_state(1))
    for t in (0, 1, 2, 17, 200, 399):
        mean, deviation = closed_form(values[: t + 1], 2.0, half_life)
        np.testing.assert_allclose((location[0, t], scale[0, t]), (mean, deviation), rtol=1e-10)


def test_split_and_single_steps_equal_the_whole_to_the_bit():
    values = np.random.default_rng(1).normal(size=(3, 50))
    values[:, 20:25] = np.nan
    scaler, prior = CausalScaler(10.0), np.array([1.0, 2.0, 3.0])
    whole = scaler.advance(values, prior, scaler.initial_state(3))
    state = scaler.initial_state(3)
    parts = [scaler.advance(values[:, :7], prior, state)]
    parts += [scaler.advance(values[:, t : t + 1], prior, state) for t in range(7, 50)]
    for k in range(2):
        np.testing.assert_array_equal(np.concatenate([part[k] for part in parts], axis=1), whole[k])


def test_unobserved_values_leave_the_statistics_as_they_are():
    scaler = CausalScaler(10.0)
    state = scaler.initial_state(1)
    scaler.advance(np.array([[1.0, 4.0]]), np.ones(1), state)
    before = state.copy()
    scaler.advance(np.full((1, 9), np.nan), np.ones(1), state)
    np.testing.assert_array_equal(state, before)


def test_a_stuck_sensor_keeps_a_scale_above_zero():
    scaler = CausalScaler(5.0)
    _, scale = scaler.advance(np.full((1, 5000), 3.0), np.ones(1), scaler.initial_state(1))
    assert scale.min() >= 1e-4
    assert np.isfinite(scale).all()
