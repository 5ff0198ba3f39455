import numpy as np
import pytest

from tsssm.errors import ConfigError
from tsssm.forecasters.calibration import Calibration, fit_factors, fit_residuals
from tsssm.forecasters.levels import at_levels, interval_levels, read_levels

LEVELS = np.array([0.1, 0.5, 0.75, 0.9])


def pinball(error, spread, factor):
    e = error[..., None] - factor * spread
    return np.nansum(np.maximum(LEVELS * e, (LEVELS - 1) * e))


@pytest.mark.parametrize("seed", range(5))
def test_factors_minimise_the_pinball_loss(seed):
    random = np.random.default_rng(seed)
    error = random.normal(size=(60, 3)) * random.uniform(0.2, 5)
    error[random.random(error.shape) < 0.2] = np.nan
    spread = np.sort(random.normal(size=(60, 3, 4)), axis=-1)
    spread -= spread[..., 1:2]  # distances from the median
    factors = fit_factors(error, spread, LEVELS)
    grid = np.linspace(0, 10, 4001)
    for h in range(3):
        losses = [pinball(error[:, h], spread[:, h], f) for f in grid]
        assert pinball(error[:, h], spread[:, h], factors[h]) <= min(losses) + 1e-9


def test_factors_recover_the_true_width():
    random = np.random.default_rng(0)
    spread = np.broadcast_to(np.array([-1.2816, 0.0, 0.6745, 1.2816]), (20_000, 2, 4))
    factors = fit_factors(random.normal(size=(20_000, 2)) * [2.0, 0.5], spread, LEVELS)
    np.testing.assert_allclose(factors, [2.0, 0.5], rtol=0.03)


def test_few_errors_are_pooled_with_their_neighbours():
    error = np.full((30, 9), np.nan)
    error[:12, 4:7] = 2.0
    error[:12, 0] = 100.0
    spread = np.broadcast_to(np.array([-1.0, 0.0, 0.5, 1.0]), (30, 9, 4))
    factors = fit_factors(error, spread, LEVELS)
    own = np.full((30, 9), np.nan)
    own[:, 5] = 2.0
    assert factors[5] == fit_factors(own, spread, LEVELS)[5]
    assert factors[0] != factors[5]  # its neighbourhood of 20 errors holds the large ones


def test_factors_are_one_where_nothing_is_known_and_never_negative():
    spread = np.broadcast_to(np.array([-1.0, 0.0, 0.5, 1.0]), (5, 2, 4))
    assert fit_factors(np.full((5, 2), np.nan), spread, LEVELS).tolist() == [1.0, 1.0]
    assert (fit_factors(np.zeros((5, 2)), spread, LEVELS) == 0.0).all()


def test_residual_quantiles_stay_on_their_side_of_the_median():
    error = 5 + np.random.default_rng(0).normal(size=(500, 2))  # a biased forecast
    residuals = fit_residuals(error, LEVELS)
    assert (residuals[:, 0] == 0).all()
    assert (residuals[:, 1] == 0).all()
    np.testing.assert_allclose(residuals[:, 3], np.quantile(error, 0.9, axis=0), rtol=1e-12)
    assert (np.diff(residuals, axis=1) >= 0).all()


def test_spread_scales_with_the_series():
    calibration = Calibration(residuals=np.array([[-1.0, 0.0, 2.0]]))
    np.testing.assert_array_equal(calibration.spread(None, np.array([1.0, 10.0]))[:, 0], [[-1, 0, 2], [-10, 0, 20]])


def test_levels_between_the_trained_ones_are_interpolated():
    quantiles = np.array([[0.0, 1.0, 3.0]])
    values = at_levels(quantiles, (0.1, 0.5, 0.9), (0.1, 0.3, 0.5, 0.7, 0.9))
    np.testing.assert_allclose(values, [[0.0, 0.5, 1.0, 2.0, 3.0]])
    np.testing.assert_allclose(at_levels(np.array([[7.0]]), (0.5,), (0.5, 0.5)), [[7.0, 7.0]])
    for wrong in (0.5, [[0.1, 0.5]], "0.5", ["a"]):
        with pytest.raises(ConfigError, match="sequence of numbers; got"):
            read_levels(wrong)
    assert read_levels(level / 10 for level in (1, 9)) == (0.1, 0.9)


def test_interval_levels_are_central():
    assert interval_levels(0.9) == (0.05, 0.95)
    for wrong in (0, 1, 90, True, "0.9"):
        with pytest.raises(ConfigError, match="coverage"):
            interval_levels(wrong)
