"""Forecast a gridded field: zarr in, zarr out, maps, and scores against persistence and climatology.

    python recipes/weather_grid.py --out weather                     # a made field, in about two minutes
    python recipes/weather_grid.py --out weather --quick             # the same, small: seconds
    python recipes/weather_grid.py --out weather --store era5.zarr --variable t2m

Without `--store` a field is made: anomalies of the sea's temperature that the wind carries eastwards, that spread and
fade, over a daily cycle and a gradient from south to north, with an island where there is no sea. It is no real
weather, and its scores say how the parts fit together, not how well weather is forecast. Any zarr store with latitude,
longitude and time takes its place, as long as it fits in memory (select a region first if it does not).

Written to the folder: `forecast.zarr` (point forecast and quantiles), `scores.csv`, `map.png`, `errors.png`, `model/`.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from tsssm import MambaForecaster
from tsssm.metrics import area_weights, mae, rmse
from tsssm.plotting import plot_errors_by_lead, plot_map

HORIZON = 16  # steps of three hours: two days
SETTINGS = {"full": {"max_steps": 600}, "quick": {"max_steps": 60, "d_model": 16, "n_layers": 1, "patch_length": 8}}


def main(arguments: list[str] | None = None) -> None:
    options = read_arguments(arguments)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)

    # 1. A store. Variables are read when they are needed; chunks=None reads them without dask.
    store = options.store or make_store(out / "field.zarr", quick=options.quick)
    with xr.open_zarr(store, chunks=None) as opened:
        field = opened[options.variable].load()

    # 2. Learn from all but the last part. Land (NaN at every time) is left out by itself, holes are unobserved.
    n_test = max(3 * options.horizon, len(field.time) // 5)
    train, settings = field.isel(time=slice(-n_test)), SETTINGS["quick" if options.quick else "full"]
    model = MambaForecaster(options.horizon, learning_rate=2e-3, verbose=not options.quick, **settings).fit(train)
    print(model.summary())
    model.save(out / "model")

    # 3. Forecast on from the newest data, and write it as a store.
    write_forecast(out / "forecast.zarr", model, field)

    # 4. Judge the model on what it has not seen, from many starting points, beside two forecasts that cost nothing.
    #    Three steps of three hours from one to the next: so they begin at every hour of the day.
    windows = (n_test - options.horizon) // 3
    backtest = model.backtest(field, n_windows=windows, step=3)
    actual, forecast = backtest.grid("actual"), backtest.grid()
    rivals = {"tsssm": forecast, "persistence": persistence(field, actual), "climatology": climatology(train, actual)}
    scores = score(actual, rivals)
    scores.to_csv(out / "scores.csv")
    print(scores.groupby("forecast").mean(numeric_only=True).reindex(list(rivals)).round(3).to_string())

    # 5. Look at it.
    draw_errors(out / "errors.png", scores, field)
    draw_maps(out / "map.png", actual, forecast)
    print(f"written to {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Forecast a gridded field and score it by cell area.")
    parser.add_argument("--out", default="weather_grid", help="folder for all that is written")
    parser.add_argument("--store", help="a zarr store with latitude, longitude and time; default: one that is made")
    parser.add_argument("--variable", default="sst", help="which of the store's variables")
    parser.add_argument("--horizon", type=int, default=HORIZON, help="steps ahead")
    parser.add_argument("--quick", action="store_true", help="a small form of seconds")
    return parser.parse_args(arguments)


def write_forecast(path: Path, model: MambaForecaster, field: xr.DataArray) -> None:
    """Point forecast and quantiles in one store, a chunk a step, so that later steps can be appended."""
    point, quantiles = model.predict(field), model.predict_quantiles(field, levels=[0.1, 0.5, 0.9])
    both = xr.Dataset({field.name: point, f"{field.name}_quantiles": quantiles})
    both.attrs["history"] = f"{type(model).__name__}, fitted until {model.training_end_}"
    encoding = {name: {"chunks": (1, *array.shape[1:])} for name, array in both.data_vars.items()}
    # whole seconds hold any later step; the default unit, hours since the first, would not
    encoding["time"] = {"units": "seconds since 1970-01-01", "dtype": "int64"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr says that consolidated metadata is not yet a part of its third format
        both.to_zarr(path, mode="w", encoding=encoding)


def persistence(field: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    """The last known value of each cell, at every step ahead."""
    field = field.transpose("time", ...)
    cells = pd.DataFrame(field.to_numpy().reshape(len(field), -1)).ffill()  # a hole: the value before it
    last = field.copy(data=cells.to_numpy().reshape(field.shape)).sel(time=like["cutoff"].to_numpy())
    return last.rename(time="cutoff").expand_dims(step=like["step"]).transpose(*like.dims)


def climatology(train: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    """The mean of the training part at the same hour; and within 15 days of the year where it spans two years."""
    times = train.indexes["time"]
    many_years = times[-1] - times[0] >= pd.Timedelta(days=730)

    def usual(stamp: pd.Timestamp) -> xr.DataArray:
        alike = times.hour == stamp.hour
        if many_years:
            apart = np.abs(times.day_of_year - stamp.day_of_year)
            alike &= np.minimum(apart, 366 - apart) <= 15
        return train.isel(time=np.flatnonzero(alike)).mean("time")

    valid = pd.DatetimeIndex(like["valid_time"].to_numpy().ravel())
    keys = valid.day_of_year * 24 + valid.hour if many_years else valid.hour
    means = {key: usual(stamp) for key, stamp in zip(keys, valid)}
    ordered = like.transpose("cutoff", "step", ...)
    fields = np.stack([means[key].transpose(*ordered.dims[2:]).to_numpy() for key in keys])
    return ordered.copy(data=fields.reshape(ordered.shape))


def score(actual: xr.DataArray, rivals: dict[str, xr.DataArray]) -> pd.DataFrame:
    """RMSE and MAE of each forecast and step ahead, every cell weighted by its area."""
    latitude = next(dim for dim in actual.dims if dim in ("latitude", "lat"))
    longitude = next(dim for dim in actual.dims if dim in ("longitude", "lon"))
    order = ("step", "cutoff", latitude, longitude)
    weights = area_weights(actual[latitude].to_numpy())[:, None]
    truth = actual.transpose(*order).to_numpy()
    rows = []
    for name, forecast in rivals.items():
        guess = forecast.transpose(*order).to_numpy()
        both = {"rmse": rmse, "mae": mae}
        by_step = {m: metric(truth, guess, axis=(1, 2, 3), weights=weights) for m, metric in both.items()}
        rows.append(pd.DataFrame({"lead": actual["lead_time"].to_numpy(), "forecast": name, **by_step}))
    return pd.concat(rows).set_index(["lead", "forecast"])


def draw_errors(path: Path, scores: pd.DataFrame, field: xr.DataArray) -> None:
    import matplotlib.pyplot as plt

    by_lead = scores["rmse"].unstack("forecast")[["tsssm", "persistence", "climatology"]]
    ax = plot_errors_by_lead(
        by_lead, label=f"RMSE ({field.attrs.get('units', '')}), weighted by area", title="Error by lead time"
    )
    ax.figure.savefig(path, dpi=130)
    plt.close(ax.figure)


def draw_maps(path: Path, actual: xr.DataArray, forecast: xr.DataArray) -> None:
    """The first window, half of the horizon ahead: observed, forecast, and their difference."""
    import matplotlib.pyplot as plt

    step = forecast.sizes["step"] // 2
    seen, said = (grid.isel(cutoff=0, step=step - 1) for grid in (actual, forecast))
    ends = (float(min(seen.min(), said.min())), float(max(seen.max(), said.max())))
    error = (said - seen).assign_attrs(long_name="forecast minus observed", units=seen.attrs.get("units", ""))
    figure, axes = plt.subplots(1, 3, figsize=(15.0, 4.9), layout="constrained")
    hours = pd.Timedelta(said["lead_time"].to_numpy()[()]) / pd.Timedelta("1h")
    plot_map(
        seen,
        title=f"observed, {pd.Timestamp(seen['valid_time'].to_numpy()[()]):%d %b %Y %H:%M}",
        limits=ends,
        ax=axes[0],
    )
    plot_map(said, title=f"forecast, {hours:.0f} hours ahead", limits=ends, ax=axes[1])
    plot_map(error, title="error", centre=0.0, ax=axes[2])
    figure.savefig(path, dpi=130)
    plt.close(figure)


def make_store(path: Path, *, quick: bool) -> Path:
    """Make a field and write it: a small model of anomalies that are carried eastwards, spread and fade."""
    n_lat, n_lon, n_days, degrees = (8, 12, 24, 3.0) if quick else (24, 36, 120, 1.0)
    random = np.random.default_rng(7)
    latitude, longitude = 60.0 - degrees * np.arange(n_lat), -30.0 + degrees * np.arange(n_lon)
    time = pd.date_range("2024-03-01", periods=8 * n_days, freq="3h")

    # one step in wave space: move by a fifth of a cell, lose the short waves first, and be stirred anew
    waves_y, waves_x = np.fft.fftfreq(n_lat)[:, None], np.fft.rfftfreq(n_lon)[None, :]
    square = waves_x**2 + waves_y**2
    step = np.exp(-2j * np.pi * waves_x * 0.2 - 0.015 - 1.5 * square)
    stir = np.exp(-60.0 * square)
    anomaly, wave = np.empty((len(time), n_lat, n_lon)), np.zeros((n_lat, n_lon // 2 + 1), complex)
    for row in range(-200, len(time)):  # the first rows let it forget that it began from nothing
        wave = step * wave + stir * np.fft.rfft2(random.normal(size=(n_lat, n_lon)))
        if row >= 0:
            anomaly[row] = np.fft.irfft2(wave, s=(n_lat, n_lon))
    anomaly *= 1.5 / anomaly.std()
    hour = time.hour.to_numpy()[:, None] + longitude / 15.0  # local solar time
    daily = 0.8 * np.cos(2 * np.pi * (hour - 14.0) / 24.0)[:, None, :]
    values = 283.0 - 0.35 * (latitude - 45.0)[:, None] + daily + anomaly + 0.1 * random.normal(size=anomaly.shape)

    island = ((latitude[:, None] - 53.0) / 3.5) ** 2 + ((longitude + 8.0) / 5.0) ** 2 < 1.0
    values[:, island] = np.nan  # never sea
    values[random.random(values.shape) < 0.002] = np.nan  # holes: sometimes nothing was measured
    coords = {
        "time": ("time", time, {"standard_name": "time"}),
        "latitude": ("latitude", latitude, {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": ("longitude", longitude, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    attrs = {"long_name": "sea surface temperature (made)", "units": "K"}
    field = xr.DataArray(values.astype(np.float32), coords, ("time", "latitude", "longitude"), "sst", attrs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        field.to_dataset().to_zarr(path, mode="w", encoding={"sst": {"chunks": (64, n_lat, n_lon)}})
    return path


if __name__ == "__main__":
    main()
