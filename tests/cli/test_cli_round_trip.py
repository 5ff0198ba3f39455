"""fit -> predict -> backtest on CSV files gives the numbers of the Python API on the same data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tsssm
from cli.cli_csv import EXACT, N_FUTURE, csv_frame, run, sales_frame

HORIZON, STEPS = 12, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with sales.csv, and the model that the command line fits on it."""
    path = tmp_path_factory.mktemp("round_trip")
    sales_frame().to_csv(path / "sales.csv")
    said = run(
        "fit",
        path / "sales.csv",
        "--horizon",
        HORIZON,
        "--x",
        "price",
        "--max-steps",
        STEPS,
        "--seed",
        5,
        "--out",
        path / "model",
    )
    (path / "said.txt").write_text(said)
    return path


@pytest.fixture(scope="module")
def table(folder):
    return csv_frame(folder / "sales.csv")


@pytest.fixture(scope="module")
def model(table):
    y = table[["north", "south"]].iloc[:-N_FUTURE]
    fitted = tsssm.Forecaster(HORIZON, max_steps=STEPS, random_state=5, verbose=False)
    return fitted.fit(y, table[["price"]])


def test_fit_prints_what_it_took_and_the_summary(folder):
    said = (folder / "said.txt").read_text()
    assert "series: north, south" in said
    assert f"covariates: price; {N_FUTURE} rows beyond the series" in said
    assert "columns without numbers left out: weather" in said
    assert str(tsssm.load(folder / "model").summary()) in said
    assert said.splitlines()[-1] == f"saved in {folder / 'model'}"


def test_predict_continues_the_data_with_their_own_future_covariates(folder, model):
    written = csv_frame(run("predict", folder / "model"))
    pd.testing.assert_frame_equal(written, model.predict(), check_freq=False, check_dtype=True)
    assert written.index.name == "when"
    assert written.index[0] == pd.Timestamp("2024-03-04") + pd.Timedelta(hours=400 - N_FUTURE)


def test_predict_adds_intervals_by_name(folder, model):
    written = csv_frame(run("predict", folder / "model", "--coverage", 0.8))
    interval, point = model.predict_interval(coverage=0.8), model.predict()
    assert list(written) == ["north", "north_lower", "north_upper", "south", "south_lower", "south_upper"]
    for name in ("north", "south"):
        np.testing.assert_array_equal(written[name], point[name])
        for bound in ("lower", "upper"):
            np.testing.assert_array_equal(written[f"{name}_{bound}"], interval[name, bound])


def test_predict_adds_quantiles_by_name(folder, model):
    written = csv_frame(run("predict", folder / "model", "--quantiles", "0.1,0.35"))
    quantiles = model.predict_quantiles(levels=(0.1, 0.35))
    assert list(written)[:3] == ["north", "north_q0.1", "north_q0.35"]
    np.testing.assert_array_equal(written["south_q0.35"], quantiles["south", 0.35])


def test_predict_from_newer_data_takes_covariates_from_both_files(folder, table, model):
    known = 300
    table.iloc[:known].to_csv(folder / "newer.csv")
    table[["price"]].iloc[known:].to_csv(folder / "future.csv")
    out = folder / "new" / "forecast.csv"
    said = run(
        "predict", folder / "model", "--data", folder / "newer.csv", "--x-future", folder / "future.csv", "--out", out
    )
    assert said == f"forecasts written to {out}\n"
    expected = model.predict(table[["north", "south"]].iloc[:known], table[["price"]])
    pd.testing.assert_frame_equal(csv_frame(out), expected, check_freq=False)
    assert list(out.parent.iterdir()) == [out]


def test_predict_from_newer_data_finds_future_covariates_below_the_series(folder, table, model):
    moved = table.set_axis(table.index + pd.Timedelta(days=7)).rename_axis("when")
    moved.to_csv(folder / "moved.csv")
    written = csv_frame(run("predict", folder / "model", "--data", folder / "moved.csv"))
    expected = model.predict(moved[["north", "south"]].iloc[:-N_FUTURE], moved[["price"]])
    pd.testing.assert_frame_equal(written, expected, check_freq=False)


def test_predict_one_series_of_a_file(folder, table, model):
    written = csv_frame(run("predict", folder / "model", "--data", folder / "sales.csv", "--target", "south"))
    expected = model.predict(table[["south"]].iloc[:-N_FUTURE], table[["price"]])
    pd.testing.assert_frame_equal(written, expected, check_freq=False)


