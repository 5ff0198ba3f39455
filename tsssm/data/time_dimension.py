"""Which dimension of an xarray object is time: by CF attributes, else by name."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tsssm.data.cftime_axis import is_cftime
from tsssm.errors import DataError

__all__ = ["TIME_NAMES", "find_time", "is_xarray", "time_index"]

TIME_NAMES = ("time", "valid_time")


def is_xarray(thing: Any) -> bool:
    """Tell whether something is a DataArray or Dataset, without importing xarray.

    Examples
    --------
    >>> is_xarray(pd.Series([1.0]))
    False
    """
    return type(thing).__module__.partition(".")[0] == "xarray" and type(thing).__name__ in ("DataArray", "Dataset")


def find_time(grid: Any, what: str) -> str:
    """Return the name of the time dimension.

    Its coordinate has ``standard_name="time"`` or ``axis="T"``; where none has, it is called `time` or `valid_time`
    (of both, the one whose ``standard_name`` says nothing else, as `forecast_reference_time` does).

    Parameters
    ----------
    grid : DataArray or Dataset
    what : str
        What to call it in messages.

    Raises
    ------
    DataError
        There is no such dimension, or more than one.

    Examples
    --------
    >>> import xarray as xr
    >>> find_time(xr.DataArray([[1.0]], dims=("x", "t"), coords={"t": ("t", [0], {"axis": "T"})}), "y")
    't'
    """
    attributes = {dim: grid.coords[dim].attrs if dim in grid.coords else {} for dim in grid.dims}
    marked = [dim for dim, attrs in attributes.items() if attrs.get("standard_name") == "time"]
    if not marked:
        marked = [d for d, attrs in attributes.items() if attrs.get("axis") == "T" and "standard_name" not in attrs]
    named = [dim for dim in TIME_NAMES if dim in attributes]
    if len(named) > 1:
        # alone, even a "forecast_reference_time" is it: that of analyses, as cfgrib opens them
        named = [dim for dim in named if attributes[dim].get("standard_name", "time") == "time"] or named
    found = marked or named
    if len(found) == 1:
        return str(found[0])
    if found:
        raise DataError(
            f"{what} has {len(found)} time dimensions, {found}; one must be it. Mark the right one: "
            f"{what}[{found[0]!r}].attrs['standard_name'] = 'time', or select one step of the other with isel."
        )
    raise DataError(f"{what} has no time dimension: its dimensions are {list(attributes)}. {_hint(grid, what)}")


def _hint(grid: Any, what: str) -> str:
    dated = [dim for dim in grid.dims if dim in grid.indexes and _holds_dates(grid.indexes[dim])]
    if len(dated) == 1:
        return f"If it is {dated[0]!r}, rename it: {what}.rename({{{dated[0]!r}: 'time'}})."
    for name in TIME_NAMES:
        if name in grid.coords and len(grid.coords[name].dims) == 1:
            return f"{name!r} is a coordinate along it: {what}.swap_dims({{{grid.coords[name].dims[0]!r}: {name!r}}})."
    return "It is the one called 'time' or 'valid_time', or whose coordinate has the attribute standard_name='time'."


def _holds_dates(index: pd.Index) -> bool:
    return isinstance(index, pd.DatetimeIndex | pd.PeriodIndex) or is_cftime(index)


def time_index(grid: Any, time: str) -> pd.Index:
    """Return the stamps along the time dimension; without a coordinate it counts its rows.

    Examples
    --------
    >>> import xarray as xr
    >>> time_index(xr.DataArray([1.0, 2.0], dims="time"), "time")
    RangeIndex(start=0, stop=2, step=1, name='time')
    """
    if time in grid.indexes:
        return grid.indexes[time]
    return pd.RangeIndex(grid.sizes[time], name=time)
