"""Backtests: never in-sample, and each window equal to `predict` at its cutoff."""

import numpy as np
import pandas as pd
import pytest

from small_models import randomise
from tsssm import Forecaster, LinearForecaster, MambaForecaster, SeasonalNaive
from tsssm.metrics import seasonal_scale


@pytest.mark.parametrize("step", [1, 5, 6, 12])
def test_each_window_equals_predict_at_its_cutoff(fitted, frame, price, step):
    backtest = fitted.backtest(frame.iloc[:650], price, horizon=8, n_windows=9, step=step)
    assert backtest.fitted_on == "the whole of fit's data"
    forecasts = backtest.forecasts
    assert len(forecasts) == 9 * 3 * 8
    for cutoff, window in forecasts.groupby("cutoff"):
        known = frame.loc[:cutoff]
        expected = fitted.predict_quantiles(known, price, levels=fitted.model_.spec.levels).iloc[:8]
        for name, rows in window.groupby("series"):
            columns = [f"q{level!r}" for level in fitted.model_.spec.levels]
            scale = np.nanstd(frame[name])
            np.testing.assert_allclose(rows[columns] / scale, expected[name] / scale, atol=1e-5)
            np.testing.assert_array_equal(rows["y"], frame[name].loc[rows["time"]])
            np.testing.assert_allclose(rows["point"], rows["q0.5"], rtol=1e-6)
            np.testing.assert_allclose(rows["point"], 0.5 * (rows["base"] + rows["network"]), rtol=1e-6)
            assert rows["step"].tolist() == list(range(1, 9))


def test_a_series_that_has_not_begun_is_not_forecast(fitted, frame, price):
    backtest = fitted.backtest(frame, price, n_windows=49, step=12)
    assert backtest.fitted_on == "what precedes the first cutoff"
    forecasts = backtest.forecasts.set_index("series")
    early = forecasts["cutoff"] < frame["b"].first_valid_index()
    assert forecasts.loc["b", "point"][early.loc["b"]].isna().all()
    assert forecasts.loc["a", "point"].notna().all()


def test_it_is_never_in_sample(frame):
    y = frame["a"].ffill()
    model = LinearForecaster(4, verbose=False).fit(y.iloc[:600])
    inside = model.backtest(y.iloc[:600], n_windows=5)
    assert inside.fitted_on == "what precedes the first cutoff"
    clone = LinearForecaster(4, verbose=False).fit(y.iloc[:580])
    expected = clone.backtest(y.iloc[:600], n_windows=5)
    assert expected.fitted_on == "the whole of fit's data"
    pd.testing.assert_frame_equal(inside.forecasts, expected.forecasts)
    unfitted = LinearForecaster(4, verbose=False).backtest(y.iloc[:600], n_windows=5)
    pd.testing.assert_frame_equal(unfitted.forecasts, expected.forecasts)
    assert model.training_end_ == y.index[599]  # the forecaster itself is left alone


def test_refitting_before_each_window(frame):
    y = frame["a"].ffill()
    backtest = LinearForecaster(4, verbose=False).backtest(y, n_windows=3, refit=True)
    assert backtest.fitted_on == "what precedes each cutoff"
    for cutoff, window in backtest.forecasts.groupby("cutoff"):
        expected = LinearForecaster(4, verbose=False).fit(y.loc[:cutoff]).predict()
        np.testing.assert_allclose(window["point"], expected, rtol=1e-5)


def test_metrics_are_those_of_the_forecasts(frame):
    y = frame[["a", "c"]].ffill().bfill()
    y.iloc[690, 0] = np.nan
    backtest = SeasonalNaive(6, verbose=False).fit(y.iloc[:600]).backtest(y, n_windows=10)
    forecasts, metrics = backtest.forecasts, backtest.metrics
    assert metrics.index.tolist() == [("both", "a"), ("both", "c"), ("both", "all")]
    error = (forecasts["y"] - forecasts["point"]).abs()
    by_series = error.groupby(forecasts["series"]).mean()
    first = backtest.cutoffs[0]
    for name in ("a", "c"):
        assert metrics.loc[("both", name), "MAE"] == pytest.approx(by_series[name])
        scale = np.abs(y[name].to_numpy()[24:first] - y[name].to_numpy()[: first - 24]).mean()
        assert metrics.loc[("both", name), "MASE"] == pytest.approx(by_series[name] / scale)
    assert metrics.loc[("both", "all"), "MAE"] == pytest.approx(error.mean())
    mean = metrics.loc[[("both", "a"), ("both", "c")], "MASE"].mean()
    assert metrics.loc[("both", "all"), "MASE"] == pytest.approx(mean)
    known = forecasts[forecasts["y"].notna()]
    inside = known["y"].between(known["q0.1"], known["q0.9"]).mean()
    assert metrics.loc[("both", "all"), "coverage_80"] == pytest.approx(inside)
    assert seasonal_scale(y["a"].to_numpy()[:first], 24) > 0


