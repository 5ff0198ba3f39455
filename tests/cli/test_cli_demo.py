"""The demonstration: its figures are those of the Python API, and it leaves nothing behind but what it says."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tsssm
import tsssm_datasets
from cli.cli_csv import run
from tsssm.cli.app import app
from tsssm.cli.demonstration import follow as follow_module
from tsssm.cli.demonstration import plan as plan_module
from tsssm.cli.demonstration.follow import follow
from tsssm.cli.demonstration.plan import Plan
from tsssm.cli.demonstration.plots import typical_window

TINY = Plan(max_steps=2, rows=1500, windows=5, stream_hours=6)
FILES = {"scores.csv", "forecasts.csv", "forecast.png", "backtest.png", "error_by_step.png"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A demonstration of two training steps: what it printed, and where."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "QUICK", TINY)
        patch.chdir(folder)
        return run("demo", "--quick", "--out", "out"), folder


def test_it_writes_what_it_says_and_nothing_else(tiny):
    said, folder = tiny
    assert {path.name for path in folder.iterdir()} == {"out"}
    assert {path.name for path in (folder / "out").iterdir()} == FILES
    assert all(f"out/{name}" in said for name in FILES)
    assert all((folder / "out" / name).read_bytes().startswith(b"\x89PNG") for name in FILES if name.endswith("png"))


def test_its_scores_are_those_of_the_python_api(tiny):
    said, folder = tiny
    y = tsssm_datasets.load("electricity").iloc[-1500:]
    scores = pd.read_csv(folder / "out" / "scores.csv", index_col="forecaster")
    model = tsssm.MambaForecaster(24, max_steps=2, verbose=False).fit(y.iloc[:1200])
    both = model.backtest(y, n_windows=5).metrics.loc[("both", "electricity")]
    measured = ["MASE", "RMSSE", "MAE", "coverage_80"]
    np.testing.assert_allclose(scores.loc["MambaForecaster", measured].astype(float), both[measured], rtol=1e-9)
    assert re.search(rf"MambaForecaster +{both['MASE']:.3f} +{both['RMSSE']:.3f} +{both['MAE']:.1f}", said)


def test_the_naive_scores_are_those_of_a_hand_made_forecast_on_one_scale(tiny):
    _, folder = tiny
    y = tsssm_datasets.load("electricity").iloc[-1500:].to_numpy()
    scores = pd.read_csv(folder / "out" / "scores.csv", index_col="forecaster")
    first = 1500 - 5 * 24
    scale = np.abs(y[24:first] - y[: first - 24]).mean()
    for title, season in (("as yesterday", 24), ("as last week", 168)):
        error = np.abs(y[first:] - y[first - season : 1500 - season]).mean()
        row = scores.loc[f"SeasonalNaive, {title}"]
        np.testing.assert_allclose([row["MAE"], row["MASE"]], [error, error / scale], rtol=1e-6)


def test_its_forecasts_are_all_there(tiny):
    _, folder = tiny
    forecasts = pd.read_csv(folder / "out" / "forecasts.csv")
    assert forecasts.groupby("forecaster").size().tolist() == [5 * 24] * 4
    y = tsssm_datasets.load("electricity")
    np.testing.assert_allclose(forecasts["y"], y[pd.to_datetime(forecasts["time"])], rtol=1e-12)


def test_it_says_that_a_quick_run_is_not_the_models_best_and_what_next(tiny):
    said, _ = tiny
    assert "quick run" in said
    commands = said.rpartition("What next")[2].strip().splitlines()
    assert [line.split()[:2] for line in commands] == [["tsssm", name] for name in ("datasets", "fit", "predict")]


def test_a_stream_that_differs_ends_the_demonstration_with_exit_code_1(tmp_path, monkeypatch):
    def off(*arguments):
        followed = follow(*arguments)
        return follow_module.Followed(followed.hours, 2e-4, 1.0, 1.0, followed.state_bytes)

    monkeypatch.setattr(plan_module, "QUICK", TINY)
    monkeypatch.setattr(follow_module, "follow", off)
    result = CliRunner().invoke(app, ["demo", "--quick", "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert result.stderr.startswith("tsssm: the stream's forecasts differ")


def test_following_measures_the_difference_of_the_forecasts():
    y = pd.Series(np.sin(np.arange(300.0)), pd.date_range("2024-01-01", periods=300, freq="h"))
    model = tsssm.LinearForecaster(4, verbose=False).fit(y.iloc[:250])
    assert follow(model, y, 250, 10).largest_difference < 1e-5

    class Shifted:
        """Predicts 0.5 too much in batch."""

        stream = staticmethod(model.stream)

        @staticmethod
        def predict(y):
            return model.predict(y) + 0.5

    shifted = follow(Shifted(), y, 250, 10)
    assert shifted.largest_difference == pytest.approx(0.5 / y.iloc[:250].std(), rel=1e-4)


def test_the_typical_window_has_the_median_error():
    y = pd.Series(np.random.default_rng(0).normal(size=400), pd.date_range("2024-01-01", periods=400, freq="h"))
    result = tsssm.LinearForecaster(5, verbose=False).fit(y.iloc[:300]).backtest(y, n_windows=7)
    table = result.forecasts
    errors = (table["y"] - table["point"]).abs().groupby(table["cutoff"]).mean()
    assert errors.iloc[typical_window(result)] == pytest.approx(errors.median())


@pytest.mark.slow
def test_the_quick_demonstration_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run("demo", "--quick")
    assert {path.name for path in tmp_path.iterdir()} == {"tsssm-demo"}
    assert {path.name for path in (tmp_path / "tsssm-demo").iterdir()} == FILES
    assert float(re.search(r"on the whole history +(\S+) of the series' deviation", said)[1]) < 1e-4
