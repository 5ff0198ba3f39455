"""The recipe of a demand forecast, run in its small form: what it writes is what it says."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsssm
from tsssm_datasets import load

RECIPE = Path(__file__).parents[2] / "recipes" / "demand_forecast.py"


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("demand_forecast", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def out(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demand")
    recipe.main(["--quick", "--windows", "8", "--out", str(folder)])
    return folder


def test_the_naive_rival_is_the_same_hour_of_last_week(out):
    y = load("electricity")
    test = y["2014-12-24":]
    week_before = y.shift(168).loc[test.index]
    errors = pd.read_csv(out / "errors.csv", index_col="model")
    assert list(errors.index) == ["mamba", "linear", "same hour last week"]
    assert errors.loc["same hour last week", "mae"] == pytest.approx((test - week_before).abs().mean(), rel=1e-6)


def test_the_forecast_is_that_of_the_saved_model_with_the_holiday_ahead(recipe, out):
    forecast = pd.read_csv(out / "forecast.csv", index_col="time", parse_dates=True)
    assert (len(forecast), forecast.index[0]) == (24, pd.Timestamp("2015-01-01"))
    y, model = load("electricity")["2014-08":], tsssm.load(out / "model")
    hours = pd.date_range("2014-08-01", "2015-01-01 23:00", freq="h")
    X = pd.DataFrame({"holiday": 0.0, "eve": 0.0}, hours)
    for day in ("2014-08-15", "2014-12-08", "2014-12-25", "2015-01-01"):
        X.loc[day, "holiday"] = 1.0
    for day in ("2014-08-14", "2014-12-07", "2014-12-24", "2014-12-31"):
        X.loc[day, "eve"] = 1.0
    np.testing.assert_allclose(forecast["forecast"], model.predict(y, X), rtol=1e-5)
    assert (forecast["lower"] < forecast["forecast"]).all()
    assert (forecast["forecast"] < forecast["upper"]).all()
    pd.testing.assert_frame_equal(recipe.holidays(hours), X)


def test_pictures_are_written(out):
    for name in ("data.png", "windows.png", "forecast.png"):
        content = (out / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 15_000


def test_a_file_of_ones_own(recipe, tmp_path, capsys):
    hours = pd.date_range("2024-01-01", periods=600, freq="h")
    demand = 50.0 + 9.0 * np.sin(np.arange(600) * 2 * np.pi / 24)
    pd.DataFrame({"load": demand}, hours).to_csv(tmp_path / "load.csv")
    arguments = ["--quick", "--data", str(tmp_path / "load.csv"), "--horizon", "6", "--windows", "3"]
    recipe.main([*arguments, "--out", str(tmp_path / "out")])
    assert "600 hours" in capsys.readouterr().out
    forecast = pd.read_csv(tmp_path / "out" / "forecast.csv", index_col="time", parse_dates=True)
    assert (len(forecast), forecast.index[0]) == (6, pd.Timestamp("2024-01-26"))