def test_parts_are_told_apart(fitted, frame, price):
    metrics = fitted.backtest(frame.iloc[:600], price, n_windows=4).metrics
    assert metrics.index.get_level_values("part").unique().tolist() == ["both", "base", "network"]
    assert metrics.loc["both", "coverage_80"].notna().all()


def test_arrays_and_integer_stamps(frame):
    values = frame["a"].ffill().to_numpy()
    model = MambaForecaster(4, d_model=8, n_layers=1, max_steps=2, verbose=False)
    backtest = randomise(model.fit(values[:600])).backtest(values, n_windows=6)
    assert backtest.forecasts["cutoff"].unique().tolist() == [675, 679, 683, 687, 691, 695]
    np.testing.assert_allclose(backtest.forecasts["point"].tail(4), model.predict(values[:-4]), rtol=1e-6)


def test_intervals_cover_what_they_promise_on_steady_data():
    """Noise of known size: the 80% interval holds about 80% of what follows."""
    random = np.random.default_rng(0)
    y = pd.Series(10 + random.normal(size=6000), pd.date_range("2024-01-01", periods=6000, freq="h"))
    for model in (
        LinearForecaster(6, verbose=False),
        Forecaster(6, d_model=8, n_layers=2, max_steps=30, verbose=False),
    ):
        covered = model.fit(y.iloc[:4000]).backtest(y, n_windows=300).metrics["coverage_80"].iloc[0]
        assert 0.75 < covered < 0.85


def test_names_that_are_tuples_and_one_named_all(frame):
    y = frame[["a", "c"]].ffill().bfill()
    y.columns = pd.MultiIndex.from_tuples([("north", "load"), ("south", "load")])
    backtest = LinearForecaster(4, verbose=False).fit(y.iloc[:600]).backtest(y, n_windows=3)
    assert set(backtest.forecasts["series"]) == set(y.columns)
    assert len(backtest.metrics) == 3
    named = y.set_axis(["all", "rest"], axis=1)
    metrics = LinearForecaster(4, verbose=False).fit(named.iloc[:600]).backtest(named, n_windows=3).metrics
    assert metrics.index.get_level_values("series").tolist() == ["all", "rest", "all series"]


def test_missing_rows_with_covariates_where_a_clone_is_fitted(frame, price):
    holes = frame.index[[50, 51, 640]]
    model = Forecaster(4, gaps="mask", d_model=8, n_layers=2, max_steps=1, verbose=False)
    y, x = frame["a"].drop(holes), price.drop(holes)
    for refit in (False, True):
        assert model.backtest(y, x, n_windows=2, refit=refit).metrics["MAE"].notna().all()


def test_a_horizon_changed_after_fit_is_fitted_anew(frame):
    y = frame["a"].ffill()
    model = LinearForecaster(4, verbose=False).fit(y.iloc[:600]).set_params(horizon=10)
    backtest = model.backtest(y, n_windows=3)
    assert backtest.fitted_on == "what precedes the first cutoff"
    assert backtest.horizon == 10


def test_plot_and_text(fitted, frame, price):
    import matplotlib.pyplot as plt

    backtest = fitted.backtest(frame.iloc[:600], price, n_windows=4)
    first = backtest.plot()
    assert len(first.lines) >= 2
    plt.close(first.figure)
    ax = backtest.plot("c")
    assert len(ax.lines) >= 2
    plt.close(ax.figure)
    assert "4 windows of 12 steps, 3 series, fitted on the whole of fit's data" in repr(backtest)
