"""Grids at the door: which cells become series, and what is refused in which words."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from small_grids import as_frame, make_grid
from tsssm.data import find_time, read_covariates, read_grid_row, read_table, shared_columns
from tsssm.data.gridded_kind import GridKind, kind_from_json
from tsssm.errors import DataError


def test_cells_become_series_in_order_and_land_does_not():
    grid = make_grid()
    table = read_table(grid)
    assert table.names[:2] == ("t2m[latitude=52.5, longitude=13.0]", "t2m[latitude=52.5, longitude=13.1]")
    assert len(table.names) == 11
    assert "t2m[latitude=52.0, longitude=13.2]" not in table.names  # float32 labels read as they are written
    np.testing.assert_array_equal(table.values, as_frame(grid).to_numpy(dtype=np.float64))
    assert table.timeline.frequency == "h"


def test_land_and_holes_are_told_apart_in_words():
    land, holes = read_table(make_grid()).notes
    assert land.startswith("1 of 12 cells are NaN at every time, the first is t2m[latitude=52.0, longitude=13.2]")
    assert "(2 in all, the first in t2m[latitude=52.5, longitude=13.0] at 2024-03-02 16:00:00)" in holes
    assert read_table(make_grid().isel(latitude=[2], longitude=[0])).notes == ()


def test_a_dataset_has_a_series_a_variable_and_cell():
    grid = make_grid()
    both = xr.Dataset(
        {
            "wind": grid.reset_coords(drop=True).isel(longitude=0, drop=True),
            "t2m": grid,
            "index": grid.mean(["latitude", "longitude"]),
        }
    )
    table = read_table(both)
    assert table.values.shape == (300, 3 + 11 + 1)
    assert table.names[0] == "wind[latitude=52.5]"
    assert table.names[-1] == "index"
    np.testing.assert_array_equal(table.values[:, 3:14], read_table(grid).values)


@pytest.mark.parametrize("dims", [("longitude", "time", "latitude"), ("latitude", "longitude", "time")])
def test_the_place_of_time_does_not_matter(dims):
    grid = make_grid()
    turned = read_table(grid.transpose(*dims))
    straight = read_table(grid)
    by_cell = {frozenset(name[4:-1].split(", ")): column for name, column in zip(turned.names, turned.values.T)}
    for name, column in zip(straight.names, straight.values.T):
        np.testing.assert_array_equal(by_cell[frozenset(name[4:-1].split(", "))], column)


def test_labels_that_repeat_give_way_to_positions_and_dimensions_without_labels_count():
    grid = xr.DataArray(np.ones((3, 2, 2)), dims=("time", "x", "y"), coords={"x": [7, 7]}, name="q")
    assert read_table(grid).names == ("q[x=0, y=0]", "q[x=0, y=1]", "q[x=1, y=0]", "q[x=1, y=1]")
    assert read_table(grid).timeline.index.equals(pd.RangeIndex(3))
    assert read_table(xr.DataArray([1.0, 2.0], dims="time")).names == ("y",)


def grid_over(**coords):
    dims = tuple(coords)
    shape = [len(values[1]) if isinstance(values, tuple) else 2 for values in coords.values()]
    return xr.DataArray(np.ones(shape), dims=dims, coords={k: v for k, v in coords.items() if v is not None})


DAYS = pd.date_range("2024-01-01", periods=4)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        (grid_over(x=None, time=("time", DAYS)), "time"),
        (grid_over(valid_time=("valid_time", DAYS), x=None), "valid_time"),
        (grid_over(t=("t", DAYS, {"axis": "T"}), x=None), "t"),
        (grid_over(t=("t", DAYS, {"standard_name": "time"}), time=("time", DAYS)), "t"),
        (
            grid_over(
                time=("time", DAYS, {"standard_name": "forecast_reference_time"}), valid_time=("valid_time", DAYS)
            ),
            "valid_time",
        ),
        (grid_over(x=None, time=None), "time"),
        (grid_over(x=None, time=("time", DAYS, {"standard_name": "forecast_reference_time"})), "time"),  # of analyses
    ],
)
def test_the_time_dimension_is_found_by_attributes_else_by_name(grid, expected):
    assert find_time(grid, "y") == expected


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (
            grid_over(time=("time", DAYS), valid_time=("valid_time", DAYS)),
            r"2 time dimensions, \['time', 'valid_time'\]",
        ),
        (grid_over(t=("t", DAYS), x=None), r"no time dimension.*\['t', 'x'\].*y.rename\(\{'t': 'time'\}\)"),
        (grid_over(x=None, z=None), r"no time dimension: its dimensions are \['x', 'z'\]"),
        (
            xr.DataArray(np.ones(4), dims="step", coords={"valid_time": ("step", DAYS)}),
            r"y.swap_dims\(\{'step': 'valid_time'\}\)",
        ),
        (xr.DataArray(5.0), "no time dimension"),
    ],
)
def test_no_time_dimension_or_two_are_refused(grid, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        read_table(grid)


GRID = make_grid(60).isel(time=slice(30))


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (
            xr.Dataset({"t2m": GRID, "oro": GRID.isel(time=0, drop=True)}),
            r"variable 'oro' has no time.*belongs in static.*y.set_coords\(\['oro'\]\)",
        ),
        (xr.Dataset(coords={"time": DAYS}), "Dataset without variables"),
        (GRID * np.nan, "no observed value: all 12 cells are NaN in all 30 steps"),
        (GRID.isel(latitude=[]), "no cells"),
        (GRID.isel(time=slice(0)), "y is empty"),
        (GRID.rename(latitude="quantile"), "variable 'quantile', a name that forecasts need"),
        (GRID.assign_coords(bound=("latitude", list("abc"))), "variable 'bound', a name that forecasts need"),
        (xr.Dataset({"sample": GRID}), "variable 'sample', a name that forecasts need"),
        (
            xr.Dataset({"t2m": GRID, "t2m[latitude=52.5, longitude=13.0]": GRID[:, 0, 0].reset_coords(drop=True)}),
            r"two series of the name 't2m\[latitude=52.5, longitude=13.0\]'. Rename",
        ),
        (xr.Dataset({"t2m": GRID, "edges": GRID.time.astype("M8[ns]")}), "'edges' holds times.*drop_vars"),
        (
            GRID.where(GRID.time != GRID.time[5], np.inf),
            r"t2m\[latitude=52.5, longitude=13.0\].*infinite value: inf at 2024-03-01 05:00:00",
        ),
        (GRID.astype(complex), r"'t2m\[latitude=52.5, longitude=13.0\]' holds complex numbers.*2024-03-01 00:00:00"),
        (GRID.astype(str), r"t2m\[latitude=52.5, longitude=13.0\].*text"),
        (GRID > 280, r"t2m\[latitude=52.5, longitude=13.0\].*booleans"),
        (GRID.isel(time=[0, 1, 2, 4, 5]), r"lacks 1 row.*2024-03-01 03:00:00.*xarray's sortby"),
        (GRID.isel(time=slice(None, None, -1)), "not sorted"),
        (GRID.isel(time=[0, 1, 1, 2]), "duplicated stamps.*2024-03-01 01:00:00"),
    ],
)
def test_what_is_refused(grid, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        read_table(grid)


def test_gaps_of_a_grid_can_be_masked():
    table = read_table(GRID.isel(time=[0, 1, 2, 4, 5]), gaps="mask")
    np.testing.assert_array_equal(np.flatnonzero(table.inserted), [3])
    assert np.isnan(table.values[3]).all()


def test_the_users_grid_is_copied_and_left_as_it_was():
    grid = make_grid()
    before = grid.copy(deep=True)
    read_table(grid).values[:] = 0
    xr.testing.assert_identical(grid, before)


def test_a_kind_survives_json():
    import json

    grid = make_grid()
    data = xr.Dataset({"t2m": grid, "q": grid.astype("f8")}, attrs={"history": ["a", 1], "number": np.float32(0.1)})
    data = data.assign_coords(region=("latitude", ["north", "middle", "south"]), run=np.datetime64("2024-01-01", "ns"))
    for y in (grid, data, grid.isel(latitude=0, longitude=0).reset_coords(drop=True)):
        kind = read_table(y).kind
        again = kind_from_json(json.loads(json.dumps(kind.to_json())))
        assert isinstance(again, GridKind)
        assert again.names == kind.names
        values, index = (
            np.random.default_rng(1).normal(size=(5, len(kind.names))),
            pd.date_range("2025", periods=5, freq="h"),
        )
        xr.testing.assert_identical(again.point(values, index), kind.point(values, index))


def test_attributes_that_no_file_can_hold_are_refused_when_saved():
    grid = make_grid()
    grid.attrs["made_by"] = object()
    with pytest.raises(DataError, match="an attribute of 't2m' is <object"):
        read_table(grid).kind.to_json()


def test_lazy_grids_are_computed_once_and_stay_lazy():
    dask_array = pytest.importorskip("dask.array")
    reads = []

    def block(block_info=None):
        reads.append(block_info[None]["chunk-location"])
        return np.ones((10, 3))

    lazy = dask_array.map_blocks(block, chunks=((10, 10, 10), (3,)), dtype=float, meta=np.empty((0, 0)))
    grid = xr.Dataset({name: xr.DataArray(lazy, dims=("time", "x")) for name in ("a", "b")})
    assert read_table(grid).values.shape == (30, 6)
    assert sorted(reads) == [(0, 0), (1, 0), (2, 0)]  # one graph for both variables
    assert grid["a"].chunks is not None


@pytest.mark.parametrize("chunks", [None, {}])
def test_a_chunk_that_cannot_be_read_is_named(tmp_path, chunks):
    if chunks is not None:
        pytest.importorskip("dask")
    store = tmp_path / "field.zarr"
    grid = make_grid().isel(time=slice(48)).reset_coords(drop=True)
    both = xr.Dataset({"good": grid, "t2m": grid})
    both.to_zarr(store, zarr_format=2, encoding={"t2m": {"chunks": (24, 3, 2)}})
    chunk = store / "t2m" / "1.0.1"
    assert chunk.is_file()
    chunk.write_bytes(b"no such bytes")
    opened = xr.open_zarr(store, chunks=chunks)
    place = r"variable 't2m', chunk \(1, 0, 1\) \(time 24:48, latitude 0:3, longitude 2:4\)"
    with pytest.raises(DataError, match=f"(?s)field.zarr, {place}") as raised:
        read_table(opened)
    assert raised.value.__cause__ is not None
    with pytest.raises(DataError, match=place):
        read_table(opened["t2m"])


def test_covariates_along_time_alone():
    hours = pd.date_range("2024-01-01", periods=6, freq="h")
    X = xr.Dataset({"sun": ("time", np.arange(6.0)), "open": ("time", [True, False] * 3)}, {"time": hours})
    y = read_table(xr.DataArray(np.ones((4, 2)), dims=("time", "x"), coords={"time": hours[:4]}))
    covariates = read_covariates(X, y.timeline, n_future=2)
    assert covariates.columns == ("sun", "open")
    np.testing.assert_array_equal(covariates.values, [[i, i % 2 == 0] for i in range(6)])
    with pytest.raises(DataError, match=r"X's variable 't2m' has the dimensions \('time', 'latitude', 'longitude'\)"):
        shared_columns(make_grid())


def test_one_step_is_read_in_any_order_of_dimensions_and_labels():
    grid = make_grid()
    kind = read_table(grid).kind
    step = grid.isel(time=7)
    expected = step.to_numpy().ravel()[kind.observed]
    for given in (
        step,
        step.transpose(),
        step.isel(latitude=[2, 0, 1]),
        grid.isel(time=[7]),
        step.reset_coords(drop=True),
    ):
        np.testing.assert_array_equal(read_grid_row(given, kind)[0], expected)
    assert read_grid_row(step, kind)[1] == pd.Timestamp("2024-03-01 07:00")
    assert read_grid_row(step.drop_vars("time"), kind)[1] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.isel(time=[0, 1]), "an update is one step; the grid has 2"),
        (lambda g: g.isel(time=0, latitude=0), "the update has the dimensions"),
        (lambda g: g.isel(time=0, latitude=[0, 1]), r"'latitude' \(52.5 to 52.0, 2 labels\) is not the stream's"),
        (lambda g: g.isel(time=0).assign_coords(latitude=[1, 2, 3]), "'latitude'"),
        (lambda g: g.isel(time=0).drop_vars("latitude").isel(latitude=[0]), "1 cells along 'latitude'"),
        (lambda g: g.isel(time=0).astype(str), "no numbers"),
        (lambda g: g.isel(time=0).to_dataset(), "follows a DataArray; got a Dataset"),
        (lambda g: g.isel(time=0).fillna(5.0), r"t2m\[latitude=52.0, longitude=13.2\] has the value 5.0, but was NaN"),
    ],
)
def test_steps_of_another_grid_are_refused(change, message):
    grid = make_grid()
    with pytest.raises(DataError, match=message):
        read_grid_row(change(grid), read_table(grid).kind)


def test_steps_of_other_datasets_are_refused():
    data = make_grid().to_dataset()
    kind = read_table(data).kind
    with pytest.raises(DataError, match="lacks the variable 't2m'"):
        read_grid_row(data.isel(time=0).rename(t2m="q"), kind)
    with pytest.raises(DataError, match="unknown variable 'q'"):
        read_grid_row(data.isel(time=0).assign(q=data["t2m"].isel(time=0)), kind)
