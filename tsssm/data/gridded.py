"""Grids (xarray's DataArray and Dataset) as y: every cell of every variable a series."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.cftime_axis import as_datetimes, calendar_of, is_cftime
from tsssm.data.chunk_reading import in_memory
from tsssm.data.gridded_kind import GridKind, GridVariable
from tsssm.data.numeric import check_numbers
from tsssm.data.time_dimension import find_time, time_index
from tsssm.errors import DataError

__all__ = ["flat_values", "grid_notes", "open_grid"]

_OWN_DIMENSIONS = ("quantile", "bound", "sample")  # of forecasts
_REMEDIES = {
    "": "Convert it, such as y.astype(float), or drop it.",
    "complex numbers": "Give its real part or its absolute value.",
    "times": "Give numbers, such as the hours since a date; bounds of a Dataset's cells are left out by drop_vars.",
}


def open_grid(y: Any, what: str, *, keep_unobserved: bool = False) -> tuple[GridKind, np.ndarray, pd.Index]:
    """Read a grid.

    Parameters
    ----------
    y : DataArray or Dataset
        Lazy or in memory; it is left as it is.
    what : str
        What to call it in messages.
    keep_unobserved : bool
        Make cells without any observation series as well; else they are left out and come back as NaN.

    Returns
    -------
    kind : GridKind
    values : ndarray, (rows, n_series) float64
    index : pd.Index, (rows,)

    Raises
    ------
    DataError
        No time dimension, a variable without it, no cells, two of one name, values that are no numbers or cannot be
        read, or nothing observed at all.

    Examples
    --------
    >>> import xarray as xr
    >>> sea = xr.DataArray([[1.0, np.nan], [2.0, np.nan]], dims=("time", "x"), name="sst")
    >>> kind, values, index = open_grid(sea, "y")
    >>> kind.names, values.ravel()
    (('sst[x=0]',), array([1., 2.]))
    """
    time = find_time(y, what)
    index = time_index(y, time)
    arrays = _variables(y, time, what)
    coords = _coordinates(y, time, what)
    dims = tuple(dict.fromkeys(dim for array in arrays for dim in array.dims if dim != time))
    variables = tuple(_describe(array) for array in arrays)
    sizes = {dim: y.sizes[dim] for dim in dims}
    stamps = dict(y.coords[time].attrs) if time in y.coords else None
    form = "dataset" if hasattr(y, "data_vars") else "array"
    kind = GridKind(form, time, stamps, variables, coords, sizes, np.ones(_count(variables, sizes, time), bool))
    if not len(kind.observed):
        raise DataError(f"{what} has no cells: its dimensions are {dict(y.sizes)}. Give at least one.")
    for array in arrays:
        _check_dtype(array, kind, index, what)
    values = flat_values(in_memory(y.reset_coords(drop=True), what), kind)
    observed = ~np.isnan(values).all(axis=0)
    if keep_unobserved or not len(index):
        _refuse_repeated(kind, what)
        return kind, values, index
    if not observed.any():
        raise DataError(
            f"{what} has no observed value: all {len(observed)} cells are NaN in all {len(index)} steps, from "
            f"{index[0]} on. Give at least one value."
        )
    kind = GridKind(form, time, stamps, variables, coords, sizes, observed)
    _refuse_repeated(kind, what)
    return kind, values if observed.all() else values[:, observed], index


def flat_values(grid: Any, kind: GridKind) -> np.ndarray:
    """Return all cells of a grid in memory as columns, (rows, cells) float64, land included."""
    arrays = [grid[v.name] if kind.form == "dataset" else grid for v in kind.variables]
    values = np.empty((grid.sizes[kind.time], len(kind.observed)), dtype=np.float64)
    first = 0
    for variable, array in zip(kind.variables, arrays):
        last = first + kind.n_cells(variable)
        ordered = array.transpose(kind.time, *kind.cell_dims(variable)).to_numpy()
        values[:, first:last] = ordered.reshape(len(values), last - first)
        first = last
    return values


def grid_notes(kind: GridKind, values: np.ndarray, index: pd.Index) -> tuple[str, ...]:
    """Say which cells are never observed, which values are missing beside them, and what a calendar cannot give.

    Parameters
    ----------
    kind : GridKind
    values : ndarray, (rows, n_series)
    index : pd.Index, (rows,)
    """
    notes = []
    absent = int((~kind.observed).sum())
    if absent:
        cell = [name for variable in kind.variables for name in kind.cells(variable)][int(kind.observed.argmin())]
        notes.append(
            f"{absent} of {len(kind.observed)} cells are NaN at every time, the first is {cell}: they are not learned "
            "from and stay NaN in every forecast"
        )
    holes = np.isnan(values)
    if holes.any():
        row, column = divmod(int(holes.argmax()), holes.shape[1])
        notes.append(
            f"{holes.mean():.2%} of the values are NaN and count as unobserved ({int(holes.sum())} in all, the first "
            f"in {kind.names[column]} at {index[row]})"
        )
    if is_cftime(index) and as_datetimes(index) is None:
        notes.append(f"the calendar {calendar_of(index)!r} has dates of its own, so no calendar inputs are used")
    return tuple(notes)


def _variables(y: Any, time: str, what: str) -> list[Any]:
    along = {name for name, coord in y.coords.items() if coord.dims}  # a scalar, such as of one quantile, is no harm
    taken = [name for name in _OWN_DIMENSIONS if name in {*y.dims, *along, *getattr(y, "data_vars", ())}]
    if taken:
        raise DataError(
            f"{what} has a dimension, coordinate or variable {taken[0]!r}, a name that forecasts need for themselves. "
            "Rename it."
        )
    if not hasattr(y, "data_vars"):
        return [y]
    without = [name for name, array in y.data_vars.items() if time not in array.dims]
    if without:
        raise DataError(
            f"{what}'s variable {without[0]!r} has no time dimension ({time!r}): what does not change belongs in "
            f"static, which comes with a later version. Leave it out: {what}.drop_vars({without!r}); or let every "
            f"forecast carry it along: {what}.set_coords({without!r})."
        )
    if not len(y.data_vars):
        raise DataError(f"{what} is a Dataset without variables. Give at least one with the dimension {time!r}.")
    return list(y.data_vars.values())


def _refuse_repeated(kind: GridKind, what: str) -> None:
    """Series are known by their names: what was learned of one would be used for the other."""
    if len(set(kind.names)) < len(kind.names):
        twice = next(name for name, count in Counter(kind.names).items() if count > 1)
        raise DataError(f"{what} has two series of the name {twice!r}. Rename a variable, or a label of its cells.")


def _coordinates(y: Any, time: str, what: str) -> Any:
    """Coordinates that a forecast can have: those without the time dimension, in memory, without their storage."""
    own = y.coords.to_dataset()
    own = in_memory(own.drop_vars([name for name, coord in own.coords.items() if time in coord.dims]), what)
    own = own.drop_encoding()
    own.attrs = dict(y.attrs) if hasattr(y, "data_vars") else {}
    return own


def _describe(array: Any) -> GridVariable:
    dtype = array.dtype
    kept = isinstance(dtype, np.dtype) and dtype.kind == "f" and dtype.itemsize <= 8
    mapping = array.encoding.get("grid_mapping")
    dims = tuple(array.dims)
    return GridVariable(
        array.name, dims, str(dtype.newbyteorder("=")) if kept else "float64", dict(array.attrs), mapping
    )


def _count(variables: tuple[GridVariable, ...], sizes: dict[str, int], time: str) -> int:
    return sum(int(np.prod([sizes[dim] for dim in v.dims if dim != time], dtype=np.int64)) for v in variables)


def _check_dtype(array: Any, kind: GridKind, index: pd.Index, what: str) -> None:
    """Refuse what is no number, naming the first cell."""
    if isinstance(array.dtype, np.dtype) and array.dtype.kind in "fiu":
        return
    variable = next(v for v in kind.variables if v.name == array.name)
    dims = kind.cell_dims(variable)
    first = in_memory(array.isel(dict.fromkeys(dims, 0)).reset_coords(drop=True), what)
    check_numbers(pd.Series(first.to_numpy(), index=index), f"{what}'s series {kind.cells(variable)[0]!r}", _REMEDIES)
