"""compare: the numbers of backtests side by side, on the same data for all."""

import math

import numpy as np
import pandas as pd
import pytest

import tsssm
from small_models import make_frame
from tsssm import LinearForecaster, MambaForecaster, SeasonalNaive, Training, TransformerForecaster, compare
from tsssm.comparison import diebold_mariano
from tsssm.errors import ConfigError, DataError
from tsssm.forecasters.parameters import parameter_counts
from tsssm.metrics import mae, mase, mse, rmse, seasonal_scale, smape

HORIZON, WINDOWS = 12, 5
METRICS = ("mae", "mse", "rmse", "mase", "smape")


@pytest.fixture(scope="module")
def y():
    return make_frame(500)


def make_models():
    small = {"patch_length": 6, "context_length": 60, "max_steps": 3, "gaps": "mask", "verbose": False}
    mamba = MambaForecaster(HORIZON, d_model=16, n_layers=1, **small)
    return {
        "mamba": mamba,
        "transformer": TransformerForecaster.matched_to(mamba),
        "linear": LinearForecaster(HORIZON, gaps="mask", verbose=False),
        "naive": SeasonalNaive(HORIZON, gaps="mask", verbose=False),
    }


@pytest.fixture(scope="module")
def models():
    return make_models()


@pytest.fixture(scope="module")
def result(models, y):
    return compare(models, y, n_windows=WINDOWS, metrics=METRICS)


def test_each_row_is_the_backtest_of_that_model(result, models, y):
    before = len(y) - WINDOWS * HORIZON
    for name, model in make_models().items():
        alone = model.fit(y.iloc[:before]).backtest(y, n_windows=WINDOWS)
        np.testing.assert_array_equal(result.backtests[name].windows.point, alone.windows.point)
    assert not any(hasattr(model, "model_") for model in models.values())  # the given ones are left as they are
    assert list(result.table.index) == list(models)


def test_errors_are_those_of_the_metrics(result, y):
    known = y.to_numpy()[: len(y) - WINDOWS * HORIZON]
    scale = seasonal_scale(known, 24)[None, :, None]
    for name, backtest in result.backtests.items():
        row, windows = result.table.loc[name], backtest.windows
        for part, point in (("", windows.point), ("_base", windows.base), ("_network", windows.network)):
            if part and (windows.base is None or windows.network is None):
                assert math.isnan(row[f"mae{part}"])
                continue
            actual = backtest.actual
            assert row[f"mae{part}"] == pytest.approx(mae(actual, point))
            assert row[f"mse{part}"] == pytest.approx(mse(actual, point))
            assert row[f"rmse{part}"] == pytest.approx(rmse(actual, point))
            assert row[f"smape{part}"] == pytest.approx(smape(actual, point))
            assert row[f"mase{part}"] == pytest.approx(np.mean(mase(actual, point, scale, axis=(0, 2))))


def test_parameters_and_state(result):
    table = result.table
    assert abs(table.loc["transformer", "backbone"] / table.loc["mamba", "backbone"] - 1) < 0.01
    for name, model in result.models.items():
        assert table.loc[name, "parameters"] == parameter_counts(model).total
        assert table.loc[name, "state_bytes"] == model.state_bytes()
    assert (table["fit_seconds"] > 0).all()
    assert (table["predict_seconds"] > 0).all()


def test_the_test_is_of_window_means(result):
    losses = {name: np.nanmean(np.abs(b.actual - b.windows.point), axis=(1, 2)) for name, b in result.backtests.items()}
    for name, expected in losses.items():
        np.testing.assert_allclose(result.window_losses[name], expected)
    assert math.isnan(result.table.loc["mamba", "p_value"])
    for name in ("transformer", "linear", "naive"):
        expected = diebold_mariano(losses[name], losses["mamba"])
        assert result.table.loc[name, "p_value"] == pytest.approx(expected.p_value)
        assert result.tests[name].statistic == pytest.approx(expected.statistic)


