import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as SklearnRidge

from tsssm.data import Panel
from tsssm.linear import Cutoffs, Seasonal, fit_ridge, training_cutoffs, validation_cutoffs
from tsssm.linear.ridge import _solve_all


def panel_of(*series):
    length = max(map(len, series))
    columns = np.full((length, len(series)), np.nan)
    for i, values in enumerate(series):
        columns[length - len(values) :, i] = values
    return Panel.from_columns(columns, np.zeros((length, 0)), tuple(range(len(series))))


def noisy_season(rows, seed=0, season=12):
    random = np.random.default_rng(seed)
    return 50 + 10 * np.sin(2 * np.pi * np.arange(rows) / season) + random.normal(size=rows)


def test_weights_are_those_of_scikit_learn_step_by_step():
    """Each step is fitted on the rows whose target is observed, with the penalty relative to the mean diagonal."""
    random = np.random.default_rng(1)
    x, y = torch.from_numpy(random.normal(size=(80, 6))), torch.from_numpy(random.normal(size=(80, 5)))
    y[70:, 2:] = float("nan")
    y[10:20, 1] = float("nan")
    weights = _solve_all(x, y, 0.1)
    for h in range(5):
        seen = ~torch.isnan(y[:, h])
        rows = x[seen].numpy()
        alpha = 0.1 * (rows**2).sum() / 6 + 1e-9
        expected = SklearnRidge(alpha=alpha, fit_intercept=False).fit(rows, y[seen, h].numpy()).coef_
        np.testing.assert_allclose(weights[:, h], expected, rtol=1e-9, atol=1e-12)


def test_a_step_no_row_reaches_takes_the_last_fitted_one():
    x, y = torch.randn(30, 3, dtype=torch.float64), torch.randn(30, 4, dtype=torch.float64)
    y[:, 2:] = float("nan")
    weights = _solve_all(x, y, 0.01)
    assert torch.equal(weights[:, 3], weights[:, 1])
    assert torch.equal(weights[:, 2], weights[:, 1])


def test_an_exact_season_is_continued():
    values = np.tile([1.0, 5.0, 2.0, 7.0], 60)
    panel = panel_of(values)
    ridge = fit_ridge(panel, np.array([240]), np.array([values.std()]), lags=8, horizon=4)
    forecast = ridge.forecast(panel.windows(np.array([0]), np.array([240]), 8), np.zeros(1)) + panel.origins[0]
    np.testing.assert_allclose(forecast[0], [1.0, 5.0, 2.0, 7.0], atol=0.05)


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e9, 0.0), (1.0, 1e7)])
def test_the_map_is_homogeneous_and_shifts_along(scale, shift):
    values = noisy_season(300)
    forecasts = []
    for series in (values, scale * values + shift):
        panel = panel_of(series)
        ridge = fit_ridge(panel, np.array([270]), np.array([series.std()]), lags=24, horizon=6)
        window = panel.windows(np.array([0]), np.array([300]), 24)
        forecasts.append(ridge.forecast(window, np.zeros(1))[0] + panel.origins[0])
    np.testing.assert_allclose((forecasts[1] - shift) / scale, forecasts[0], rtol=2e-5)


def test_the_order_of_the_series_does_not_matter():
    first, second = noisy_season(200, 1), noisy_season(150, 2)
    one = fit_ridge(panel_of(first, second), np.array([180, 130]), np.array([1.0, 2.0]), lags=12, horizon=3)
    two = fit_ridge(panel_of(second, first), np.array([130, 180]), np.array([2.0, 1.0]), lags=12, horizon=3)
    assert one.penalty == two.penalty
    torch.testing.assert_close(one.weights, two.weights, rtol=1e-9, atol=1e-12)


def test_nothing_of_the_validation_part_reaches_the_weights():
    values = noisy_season(300)
    changed = values.copy()
    changed[270:] += 0.01  # so little that it chooses the same penalty, which is the one thing chosen there
    settings = {"lags": 24, "horizon": 6}
    one, two = (fit_ridge(panel_of(y), np.array([270]), np.array([7.0]), **settings) for y in (values, changed))
    assert one.penalty == two.penalty
    assert torch.equal(one.weights, two.weights)


