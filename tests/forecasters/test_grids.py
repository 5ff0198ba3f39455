"""Forecasts of grids: the same numbers as of the same cells in a frame, in the user's own grid."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tsssm
from small_grids import as_frame, make_grid
from small_models import randomise
from tsssm import LinearForecaster, MambaForecaster
from tsssm.errors import ConfigError, DataError, ModelFileError, StreamError

HORIZON = 5


def linear(**settings):
    return LinearForecaster(HORIZON, verbose=False, **settings)


def network():
    return MambaForecaster(
        HORIZON, d_model=16, n_layers=1, patch_length=6, max_steps=3, learning_rate=1e-3, verbose=False
    )


@pytest.fixture(scope="module")
def grid():
    return make_grid()


@pytest.fixture(scope="module")
def model(grid):
    return linear().fit(grid)


def flat(forecast):
    """The observed cells of a forecast, (steps, cells[, labels])."""
    values = forecast.to_numpy()
    values = values.reshape(len(values), 12, *values.shape[3:])
    return np.delete(values, 6, axis=1)


@pytest.mark.parametrize("make", [linear, network])
def test_a_grid_is_forecast_as_the_frame_of_its_cells(make, grid):
    ours, frame = make().fit(grid), make().fit(as_frame(grid))
    np.testing.assert_array_equal(flat(ours.predict()), frame.predict().to_numpy())
    np.testing.assert_array_equal(
        flat(ours.predict_quantiles(levels=[0.1, 0.5])).reshape(HORIZON, -1),
        frame.predict_quantiles(levels=[0.1, 0.5]).to_numpy(),
    )
    recent = grid.isel(time=slice(100, 200))
    np.testing.assert_array_equal(flat(ours.predict(recent)), frame.predict(as_frame(recent)).to_numpy())


def test_the_forecast_is_the_users_grid_with_the_horizons_stamps(grid, model):
    forecast = model.predict()
    after = pd.date_range(grid.indexes["time"][-1] + pd.Timedelta("1h"), periods=HORIZON, freq="h")
    values = np.zeros((HORIZON, 3, 4), np.float32)
    like = grid.isel(time=slice(HORIZON)).drop_vars("step").copy(data=values)
    like = like.assign_coords(time=("time", after, grid.time.attrs))
    xr.testing.assert_identical(forecast.copy(data=values), like)  # dimensions, coordinates, attributes, name, dtype
    assert forecast.dtype == np.float32
    assert forecast.latitude.values.tolist() == [52.5, 52.0, 51.5]
    np.testing.assert_array_equal(np.isnan(forecast).all("time"), np.isnan(grid).all("time"))
    assert int(np.isnan(forecast).sum()) == HORIZON


def test_quantiles_and_bounds_are_a_last_dimension(model):
    quantiles = model.predict_quantiles(levels=[0.1, 0.5, 0.9])
    assert quantiles.dims == ("time", "latitude", "longitude", "quantile")
    assert quantiles["quantile"].values.tolist() == [0.1, 0.5, 0.9]
    xr.testing.assert_identical(quantiles.sel(quantile=0.5, drop=True), model.predict())
    interval = model.predict_interval(coverage=0.8)
    assert interval["bound"].values.tolist() == ["lower", "upper"]
    np.testing.assert_array_equal(interval.sel(bound="upper"), quantiles.sel(quantile=0.9))
    assert interval.attrs == model.predict().attrs


@pytest.mark.parametrize("dims", [("longitude", "time", "latitude"), ("latitude", "longitude", "time")])
def test_transposed_grids_get_transposed_forecasts(grid, model, dims):
    turned = grid.transpose(*dims)
    forecast = model.predict(turned)
    assert forecast.dims == dims
    xr.testing.assert_identical(forecast.transpose(*grid.dims), model.predict())
    refitted = linear().fit(turned).predict_quantiles()
    assert refitted.dims == (*dims, "quantile")
    xr.testing.assert_allclose(refitted.transpose(*grid.dims, "quantile"), model.predict_quantiles(), rtol=1e-5)


def test_the_order_of_cells_does_not_matter(grid, model):
    order = {"latitude": [2, 0, 1], "longitude": [3, 2, 0, 1]}
    xr.testing.assert_identical(model.predict(grid.isel(order)), model.predict().isel(order))


def test_a_part_of_the_grid_and_unseen_cells_are_served(grid, model):
    xr.testing.assert_identical(model.predict(grid.isel(latitude=[0])), model.predict().isel(latitude=[0]))
    moved = grid.assign_coords(latitude=[10.0, 9.0, 8.0])
    assert model.predict(moved).latitude.values.tolist() == [10.0, 9.0, 8.0]


def test_a_cell_that_is_silent_in_new_data_is_nan_in_its_forecast(grid, model):
    recent = grid.isel(time=slice(-30, None)).copy(deep=True)
    recent[:, 0, 1] = np.nan
    forecast = model.predict(recent)
    assert np.isnan(forecast[:, 0, 1]).all()
    assert int(np.isnan(forecast).sum()) == 2 * HORIZON
    expected = model.predict(grid.isel(time=slice(-30, None)))
    xr.testing.assert_identical(forecast.isel(longitude=0), expected.isel(longitude=0))


def test_a_dataset_of_two_variables(grid):
    pressure = (grid.isel(longitude=slice(2)) * 350.0).astype("f8").assign_attrs(units="Pa").rename("msl")
    data = xr.Dataset({"t2m": grid, "msl": pressure.reset_coords(drop=True)}, attrs={"title": "two fields"})
    model = linear().fit(data.assign(msl=data["msl"].transpose("longitude", "latitude", "time")))
    forecast = model.predict()
    assert list(forecast.data_vars) == ["t2m", "msl"]
    assert forecast.attrs == {"title": "two fields"}
    assert forecast["msl"].dims == ("longitude", "latitude", "time")
    assert (forecast["t2m"].dtype, forecast["msl"].dtype) == (np.float32, np.float64)
    assert forecast["msl"].attrs["units"] == "Pa"
    # msl is t2m times 350: what is linear has no other forecast for it
    np.testing.assert_allclose(
        forecast["msl"].transpose("time", "latitude", "longitude").isel(longitude=slice(2)),
        350.0 * forecast["t2m"].isel(longitude=slice(2)),
        rtol=1e-4,
    )
    interval = model.predict_interval()
    assert interval["t2m"].dims == ("time", "latitude", "longitude", "bound")
    xr.testing.assert_identical(model.predict(data[["t2m"]])["t2m"], forecast["t2m"])


def test_forecasts_go_to_zarr_and_come_back(grid, tmp_path):
    packed = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768, "chunks": (100, 1, 4)}
    source = grid.to_dataset().assign(flux=grid * 2)
    source.to_zarr(tmp_path / "in.zarr", zarr_format=2, encoding={"t2m": packed, "flux": {"chunks": (7, 3, 4)}})
    opened = xr.open_zarr(tmp_path / "in.zarr", chunks=None)
    model = linear().fit(opened)
    for number, forecast in enumerate((model.predict(), model.predict_quantiles(), model.predict_interval())):
        forecast.to_zarr(tmp_path / f"{number}.zarr", zarr_format=2)
        with xr.open_zarr(tmp_path / f"{number}.zarr", chunks=None) as back:
            xr.testing.assert_equal(back.load(), forecast)
            assert list(back["t2m"].attrs) == list(forecast["t2m"].attrs)
    one = model.predict()["t2m"]
    one.to_dataset().to_zarr(tmp_path / "one.zarr", zarr_format=2)
    with xr.open_zarr(tmp_path / "one.zarr", chunks=None) as back:
        xr.testing.assert_equal(back["t2m"].load(), one)


def test_a_grid_mapping_is_kept(grid, tmp_path):
    rotated = grid.assign_coords(crs=((), 0, {"grid_mapping_name": "rotated_latitude_longitude"}))
    rotated.encoding["grid_mapping"] = "crs"
    linear().fit(rotated).predict().to_dataset().to_zarr(tmp_path / "out.zarr", zarr_format=2)
    with xr.open_zarr(tmp_path / "out.zarr", chunks=None, decode_coords="all") as back:
        assert back["t2m"].encoding["grid_mapping"] == "crs"
        assert back["crs"].attrs["grid_mapping_name"] == "rotated_latitude_longitude"


def test_backtest_equals_predict_at_each_cutoff(grid):
    model = randomise(network().fit(grid.isel(time=slice(250))))
    backtest = model.backtest(grid, n_windows=3)
    assert backtest.fitted_on == "the whole of fit's data"
    names = [f"t2m[latitude={la}, longitude={lo}]" for la in (52.5, 52.0, 51.5) for lo in (13.0, 13.1, 13.2, 13.3)]
    for cutoff in backtest.cutoffs:
        window = backtest.forecasts[backtest.forecasts["cutoff"] == grid.indexes["time"][cutoff - 1]]
        table = window.pivot(index="time", columns="series", values="point").reindex(columns=np.delete(names, 6))
        forecast = flat(model.predict(grid.isel(time=slice(cutoff))))
        np.testing.assert_allclose(table.to_numpy(), forecast, rtol=1e-6)
    assert list(backtest.metrics.loc["both"].index[:2]) == names[:2]


def test_a_backtest_of_an_unfitted_forecaster_fits_what_precedes_it(grid):
    begins_late = grid.copy(deep=True)
    begins_late[:290, 2, 2] = np.nan
    for y, X in (
        (begins_late, None),
        (begins_late.to_dataset(), xr.DataArray(np.ones(300), {"time": grid.time}, name="one")),
    ):
        backtest = linear().backtest(y, X, n_windows=4)
        assert backtest.fitted_on == "what precedes the first cutoff"
        late = backtest.forecasts.query("series == 't2m[latitude=51.5, longitude=13.2]'")
        assert late["point"].isna().sum() == 3 * HORIZON  # of the windows before it begins
    assert linear().backtest(grid, n_windows=2, refit=True).fitted_on == "what precedes each cutoff"


def test_scores_of_a_series_and_of_all_are_those_of_its_rows(grid, model):
    backtest = model.backtest(grid, n_windows=3)
    rows = backtest.forecasts.dropna(subset="y")
    error = (rows["y"] - rows["point"]).abs()
    np.testing.assert_allclose(backtest.metrics.loc[("both", "all"), "MAE"], error.mean())
    by_series = error.groupby(rows["series"]).mean()
    np.testing.assert_allclose(backtest.metrics.loc["both"].loc[by_series.index, "MAE"], by_series)


@pytest.mark.parametrize("form", ["array", "dataset"])
def test_saved_forecasters_and_streams_go_on_with_grids(grid, tmp_path, form):
    y = grid if form == "array" else grid.to_dataset().assign_attrs(source="made", version=np.int16(3))
    model = linear().fit(y)
    model.save(tmp_path / "model")
    again = tsssm.load(tmp_path / "model")
    xr.testing.assert_identical(again.predict(), model.predict())
    xr.testing.assert_identical(again.predict_interval(), model.predict_interval())
    model.stream().save(tmp_path / "stream")
    xr.testing.assert_identical(tsssm.load(tmp_path / "stream").predict(), model.predict())
    assert "t2m[latitude=52.5" in (tmp_path / "model" / "README.md").read_text()


def test_a_damaged_mask_is_a_damaged_file(model, tmp_path):
    model.save(tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace('"sizes"', '"seizes"'))
    with pytest.raises(ModelFileError, match="damaged"):
        tsssm.load(tmp_path / "model")


@pytest.mark.parametrize("make", [linear, network])
def test_a_stream_takes_grids_and_gives_grids(grid, make):
    model = make().fit(grid.isel(time=slice(250)))
    if make is network:
        randomise(model)
    stream = model.stream(grid.isel(time=slice(290)))
    for row in range(290, 300):
        step = grid.isel(time=row)
        stream.update(step.transpose() if row % 2 else grid.isel(time=[row]))
    assert stream.last_time == grid.indexes["time"][-1]
    np.testing.assert_allclose(stream.predict(), model.predict(grid), rtol=2e-6)
    assert stream.predict_quantiles().dims == ("time", "latitude", "longitude", "quantile")
    xr.testing.assert_identical(stream.predict().isel(time=[]), model.predict(grid).isel(time=[]))


def test_a_stream_that_starts_cold_follows_the_cells_it_hears_of(grid, model):
    stream = model.stream(grid.isel(time=slice(0)))
    with pytest.raises(StreamError, match="nothing can be forecast before the first observation"):
        stream.predict()
    for row in range(60):
        stream.update(grid.isel(time=row))
    expected = model.predict(grid.isel(time=slice(60)))
    np.testing.assert_allclose(stream.predict(), expected, rtol=2e-6)
    assert np.isnan(stream.predict()[:, 1, 2]).all()


def test_updates_of_a_stream_that_are_refused(grid, model):
    stream, step = model.stream(), grid.isel(time=-1)
    before = stream.predict()
    following = grid.indexes["time"][-1] + pd.Timedelta("1h")
    with pytest.raises(StreamError, match="repeats the last stamp"):
        stream.update(step)
    with pytest.raises(StreamError, match=r"the grid is of 2024-03-13 11:00:00, but time=2024-03-13 12:00:00"):
        stream.update(step, following)
    new = step.assign_coords(time=following)
    with pytest.raises(StreamError, match=r"t2m\[latitude=52.5, longitude=13.0\].*inf"):
        stream.update(new.where(new.latitude < 52.5, np.inf))
    with pytest.raises(StreamError, match="the update has the dimensions"):
        stream.update(new.isel(latitude=0))
    with pytest.raises(StreamError, match="follows no grid"):
        linear().fit(as_frame(grid)).stream().update(new)
    xr.testing.assert_identical(stream.predict(), before)
    stream.update(new)
    assert stream.last_time == following


def test_covariates_along_time(grid):
    hours = pd.date_range("2024-03-01", periods=310, freq="h")
    X = xr.Dataset({"sun": ("time", np.sin(np.arange(310.0)))}, {"time": hours})
    model = randomise(network().fit(grid, X))
    as_table = X["sun"].to_dataframe()
    xr.testing.assert_identical(model.predict(), model.predict(grid, as_table))
    stream = model.stream(grid.isel(time=slice(299)), X)
    stream.update(grid.isel(time=-1), X=X.isel(time=[299]))
    np.testing.assert_allclose(stream.predict(X=X), model.predict(), rtol=2e-6)
    with pytest.raises(StreamError, match="X is of 2024-03-13 15:00:00"):
        stream.update(grid.isel(time=-1, drop=True), X=X.isel(time=[303]))
    with pytest.raises(DataError, match="covariates of each cell come with a later version"):
        network().fit(grid, grid)


def test_plots_and_summaries(grid, model):
    import matplotlib.pyplot as plt

    actual = model.predict() + 1.0
    ax = model.plot(series="t2m[latitude=51.5, longitude=13.3]", actual=actual)
    assert ax.get_title(loc="left") == "t2m[latitude=51.5, longitude=13.3]"
    drawn = [line.get_ydata() for line in ax.lines]
    assert any(len(y) == HORIZON and np.allclose(y, actual[:, 2, 3]) for y in drawn)
    assert "1 of 12 cells are NaN at every time" in str(model.summary())
    assert model.backtest(grid, n_windows=2).plot().lines
    plt.close("all")


def test_a_forecaster_of_a_grid_serves_frames(grid, model):
    np.testing.assert_allclose(model.predict(as_frame(grid)), flat(model.predict()), rtol=1e-6)


def test_the_windows_of_a_backtest_as_a_grid(grid):
    model = network().fit(grid.isel(time=slice(250)))
    backtest = model.backtest(grid.transpose("latitude", "time", "longitude"), n_windows=3, step=2)
    forecast, actual = backtest.grid(), backtest.grid("actual")
    assert forecast.dims == ("cutoff", "latitude", "step", "longitude")
    assert forecast.attrs == grid.attrs
    for window, cutoff in enumerate(backtest.cutoffs):
        expected = model.predict(grid.isel(time=slice(cutoff)))
        ours = forecast.isel(cutoff=window).transpose("step", "latitude", "longitude")
        np.testing.assert_allclose(ours, expected, rtol=2e-6)
        seen = grid.isel(time=slice(cutoff, cutoff + HORIZON))
        np.testing.assert_array_equal(actual.isel(cutoff=window).transpose("step", ...), seen)
        assert forecast["valid_time"][window].to_index().equals(expected.indexes["time"])
        assert forecast["cutoff"].to_index()[window] == grid.indexes["time"][cutoff - 1]
    assert forecast["lead_time"].to_index().tolist() == [pd.Timedelta(hours=k) for k in range(1, HORIZON + 1)]
    np.testing.assert_allclose((backtest.grid("base") + backtest.grid("network")) / 2, forecast, rtol=1e-6)
    assert set(model.backtest(grid.to_dataset(), n_windows=1).grid().data_vars) == {"t2m"}


def test_windows_of_months_and_of_tables(grid):
    months = grid.isel(time=slice(100)).assign_coords(time=pd.date_range("2000-01-01", periods=100, freq="MS"))
    windows = linear().backtest(months, n_windows=2).grid()
    assert "lead_time" not in windows.coords  # months differ in length
    assert windows["valid_time"].values[0, 0] == np.datetime64("2007-07-01")
    backtest = linear().backtest(as_frame(grid), n_windows=2)
    with pytest.raises(DataError, match="forecasts of a table"):
        backtest.grid()
    with pytest.raises(ConfigError, match="part='network' is not known; this backtest has 'both', 'actual'"):
        linear().backtest(grid, n_windows=2).grid("network")
