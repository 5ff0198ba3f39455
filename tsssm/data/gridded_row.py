"""One step of a grid, for streams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.chunk_reading import in_memory
from tsssm.data.gridded import flat_values
from tsssm.data.gridded_kind import GridKind
from tsssm.data.time_dimension import time_index
from tsssm.errors import DataError

__all__ = ["read_grid_row"]


def read_grid_row(grid: Any, kind: GridKind) -> tuple[np.ndarray, Any]:
    """Read one step of a grid like the one that `kind` describes.

    Parameters
    ----------
    grid : DataArray or Dataset
        Without the time dimension (with a scalar time coordinate or none), or with one step along it. Dimensions may
        come in any order, and so may the labels along them.
    kind : GridKind

    Returns
    -------
    values : ndarray, (S,) float64
    stamp
        Of the step; None where the grid has none.

    Raises
    ------
    DataError
        Other variables, dimensions or cells, more than one step, no numbers, or a value in a cell that is no series.

    Examples
    --------
    >>> import xarray as xr
    >>> from tsssm.data import read_table
    >>> grid = xr.DataArray([[1.0, 2.0]] * 3, dims=("time", "x"), coords={"x": ["a", "b"]})
    >>> read_grid_row(grid.isel(time=-1).sel(x=["b", "a"]), read_table(grid).kind)
    (array([1., 2.]), None)
    """
    if (kind.form == "dataset") != hasattr(grid, "data_vars"):
        wanted = "Dataset" if kind.form == "dataset" else "DataArray"
        raise DataError(f"this stream follows a {wanted}; got a {type(grid).__name__}. Give a {wanted} of one step.")
    if kind.time not in grid.dims:
        stamp = grid.coords[kind.time].to_numpy() if kind.time in grid.coords else None
        grid = grid.drop_vars(kind.time, errors="ignore").expand_dims(kind.time)
    else:
        index = time_index(grid, kind.time)
        if len(index) != 1:
            raise DataError(f"an update is one step; the grid has {len(index)} along {kind.time!r}")
        stamp = index[0] if kind.time in grid.coords else None
    _check_variables(grid, kind)
    grid = _aligned(in_memory(grid.reset_coords(drop=True), "the update"), kind)
    values = flat_values(grid, kind)[0]
    strange = ~kind.observed & ~np.isnan(values)
    if strange.any():
        cell = int(strange.argmax())
        name = [name for variable in kind.variables for name in kind.cells(variable)][cell]
        raise DataError(
            f"{name} has the value {values[cell]}, but was NaN throughout the history, so this stream does not follow "
            "it. Set it to NaN, or start a stream from a history that has it."
        )
    return values[kind.observed], _plain_stamp(stamp)


def _check_variables(grid: Any, kind: GridKind) -> None:
    for variable in kind.variables:
        if kind.form == "dataset" and variable.name not in grid.data_vars:
            raise DataError(f"the update lacks the variable {variable.name!r}; it has {list(grid.data_vars)}")
        array = grid[variable.name] if kind.form == "dataset" else grid
        if set(array.dims) != set(variable.dims):
            raise DataError(f"the update has the dimensions {array.dims}; this stream follows {variable.dims}")
        if not isinstance(array.dtype, np.dtype) or array.dtype.kind not in "fiu":
            raise DataError(f"the update holds no numbers (dtype {array.dtype}); NaN stands for unobserved")
    unknown = [n for n in getattr(grid, "data_vars", ()) if n not in [v.name for v in kind.variables]]
    if unknown:
        raise DataError(f"unknown variable {unknown[0]!r}; this stream follows {[v.name for v in kind.variables]}")


def _aligned(grid: Any, kind: GridKind) -> Any:
    """The grid with its labels in the kind's own order; other labels are refused."""
    for dim, size in kind.sizes.items():
        own, given = kind.coords.indexes.get(dim), grid.indexes.get(dim)
        if own is None or given is None or own.equals(given):
            if grid.sizes[dim] != size:
                raise DataError(f"the update has {grid.sizes[dim]} cells along {dim!r}; this stream follows {size}")
            continue
        rows = given.get_indexer(own) if given.is_unique and len(given) == size else np.array([-1])
        if (rows < 0).any():
            raise DataError(
                f"the update's {dim!r} ({given[0]} to {given[-1]}, {len(given)} labels) is not the stream's ({own[0]} "
                f"to {own[-1]}, {size} labels). Give the same cells."
            )
        grid = grid.isel({dim: rows})
    return grid


def _plain_stamp(stamp: Any) -> Any:
    if not isinstance(stamp, np.ndarray):
        return stamp
    element: Any = stamp[()]
    return pd.Timestamp(element) if stamp.dtype.kind == "M" else stamp.item()
