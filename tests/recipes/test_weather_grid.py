"""The recipe of gridded fields, run in its small form: what it writes is what it says."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tsssm

RECIPE = Path(__file__).parents[2] / "recipes" / "weather_grid.py"


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("weather_grid", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def out(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weather")
    recipe.main(["--quick", "--out", str(folder)])
    return folder


def opened(path):
    with xr.open_zarr(path, chunks=None) as store:
        return store.load()


def test_the_forecast_store_continues_the_field_on_the_same_grid(out):
    field, forecast = opened(out / "field.zarr")["sst"], opened(out / "forecast.zarr")
    after = pd.date_range(field.indexes["time"][-1] + pd.Timedelta("3h"), periods=16, freq="3h")
    assert forecast.indexes["time"].equals(after)
    xr.testing.assert_identical(forecast["latitude"].reset_coords(drop=True), field["latitude"].reset_coords(drop=True))
    assert forecast["sst"].attrs == field.attrs
    assert forecast["sst"].dtype == np.float32
    land = field.isnull().all("time")
    assert 0 < int(land.sum()) < land.size // 2
    assert (forecast["sst"].isnull() == land).all()
    quantiles = forecast["sst_quantiles"]
    assert (quantiles.diff("quantile").where(~land, 0) >= 0).all()
    xr.testing.assert_equal(quantiles.sel(quantile=0.5, drop=True).rename("sst"), forecast["sst"])
    model = tsssm.load(out / "model")
    xr.testing.assert_allclose(model.predict(field), forecast["sst"])


def test_a_later_step_can_be_appended_to_the_store(out, tmp_path):
    forecast = opened(out / "forecast.zarr")
    later = forecast.isel(time=[-1]).assign_coords(time=[forecast.indexes["time"][-1] + pd.Timedelta("15min")])
    import shutil
    import warnings

    shutil.copytree(out / "forecast.zarr", tmp_path / "store.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr's third format
        later.drop_encoding().to_zarr(tmp_path / "store.zarr", append_dim="time")
    assert opened(tmp_path / "store.zarr").indexes["time"][-1] == later.indexes["time"][0]


def test_the_scores_are_those_of_the_forecasts_by_hand(out, recipe):
    field, scores = opened(out / "field.zarr")["sst"], pd.read_csv(out / "scores.csv")
    assert set(scores["forecast"]) == {"tsssm", "persistence", "climatology"}
    train = field.isel(time=slice(-len(field.time) // 5 if len(field.time) // 5 > 48 else -48))
    usual = train.groupby("time.hour").mean()
    filled = field.to_series().unstack("time").ffill(axis=1)
    n_test = max(48, len(field.time) // 5)
    cutoffs = [len(field.time) - 16 - 3 * k for k in range((n_test - 16) // 3)]
    total, weight = {"persistence": 0.0, "climatology": 0.0}, 0.0
    for cutoff in cutoffs:  # the third step ahead
        seen = field.isel(time=cutoff + 2)
        last = filled.iloc[:, cutoff - 1].to_xarray()
        mean = usual.sel(hour=pd.Timestamp(seen["time"].values).hour)
        bands = np.sin(np.deg2rad(seen["latitude"] + 1.5)) - np.sin(np.deg2rad(seen["latitude"] - 1.5))
        scored = bands.broadcast_like(seen).where(seen.notnull())
        total["persistence"] += float((scored * abs(last - seen)).sum())
        total["climatology"] += float((scored * abs(mean - seen)).sum())
        weight += float(scored.sum())
    at = scores[scores["lead"] == "0 days 09:00:00"].set_index("forecast")["mae"]
    for name, sum_of_errors in total.items():
        assert at[name] == pytest.approx(sum_of_errors / weight, rel=1e-5)
    assert scores["rmse"].ge(scores["mae"]).all()


def test_the_model_is_better_than_climatology_near_and_persistence_far(out):
    rmse = pd.read_csv(out / "scores.csv").pivot(index="lead", columns="forecast", values="rmse")
    assert rmse["tsssm"].iloc[0] < rmse["climatology"].iloc[0]


def test_pictures_are_written(out):
    for name in ("map.png", "errors.png"):
        content = (out / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 20_000


def test_climatology_of_many_years_is_that_of_the_season(recipe):
    hours = pd.date_range("2020-01-01", "2022-12-31 18:00", freq="6h")
    warm = 10.0 * np.cos(2 * np.pi * hours.day_of_year.to_numpy() / 365.25)
    train = xr.DataArray(warm[:, None], {"time": hours, "latitude": [50.0]}, ("time", "latitude"))
    valid = np.array([["2023-01-05", "2023-07-05"]], dtype="M8[ns]")
    like = xr.DataArray(np.zeros((1, 2, 1)), dims=("cutoff", "step", "latitude")).assign_coords(
        valid_time=(("cutoff", "step"), valid)
    )
    winter, summer = recipe.climatology(train, like).to_numpy().ravel()
    assert winter == pytest.approx(10.0, abs=0.5)
    assert summer == pytest.approx(-10.0, abs=0.5)


def test_a_store_of_ones_own(recipe, tmp_path, out):
    field = opened(out / "field.zarr")["sst"].rename("t2m").transpose("longitude", "latitude", "time")
    field = field.rename(latitude="lat", longitude="lon").reindex(lat=field.latitude.values[::-1])
    field.to_dataset().drop_encoding().to_zarr(tmp_path / "own.zarr", zarr_format=2)
    arguments = ["--quick", "--store", str(tmp_path / "own.zarr"), "--variable", "t2m", "--horizon", "4"]
    recipe.main([*arguments, "--out", str(tmp_path / "out")])
    forecast = opened(tmp_path / "out" / "forecast.zarr")["t2m"]
    assert forecast.dims == ("lon", "lat", "time")
    assert forecast["lat"].values.tolist() == sorted(forecast["lat"].values)
    assert (tmp_path / "out" / "map.png").is_file()
