"""What holds for all metrics: unobserved entries, axes, shapes; and closed forms."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from tsssm.errors import ConfigError, DataError
from tsssm.metrics import (
    coverage,
    interval_score,
    mae,
    mase,
    mse,
    quantile_loss,
    rmse,
    rmsse,
    seasonal_scale,
    smape,
    weighted_quantile_loss,
)

LEVELS = [0.2, 0.5, 0.9]

# Each as a function of (actual, point, axis), so that one rule can be asked of all.
METRICS = {
    "mae": mae,
    "mse": mse,
    "rmse": rmse,
    "smape": smape,
    "mase": lambda a, p, axis=None: mase(a, p, 2.0, axis),
    "rmsse": lambda a, p, axis=None: rmsse(a, p, 2.0, axis),
    "coverage": lambda a, p, axis=None: coverage(a, p - 0.5, p + 0.5, axis),
    "interval_score": lambda a, p, axis=None: interval_score(a, p - 0.5, p + 0.5, 0.8, axis),
    "wql": lambda a, p, axis=None: weighted_quantile_loss(a, p[..., None] + [-1.0, 0.0, 1.0], LEVELS, axis),
    "pinball": lambda a, p, axis=None: quantile_loss(a, p[..., None] + [-1.0, 0.0, 1.0], LEVELS, axis).mean(-1),
}
every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


@pytest.fixture
def blocks():
    """Observations and forecasts, (window, step, series)."""
    rng = np.random.default_rng(0)
    actual = rng.normal(3.0, 1.0, (4, 5, 3))
    return actual, actual + rng.normal(0.0, 0.7, actual.shape)


@every_metric
def test_unobserved_entries_are_not_scored(metric, blocks):
    actual, point = blocks
    hidden = actual.copy()
    hidden[::2, 1:3] = np.nan
    observed = ~np.isnan(hidden)
    np.testing.assert_allclose(metric(hidden, point), metric(actual[observed], point[observed]), rtol=1e-12)


@every_metric
def test_figures_per_series_are_those_of_each_series(metric, blocks):
    actual, point = blocks
    actual[1, 2, 0] = np.nan
    figures = metric(actual, point, axis=(0, 1))
    assert figures.shape == (3,)
    expected = [metric(actual[..., i], point[..., i]) for i in range(3)]
    np.testing.assert_allclose(figures, expected, rtol=1e-12)


@every_metric
def test_nothing_scored_is_nan(metric, blocks):
    actual, point = blocks
    actual[..., 1] = np.nan
    figures = metric(actual, point, axis=(0, 1))
    assert np.isnan(figures).tolist() == [False, True, False]
    assert math.isnan(metric(np.array([]), np.array([])))


@every_metric
def test_a_missing_forecast_is_not_passed_over(metric, blocks):
    actual, point = blocks
    point[0, 0, 2] = np.nan
    assert np.isnan(metric(actual, point, axis=(0, 1))).tolist() == [False, False, True]


@every_metric
def test_over_all_entries_it_is_a_plain_number(metric, blocks):
    assert isinstance(metric(*blocks), float)


@every_metric
def test_arguments_are_left_as_they_are(metric, blocks):
    actual, point = blocks
    actual[0, 0, 0] = np.nan
    before = actual.copy(), point.copy()
    metric(actual, point)
    np.testing.assert_array_equal(actual, before[0])
    np.testing.assert_array_equal(point, before[1])


@pytest.mark.parametrize("metric", [mae, mse, rmse, smape])
def test_shapes_are_not_broadcast(metric):
    with pytest.raises(DataError, match=r"\(3,\).*\(3, 1\)"):
        metric(np.ones(3), np.ones((3, 1)))


def test_known_figures():
    assert mae([1.0, -1.0], [0.0, 0.0]) == 1.0
    assert rmse([3.0, -4.0], [0.0, 0.0]) == math.sqrt(12.5)
    assert smape([1.0], [-1.0]) == 200.0  # opposite signs: the largest value there is
    assert smape([0.0, 0.0], [0.0, 0.0]) == 0.0
    assert smape([50.0], [150.0]) == 100.0


def test_the_seasonal_naive_forecast_scores_one_in_its_own_training_data():
    y = np.random.default_rng(1).normal(size=(60, 2)).cumsum(axis=0)
    for metric, power in ((mase, 1), (rmsse, 2)):
        scale = seasonal_scale(y, 7, power)
        np.testing.assert_allclose(metric(y[7:], y[:-7], scale, axis=0), [1.0, 1.0], rtol=1e-12)


def test_seasonal_scale_uses_observed_pairs_only():
    assert seasonal_scale([1.0, np.nan, 4.0, 6.0, 9.0], 2) == pytest.approx(4.0)  # |4 - 1| and |9 - 4|
    assert math.isnan(seasonal_scale([1.0, 2.0], 2))
    assert math.isnan(seasonal_scale([1.0, 2.0], 5))


@pytest.mark.parametrize("power", [1, 2])
def test_the_rounding_of_a_periodic_series_is_no_scale(power):
    wave = np.sin(np.arange(300) * 2 * np.pi / 24)  # repeats to 1e-14
    far = 1e12 + np.random.default_rng(0).normal(size=300)
    scale = seasonal_scale(np.stack([wave, far, np.full(300, np.nan)], axis=1), 24, power)
    assert scale[0] == 0.0
    assert scale[1] > 1.0
    assert math.isnan(scale[2])
    assert math.isnan(seasonal_scale([], 2, power))


def test_a_series_without_a_scale_is_not_scored():
    actual, point = np.array([[1.0, 1.0, 1.0]] * 2), np.array([[2.0, 3.0, 9.0]] * 2)
    scale = seasonal_scale(np.array([[0.0, 0.0, 5.0], [1.0, 2.0, 5.0], [2.0, 4.0, 5.0]]), 1)
    np.testing.assert_array_equal(scale, [1.0, 2.0, 0.0])
    np.testing.assert_array_equal(mase(actual, point, scale, axis=0), [1.0, 1.0, np.nan])
    assert mase(actual, point, scale) == 1.0
    assert rmsse(actual, point, scale) == 1.0


def test_scales_and_seasons_without_sense_are_refused():
    with pytest.raises(DataError, match=r"-2\.0"):
        mase([1.0], [1.0], -2.0)
    with pytest.raises(DataError, match=r"\(2,\).*\(4, 3\)"):
        mase(np.ones((4, 3)), np.ones((4, 3)), [1.0, 2.0])
    for season in (0, -1, 1.5, True):
        with pytest.raises(ConfigError, match="season_length"):
            seasonal_scale([1.0, 2.0], season)
    with pytest.raises(ConfigError, match="3"):
        seasonal_scale([1.0, 2.0], 1, power=3)


def test_pinball_loss_is_smallest_at_the_true_quantile():
    sample = np.random.default_rng(2).exponential(size=4001)
    grid = np.linspace(0.0, 4.0, 801)
    level = 0.8
    losses = quantile_loss(
        sample[:, None] + np.zeros(len(grid)), np.tile(grid, (len(sample), 1))[..., None], [level], 0
    )
    assert grid[losses[:, 0].argmin()] == pytest.approx(np.quantile(sample, level), abs=0.01)


def test_mean_pinball_loss_over_many_levels_is_half_the_crps_of_the_normal_distribution():
    levels = (np.arange(2000) + 0.5) / 2000
    quantiles = np.array([NormalDist().inv_cdf(level) for level in levels])
    y = 0.7
    # Gneiting and Raftery (2007), equation 21, for N(0, 1).
    crps = y * (2.0 * NormalDist().cdf(y) - 1.0) + 2.0 * NormalDist().pdf(y) - 1.0 / math.sqrt(math.pi)
    assert 2.0 * quantile_loss([y], [quantiles], levels).mean() == pytest.approx(crps, abs=1e-4)


def test_weighted_quantile_loss_of_the_median_is_the_absolute_error_over_the_size():
    actual, median = np.array([1.0, -2.0, 5.0]), np.array([2.0, -1.0, 3.0])
    assert weighted_quantile_loss(actual, median[:, None], [0.5]) == pytest.approx(4.0 / 8.0)
    assert math.isnan(weighted_quantile_loss([0.0, 0.0], [[1.0], [1.0]], [0.5]))


def test_interval_score_is_the_pinball_loss_of_its_two_ends(blocks):
    actual, point = blocks
    level, alpha = 0.8, 0.2
    ends = np.stack([point - 0.5, point + 0.5], axis=-1)
    # Both scores are the same sum: interval score = 2 / alpha (pinball at alpha / 2 + pinball at 1 - alpha / 2).
    expected = 2.0 / alpha * quantile_loss(actual, ends, [alpha / 2, 1 - alpha / 2]).sum()
    assert interval_score(actual, ends[..., 0], ends[..., 1], level) == pytest.approx(expected)


def test_levels_and_quantile_shapes_without_sense_are_refused():
    for levels in ([0.0], [1.0], [0.5, float("nan")], [], 0.5):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            quantile_loss([1.0], [[1.0]], levels)
    with pytest.raises(DataError, match=r"\(2, 3\)"):
        weighted_quantile_loss([1.0, 2.0], [1.0, 2.0], LEVELS)
    with pytest.raises(ConfigError, match=r"90"):
        interval_score([1.0], [0.0], [2.0], 90)
    with pytest.raises(DataError, match="upper"):
        coverage([1.0], [0.0], [1.0, 2.0])