@pytest.mark.parametrize("metric", ["mse", "rmse", "mase", "smape"])
def test_the_first_metric_is_the_loss_of_the_test(metric, y):
    models = [LinearForecaster(HORIZON, gaps="mask", verbose=False), SeasonalNaive(HORIZON, gaps="mask", verbose=False)]
    result = compare(models, y, n_windows=6, metrics=(metric, "mae"))
    for name, b in result.backtests.items():
        error = b.actual - b.windows.point
        scale = seasonal_scale(y.to_numpy()[: b.cutoffs[0]], 24)[None, :, None]
        if metric in ("mse", "rmse"):
            expected = np.nanmean(error**2, axis=(1, 2))
        elif metric == "mase":
            expected = np.nanmean(np.nanmean(np.abs(error) / scale, axis=2), axis=1)
        else:
            expected = np.nanmean(200 * np.abs(error) / (np.abs(b.actual) + np.abs(b.windows.point)), axis=(1, 2))
        np.testing.assert_allclose(result.window_losses[name], expected)


def test_overlapping_windows_are_tested_as_such(y):
    models = [LinearForecaster(HORIZON, gaps="mask", verbose=False), SeasonalNaive(HORIZON, gaps="mask", verbose=False)]
    result = compare(models, y, n_windows=20, step=5)
    a, b = result.window_losses["SeasonalNaive"], result.window_losses["LinearForecaster"]
    assert result.tests["SeasonalNaive"] == diebold_mariano(a, b, horizon=3)  # 12 steps, every 5 rows: 3 overlap


def test_forecasts_are_one_long_frame(result, y):
    frame = result.forecasts
    assert len(frame) == len(result.models) * WINDOWS * HORIZON * y.shape[1]
    mine = frame[frame["model"] == "linear"].drop(columns="model").dropna(axis=1, how="all").reset_index(drop=True)
    theirs = result.backtests["linear"].forecasts.dropna(axis=1, how="all")
    pd.testing.assert_frame_equal(mine, theirs, check_dtype=False)


def test_printed_and_drawn(result):
    text = str(result)
    assert text.splitlines()[0] == "5 windows of 12 steps, 3 series; p_value: against mamba"
    assert f"{result.table.loc['transformer', 'parameters']:,}" in text
    assert "mae_base" not in text
    ax = result.plot()
    assert [line.get_label() for line in ax.lines] == list(result.models)
    backtest = result.backtests["naive"]
    np.testing.assert_allclose(ax.lines[3].get_ydata(), mae(backtest.actual, backtest.windows.point, axis=(0, 1)))


def test_a_fitted_model_is_used_as_it_is_where_it_has_not_seen_the_windows(y):
    linear = LinearForecaster(HORIZON, gaps="mask", verbose=False).fit(y.iloc[:350])
    result = compare({"old": linear, "naive": SeasonalNaive(HORIZON, gaps="mask", verbose=False)}, y, n_windows=4)
    assert result.models["old"] is linear
    assert math.isnan(result.table.loc["old", "fit_seconds"])
    assert any("until different stamps" in note for note in result.notes)
    knowing = LinearForecaster(HORIZON, gaps="mask", verbose=False).fit(y)
    result = compare([knowing], y, n_windows=4)
    fitted = result.models["LinearForecaster"]
    assert fitted is not knowing
    assert fitted.training_end_ == y.index[len(y) - 4 * HORIZON - 1]


def test_equal_models_and_few_windows_are_said(y):
    models = [LinearForecaster(HORIZON, gaps="mask", verbose=False) for _ in range(2)]
    result = compare(models, y, n_windows=4)
    assert list(result.table.index) == ["LinearForecaster", "LinearForecaster 2"]
    assert result.table.loc["LinearForecaster 2", "p_value"] == 1.0
    assert result.notes == ["LinearForecaster 2: the losses are equal in every window"]
    few = compare(models, y, n_windows=3)
    assert math.isnan(few.table.loc["LinearForecaster 2", "p_value"])
    assert "no test: 3 windows" in str(few)


