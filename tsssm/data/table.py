"""What users pass as y (Series, wide frame, numpy array, grid), checked at the door."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.gridded import grid_notes, open_grid
from tsssm.data.gridded_kind import GridKind
from tsssm.data.kind import Kind, single_label
from tsssm.data.numeric import array_values, check_numbers, frame_values
from tsssm.data.regular import regular_timeline
from tsssm.data.time_dimension import is_xarray
from tsssm.data.timeline import Timeline
from tsssm.errors import ConfigError, DataError

__all__ = ["LARGEST", "Table", "read_table"]

LARGEST = 1e30  # squares of larger values, and their float32, leave the range of numbers


@dataclass(frozen=True, eq=False)
class Table:
    """Series on one regular time axis.

    Attributes
    ----------
    values : ndarray, (rows, n_series) float64
        The values, NaN where unobserved; the table's own copy, in C order.
    names : tuple, (n_series,)
        The series' names in column order: a Series' own (or None), the columns of a frame, 0, 1, ... of an array.
    timeline : Timeline
        The time axis.
    kind : Kind or GridKind
        What y was.
    inserted : ndarray, (rows,) bool
        The rows that y lacked and gaps="mask" inserted.
    notes : tuple of str
        What a user should know of y.
    """

    values: np.ndarray
    names: tuple[Hashable, ...]
    timeline: Timeline
    kind: Kind | GridKind
    inserted: np.ndarray
    notes: tuple[str, ...] = ()


def read_table(
    y: Any, *, freq: Any = None, gaps: str = "refuse", allow_unobserved: bool = False, what: str = "y"
) -> Table:
    """Read what a user passes as y and refuse, at the door, what cannot be forecast.

    Parameters
    ----------
    y
        A Series or a wide frame (a column a series) over datetimes, periods or integers, a numpy array (rows,) or
        (rows, series), or a DataArray or Dataset with a time dimension (each cell a series). NaN is unobserved. It is
        copied and left as it is.
    freq
        The frequency, for an index that does not say it: "h", "MS", ... for datetimes, an int for integers.
    gaps
        "refuse" missing rows, or "mask": insert them as unobserved.
    allow_unobserved
        Accept series without an observed value (all cells of a grid are series then), and y without rows whose
        frequency is known.
    what
        What to call y in messages.

    Raises
    ------
    DataError
        Naming what is wrong, the series, the first stamp and value at fault, and what to do.
    ConfigError
        When `gaps` is neither of its two values.

    Examples
    --------
    >>> import pandas as pd
    >>> y = pd.Series([1.0, 2.0, 4.0], index=pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-04"]), name="sales")
    >>> table = read_table(y, freq="D", gaps="mask")
    >>> table.values[:, 0], table.inserted.nonzero()[0]
    (array([ 1.,  2., nan,  4.]), array([2]))
    """
    if gaps not in ("refuse", "mask"):
        raise ConfigError(
            f"gaps={gaps!r} is not known. Give 'refuse' (missing rows are an error) or 'mask' (they are unobserved)."
        )
    kind, given, index = _open(y, what, allow_unobserved)
    if not len(index) and not allow_unobserved:
        raise DataError(f"{what} is empty: it has no row. Give at least one observation.")
    timeline, rows = _lay_out(kind, index, freq, gaps, what)
    _refuse_infinite(given, kind.names, index, what)
    _refuse_too_large(given, kind.names, index, what)
    values = given
    inserted = np.zeros(len(timeline), dtype=bool)
    if len(timeline) > len(given):
        values = np.full((len(timeline), given.shape[1]), np.nan)
        values[rows] = given
        inserted[:] = True
        inserted[rows] = False
    if not allow_unobserved:
        _refuse_unobserved(values, kind.names, timeline, what)
    notes = grid_notes(kind, given, index) if isinstance(kind, GridKind) else ()
    return Table(values, kind.names, timeline, kind, inserted, notes)


def _lay_out(kind: Kind | GridKind, index: pd.Index, freq: Any, gaps: str, what: str) -> tuple[Timeline, np.ndarray]:
    try:
        return regular_timeline(index, freq, gaps, what)
    except DataError as error:
        if not isinstance(kind, GridKind):
            raise
        raise DataError(
            f"{error} ({what} is a grid, whose index is {what}[{kind.time!r}]: xarray's sortby, drop_duplicates, "
            "assign_coords and resample serve there.)"
        ) from error


def _open(y: Any, what: str, keep_unobserved: bool) -> tuple[Kind | GridKind, np.ndarray, pd.Index]:
    """Return the kind of y, its values as new (rows, series) float64 and its index."""
    if isinstance(y, pd.Series):
        kind = Kind("series", single_label(y.name), (_forecast_dtype(y.dtype),))
        check_numbers(y, _series_text(y.name, what), _remedies(what))
        return kind, frame_values(y.to_frame("y")), y.index
    if isinstance(y, pd.DataFrame):
        return _open_frame(y, what)
    if isinstance(y, np.ndarray):
        return _open_array(y, what)
    if is_xarray(y):
        return open_grid(y, what, keep_unobserved=keep_unobserved)
    raise DataError(f"{what} is a {_type_name(y)}, which is not supported. {_advice(y, what)}")


def _open_frame(y: pd.DataFrame, what: str) -> tuple[Kind, np.ndarray, pd.Index]:
    if {"unique_id", "ds"} <= set(y.columns):
        raise DataError(
            f"{what} looks like a long frame (columns {y.columns.tolist()}): long frames (columns unique_id, ds, y) "
            f"come with a later version. Give a wide one: {what}.pivot(index='ds', columns='unique_id', values='y')."
        )
    if not y.shape[1]:
        raise DataError(f"{what} is a frame without columns. Give a column for each series.")
    if not y.columns.is_unique:
        repeated = y.columns[y.columns.duplicated()][0]
        raise DataError(f"{what} has the column {repeated!r} more than once. Give each series a name of its own.")
    names = tuple(y.columns.tolist())
    for position, name in enumerate(names):
        remedies = _remedies(
            f"{what}[{name!r}]", f"; if these are the stamps, make them the index: {what}.set_index({name!r})"
        )
        check_numbers(y.iloc[:, position], _series_text(name, what), remedies)
    kind = Kind("frame", y.columns.copy(), tuple(_forecast_dtype(dtype) for dtype in y.dtypes))
    return kind, frame_values(y), y.index


def _open_array(y: np.ndarray, what: str) -> tuple[Kind, np.ndarray, pd.Index]:
    check_numbers(pd.Series(y.ravel()[:1]), what, _remedies(what))
    values = array_values(y, what)
    if not values.shape[1]:
        raise DataError(f"{what} has shape {y.shape}: no series. Give at least one column.")
    columns = pd.RangeIndex(values.shape[1])
    dtypes = (_forecast_dtype(y.dtype),) * len(columns)
    return Kind("vector" if y.ndim == 1 else "matrix", columns, dtypes), values, pd.RangeIndex(len(values))


def _remedies(accessor: str, stamps: str = "") -> dict[str, str]:
    return {
        "text": f"Convert it: pd.to_numeric({accessor}){stamps}.",
        "booleans": f"Convert it: {accessor}.astype(float).",
        "complex numbers": "Give its real part or its absolute value.",
        "times": f"Give numbers{stamps}.",
        "": f"Convert it, such as {accessor}.astype(float), or drop it.",
    }


def _forecast_dtype(dtype: Any) -> str:
    """Return the dtype of forecasts of a series: its own, native and without integers."""
    if isinstance(dtype, np.dtype):
        return str(dtype.newbyteorder("=")) if dtype.kind == "f" and dtype.itemsize <= 8 else "float64"
    if isinstance(dtype, pd.ArrowDtype):
        return str(dtype) if dtype.kind == "f" else "double[pyarrow]"
    if isinstance(dtype, (pd.Float32Dtype, pd.Float64Dtype)):
        return str(dtype)
    return "Float64" if pd.api.types.is_integer_dtype(dtype) and not isinstance(dtype, pd.SparseDtype) else "float64"


def _refuse_infinite(values: np.ndarray, names: tuple, index: pd.Index, what: str) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise DataError(
            f"{_series_text(names[column], what)} has an infinite value: {values[row, column]} at {index[row]} "
            f"({int(infinite.sum())} in all). Replace infinite values by NaN (unobserved) or by numbers."
        )


def _refuse_too_large(values: np.ndarray, names: tuple, index: pd.Index, what: str) -> None:
    large = np.abs(values) > LARGEST
    if large.any():
        row, column = np.argwhere(large)[0]
        raise DataError(
            f"{_series_text(names[column], what)} has a value beyond +-{LARGEST:g}: {values[row, column]} at "
            f"{index[row]} ({int(large.sum())} in all). Give the series in a larger unit."
        )


def _refuse_unobserved(values: np.ndarray, names: tuple, timeline: Timeline, what: str) -> None:
    empty = np.isnan(values).all(axis=0)
    if empty.any():
        name = names[int(np.argmax(empty))]
        raise DataError(
            f"{_series_text(name, what)} has no observed value: all {len(values)} rows from {timeline.index[0]} on are "
            f"NaN ({int(empty.sum())} such series). Drop it or give at least one value."
        )


def _series_text(name: Hashable, what: str) -> str:
    return f"{what} (a series without a name)" if name is None else f"{what}'s series {name!r}"


def _type_name(y: Any) -> str:
    return f"{type(y).__module__.split('.')[0]}.{type(y).__name__}".removeprefix("builtins.")


def _advice(y: Any, what: str) -> str:
    package = type(y).__module__.split(".")[0]
    if package == "xarray":
        return "Give a DataArray or Dataset."
    if package == "polars":
        return f"Polars frames come with a later version; give {what}.to_pandas() with the time column as its index."
    if package == "torch":
        return f"Give {what}.numpy()."
    return (
        "Give a pandas Series, a wide DataFrame (a column a series), a numpy array (rows, series) or an xarray "
        "DataArray or Dataset."
    )