def test_backtest_of_a_saved_model_equals_the_python_api(folder, table, model):
    y, X = table[["north", "south"]].iloc[:-N_FUTURE], table[["price"]]
    out, plot = folder / "forecasts.csv", folder / "plot.png"
    said = run(
        "backtest",
        folder / "sales.csv",
        "--model",
        folder / "model",
        "--windows",
        3,
        "--step",
        7,
        "--out",
        out,
        "--plot",
        plot,
    )
    expected = model.backtest(y, X, n_windows=3, step=7)
    assert "fitted on what precedes the first cutoff" in said
    for figure in expected.metrics.loc[("both", "north")]:
        assert f"{figure:.4g}" in said
    written = pd.read_csv(out, parse_dates=["cutoff", "time"], **EXACT)
    pd.testing.assert_frame_equal(written, expected.forecasts, check_dtype=False)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_backtest_leaves_a_model_alone_that_has_not_seen_the_windows(folder, table, model):
    later = table.set_axis(table.index + pd.Timedelta(days=30)).rename_axis("when")
    later.to_csv(folder / "later.csv")
    said = run("backtest", folder / "later.csv", "--model", folder / "model", "--windows", 2)
    assert "fitted on the whole of fit's data" in said
    metrics = model.backtest(later[["north", "south"]].iloc[:-N_FUTURE], later[["price"]], n_windows=2).metrics
    assert f"{metrics.loc[('both', 'all'), 'MAE']:.4g}" in said


def test_backtest_of_a_new_forecaster(folder, table):
    options = ["--horizon", "6", "--forecaster", "linear", "--target", "north", "--x", "price", "--windows", "2"]
    said = run("backtest", folder / "sales.csv", *options)
    known = table[["north"]].iloc[:-N_FUTURE]
    expected = tsssm.LinearForecaster(6, verbose=False).backtest(known, n_windows=2)
    assert f"{expected.metrics.loc[('both', 'north'), 'MASE']:.4g}" in said
    assert said.splitlines()[1] == f"2 windows of 6 steps, from {known.index[-12]} to {known.index[-1]}"


def test_a_forecaster_without_a_network_says_that_it_leaves_covariates_out(folder, table):
    options = ["--horizon", "6", "--x", "price", "--forecaster", "seasonal-naive"]
    said = run("fit", folder / "sales.csv", *options, "--out", folder / "naive")
    assert "does not use covariates; price left out" in said
    written = csv_frame(run("predict", folder / "naive"))
    np.testing.assert_allclose(written["north"], table["north"].iloc[-N_FUTURE - 24 :][:6], rtol=1e-6)


def test_missing_rows_are_refused_or_masked(folder, table):
    gappy = table[["north"]].iloc[:300].drop(table.index[[50, 51, 120]])
    gappy.to_csv(folder / "gappy.csv")
    settings = ("fit", folder / "gappy.csv", "--horizon", 6, "--forecaster", "linear", "--out", folder / "gappy")
    assert "y lacks 3 rows at frequency 'h', the first at 2024-03-06 02:00:00" in run(*settings, code=2)
    assert not (folder / "gappy").exists()
    assert run(*settings, "--gaps", "mask", "--quiet") == ""
    expected = tsssm.LinearForecaster(6, gaps="mask", verbose=False).fit(gappy).predict()
    pd.testing.assert_frame_equal(csv_frame(run("predict", folder / "gappy")), expected, check_freq=False)


def test_whole_numbers_can_be_the_time(tmp_path):
    frame = pd.DataFrame({"day": np.arange(5, 205), "sales": np.arange(200) % 7})
    frame.to_csv(tmp_path / "days.csv", index=False)
    run(
        "fit", tmp_path / "days.csv", "--time", "day", "--horizon", 3, "--forecaster", "linear", "--out", tmp_path / "m"
    )
    written = csv_frame(run("predict", tmp_path / "m"), dates=False)
    assert written.index.tolist() == [205, 206, 207]
    np.testing.assert_allclose(written["sales"], [4, 5, 6], atol=1e-3)  # a pattern of 7 days that repeats exactly


def test_freq_settles_what_two_stamps_cannot_tell(tmp_path):
    (tmp_path / "two.csv").write_text("t,v\n2024-01-01,1\n2024-02-01,2\n")
    run("fit", tmp_path / "two.csv", "--horizon", 1, "--forecaster", "linear", "--freq", "MS", "--out", tmp_path / "m")
    assert csv_frame(run("predict", tmp_path / "m")).index.tolist() == [pd.Timestamp("2024-03-01")]


def test_a_model_fitted_in_python_on_an_array_is_served(tmp_path):
    y = np.sin(np.arange(200.0))
    model = tsssm.LinearForecaster(3, verbose=False).fit(y)
    model.save(tmp_path / "m")
    written = csv_frame(run("predict", tmp_path / "m", "--coverage", 0.5), dates=False)
    assert written.index.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(written["0"], model.predict())
    np.testing.assert_array_equal(written[["0_lower", "0_upper"]], model.predict_interval(coverage=0.5))