def test_unobserved_values_count_as_the_mean_of_the_window():
    ridge = fit_ridge(panel_of(noisy_season(300)), np.array([300]), np.array([7.0]), lags=6, horizon=2)
    window = np.array([[3.0, np.nan, 5.0, 4.0, np.nan, 8.0]])
    filled = np.where(np.isnan(window), np.nanmean(window), window)
    np.testing.assert_allclose(ridge.forecast(window, np.zeros(1)), ridge.forecast(filled, np.zeros(1)), rtol=1e-12)
    empty = np.full((1, 6), np.nan)
    np.testing.assert_array_equal(ridge.forecast(empty, np.array([3.5])), [[3.5, 3.5]])


def test_a_constant_series_is_continued():
    ridge = fit_ridge(panel_of(np.full(100, 4.0)), np.array([90]), np.array([1.0]), lags=6, horizon=2)
    np.testing.assert_array_equal(ridge.forecast(np.full((1, 6), 4.0), np.zeros(1)), [[4.0, 4.0]])


def test_seasonal_naive_repeats_the_last_season_and_looks_further_back_for_holes():
    seasonal = Seasonal(season_length=3, horizon=7)
    window = np.arange(12.0)[None]
    np.testing.assert_array_equal(seasonal.forecast(window, np.zeros(1))[0], [9, 10, 11, 9, 10, 11, 9])
    window[0, [9, 6]] = np.nan
    np.testing.assert_array_equal(seasonal.forecast(window, np.zeros(1))[0], [3, 10, 11, 3, 10, 11, 3])
    window[0, [0, 3]] = np.nan
    np.testing.assert_array_equal(seasonal.forecast(window, np.zeros(1))[0, :3], [11, 10, 11])
    window[:] = np.nan
    np.testing.assert_array_equal(seasonal.forecast(window, np.array([2.0]))[0, :3], [2, 2, 2])


def test_validation_cutoffs_have_a_target_there_and_training_cutoffs_none():
    lengths, train, horizon = np.array([50, 8, 30]), np.array([40, 8, 27]), 5
    cutoffs = validation_cutoffs(lengths, train, horizon, 10_000)
    last_target = cutoffs.ends + horizon - 1
    assert (last_target >= train[cutoffs.series]).all()
    assert (cutoffs.ends < lengths[cutoffs.series]).all()
    assert set(cutoffs.series) == {0, 2}
    assert set(cutoffs.ends[cutoffs.series == 0]) == set(range(36, 50))
    training = training_cutoffs(train, 10, 10_000)
    assert (training.ends < train[training.series]).all()
    assert training.ends[training.series == 1].min() == 4


def test_thinned_cutoffs_visit_every_phase():
    cutoffs = validation_cutoffs(np.array([20_000]), np.array([10_000]), 24, 500, coprime_to=24)
    assert 300 < len(cutoffs.ends) <= 520
    assert set(cutoffs.ends % 24) == set(range(24))


def test_cutoffs_of_few_phases_keep_every_series_and_visit_every_phase():
    lengths = np.full(100, 300)
    every = validation_cutoffs(lengths, np.full(100, 200), 24, 10**9, 24)
    few = every.of_few_phases(24, 250)
    passes = set(zip(few.series.tolist(), (few.ends % 24).tolist()))
    assert len(passes) == 200  # two a series
    assert set(few.series.tolist()) == set(range(100))
    assert {phase for _, phase in passes} == set(range(24))
    kept = set(zip(few.series.tolist(), few.ends.tolist()))
    assert kept == {one for one in zip(every.series.tolist(), every.ends.tolist()) if (one[0], one[1] % 24) in passes}
    assert every.of_few_phases(24, 2400) is every


def test_sparse_cutoffs_of_few_phases_keep_one_a_series():
    sparse = Cutoffs(np.array([0, 0, 1, 1, 2]), np.array([5, 9, 6, 10, 7]))
    few = sparse.of_few_phases(24, 3)
    assert sorted(few.series.tolist()) == [0, 1, 2]
