"""Columns of users' frames and arrays as float64, refusing what is no number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from tsssm.errors import DataError

__all__ = ["array_values", "check_numbers", "frame_values"]


def frame_values(frame: pd.DataFrame) -> np.ndarray:
    """Return a frame of numbers as a new (rows, columns) float64 array in C order; missing values become NaN.

    Examples
    --------
    >>> import pandas as pd
    >>> frame_values(pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [0.5, 1.5]}))
    array([[1. , 0.5],
           [nan, 1.5]])
    """
    values = np.empty(frame.shape, dtype=np.float64)
    if all(isinstance(dtype, np.dtype) for dtype in frame.dtypes):
        values[:] = frame.to_numpy(dtype=np.float64)
        return values
    for position in range(frame.shape[1]):
        values[:, position] = frame.iloc[:, position].to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def array_values(array: np.ndarray, what: str) -> np.ndarray:
    """Return an array of numbers as a new (rows, columns) float64 array in C order; masked values become NaN.

    Raises
    ------
    DataError
        For other numbers of axes.
    """
    if array.ndim not in (1, 2):
        raise DataError(
            f"{what} is a numpy array of shape {array.shape}; it must be (rows,) or (rows, columns), "
            "time along the rows. Reshape it."
        )
    mask = np.ma.getmaskarray(array)
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite and is refused as such
        values = np.array(np.ma.getdata(array), dtype=np.float64, order="C")
    values[mask] = np.nan
    return values if values.ndim == 2 else values[:, None]


def check_numbers(column: pd.Series, where: str, remedies: dict[str, str], *, booleans: bool = False) -> None:
    """Refuse a column that holds no real numbers: text, booleans, complex numbers, times, categories, objects.

    Parameters
    ----------
    column
        The column, with its stamps as index.
    where
        How to call it: "y's series 'a'".
    remedies
        What to do, by what it holds; "" serves the rest.
    booleans
        Whether booleans count as 0 and 1.

    Raises
    ------
    DataError
        Naming the column, its dtype, its first value that is no number, that value's stamp, and the remedy.
    """
    kind = _kind_of(column.dtype)
    if kind is None or (booleans and kind == "booleans"):
        return
    seen = ""
    if len(column):
        row, value = _first_fault(column)
        seen = f", first {value!r} at {column.index[row]}"
        kind = "text" if isinstance(value, str) and kind == "Python objects" else kind  # pandas 2 has text as objects
    raise DataError(
        f"{where} holds {kind}, not numbers (dtype {column.dtype}{seen}). {remedies.get(kind, remedies[''])}"
    )


def _first_fault(column: pd.Series) -> tuple[int, Any]:
    """Return the row and the value of the first entry that is no number; object columns may begin with numbers."""
    rows = range(len(column)) if column.dtype == object else range(1)
    row = next((row for row in rows if not isinstance(column.iloc[row], (int, float))), 0)
    value = column.iloc[row]
    return row, value.item() if isinstance(value, np.generic) else value


def _kind_of(dtype: Any) -> str | None:
    if isinstance(dtype, pd.CategoricalDtype):
        return "categories"
    if types.is_bool_dtype(dtype):
        return "booleans"
    if types.is_complex_dtype(dtype):
        return "complex numbers"
    if types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        return "times"
    if types.is_numeric_dtype(dtype):
        return None
    if types.is_object_dtype(dtype):
        return "Python objects"
    return "text" if types.is_string_dtype(dtype) else "other things"
