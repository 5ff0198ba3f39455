"""Small grids for tests."""

import numpy as np
import pandas as pd
import xarray as xr


def make_grid(rows=300, *, stamps=None, seed=0, name="t2m"):
    """An hourly float32 field on 3 x 4 cells, latitude descending: a cell of land, two holes, all kinds of coords."""
    random = np.random.default_rng(seed)
    daily = 10 * np.sin(2 * np.pi * np.arange(rows) / 24)
    values = 280 + daily[:, None, None] * np.linspace(0.5, 1.5, 3)[:, None] + random.normal(size=(rows, 3, 4))
    values[:, 1, 2] = np.nan  # land
    values[40, 0, 0] = values[41, 2, 3] = np.nan  # holes
    stamps = pd.date_range("2024-03-01", periods=rows, freq="h") if stamps is None else stamps
    return xr.DataArray(
        values.astype(np.float32),
        dims=("time", "latitude", "longitude"),
        coords={
            "time": ("time", stamps, {"standard_name": "time", "long_name": "valid time"}),
            "latitude": ("latitude", [52.5, 52.0, 51.5], {"units": "degrees_north"}),
            "longitude": ("longitude", np.array([13.0, 13.1, 13.2, 13.3], dtype=np.float32)),
            "height": 2.0,
            "surface": (("latitude", "longitude"), np.arange(12.0).reshape(3, 4), {"units": "m"}),
            "step": ("time", np.arange(rows)),
        },
        name=name,
        attrs={"units": "K", "long_name": "2 metre temperature", "valid_range": np.array([200.0, 330.0])},
    )


def as_frame(grid):
    """The observed cells of a grid as a wide frame, by hand: columns are (latitude, longitude)."""
    columns = {
        (float(la), float(lo)): grid.sel(latitude=la, longitude=lo).to_numpy()
        for la in grid.latitude.to_numpy()
        for lo in grid.longitude.to_numpy()
    }
    frame = pd.DataFrame(columns, index=grid.indexes["time"])
    return frame.loc[:, frame.notna().any()]