def test_covariates_and_arrays(y):
    X = pd.DataFrame({"price": np.sin(np.arange(len(y)))}, y.index)
    models = make_models()
    del models["transformer"]
    result = compare(models, y[["a"]].interpolate(), X, n_windows=4)
    assert result.models["mamba"].model_.spec.covariates == ("price",)
    values = y["a"].interpolate().to_numpy()
    array = compare([LinearForecaster(HORIZON, patch_length=24, season_length=24, verbose=False)], values, n_windows=4)
    assert array.table.iloc[0]["mae"] == pytest.approx(result.table.loc["linear", "mae"])


def test_refusals(y):
    linear = LinearForecaster(HORIZON, gaps="mask", verbose=False)
    with pytest.raises(ConfigError, match=r"different horizons, \{'LinearForecaster': 12, 'SeasonalNaive': 6\}"):
        compare([linear, SeasonalNaive(6, verbose=False)], y)
    with pytest.raises(ConfigError, match=r"distinct names among mae, mse.*; got \('mape',\)"):
        compare([linear], y, metrics=("mape",))
    with pytest.raises(ConfigError, match="distinct names"):
        compare([linear], y, metrics=("mae", "mae"))
    with pytest.raises(ConfigError, match=r"one or more forecasters; got \[\]"):
        compare([], y)
    with pytest.raises(ConfigError, match="one or more forecasters; got 'mamba'"):
        compare(["mamba"], y)
    with pytest.raises(ConfigError, match="one or more forecasters; got <class"):
        compare(LinearForecaster, y)
    with pytest.raises(ConfigError, match=r"names must differ as text; got \[1, '1'\]"):
        compare({1: linear, "1": linear}, y)
    with pytest.raises(DataError, match="not for n_windows=50"):
        compare([linear], y, n_windows=50)
    with pytest.raises(ConfigError, match="n_windows must be an integer"):
        compare([linear], y, n_windows=0)


def test_different_horizons_can_be_compared_at_a_common_one(y):
    models = [LinearForecaster(12, gaps="mask", verbose=False), SeasonalNaive(6, gaps="mask", verbose=False)]
    result = compare(models, y, horizon=6, n_windows=4)
    assert {backtest.horizon for backtest in result.backtests.values()} == {6}


def test_forecasters_that_share_a_folder_of_checkpoints(y, tmp_path):
    """It belongs to the fit of each forecaster, not to the fits of a comparison."""
    settings = {"max_steps": 2, "d_model": 8, "n_layers": 1, "patch_length": 6, "gaps": "mask", "verbose": False}
    mamba = MambaForecaster(HORIZON, training=Training(checkpoint_dir=tmp_path / "run"), **settings).fit(y)
    kept = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    result = compare({"mamba": mamba, "twin": TransformerForecaster.matched_to(mamba)}, y, n_windows=4)
    assert np.isfinite(result.table["mae"]).all()
    assert mamba.backtest(y, n_windows=2, refit=True).fitted_on == "what precedes each cutoff"
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == kept


def test_a_series_that_repeats_itself_decides_nothing():
    """Its seasonal error is rounding; divided by it, its own error would drown all others."""
    wave, noise = np.sin(np.arange(400) * 2 * np.pi / 24), np.random.default_rng(0).normal(size=400)
    y = pd.DataFrame({"wave": wave, "noise": noise}, index=pd.date_range("2024-01-01", periods=400, freq="h"))
    models = [LinearForecaster(6, verbose=False), SeasonalNaive(6, verbose=False)]
    both = compare(models, y, n_windows=5, metrics=("mase",)).table["mase"]
    assert (both < 10).all()


def test_it_is_at_the_front_door():
    assert tsssm.compare is compare
