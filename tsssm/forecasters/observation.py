"""One row of a stream, as users give it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data import LARGEST, GridKind, Kind, is_xarray, read_grid_row, shared_columns
from tsssm.errors import DataError, StreamError

__all__ = ["read_grid_observation", "read_observation", "read_row", "refuse_other_row"]


def read_observation(value: Any, names: tuple[Hashable, ...]) -> np.ndarray:
    """Values of one row in the order of `names`, (S,) float64; what was not given is NaN.

    Raises
    ------
    StreamError
        Unknown names, a wrong number of values, infinite values, or anything that is no number.
    """
    if isinstance(value, Mapping | pd.Series):
        if isinstance(value, pd.Series) and not value.index.is_unique:
            raise StreamError(f"series {value.index[value.index.duplicated()][0]!r} is given twice")
        given = dict(value.items())
        unknown = [name for name in given if name not in names]
        if unknown:
            raise StreamError(f"unknown series {unknown[0]!r}; this stream follows {_some(names)}")
        return np.array([_number(given.get(name, np.nan), name) for name in names])
    listed = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)
    values = list(value) if listed else [value]
    if len(values) != len(names):
        raise StreamError(
            f"update needs {len(names)} values, one for each of {_some(names)}; got {len(values)}. "
            "Pass a mapping by name to leave some out."
        )
    return np.array([_number(v, name) for v, name in zip(values, names)])


def read_grid_observation(grid: Any, time: Any, kind: Kind | GridKind) -> tuple[np.ndarray, Any]:
    """Values of one step of a grid, (S,) float64, and its stamp: the one given, else the grid's own (or None).

    Raises
    ------
    StreamError
        The stream follows no grid or another one, the two stamps differ, or a value is infinite.
    """
    if not isinstance(kind, GridKind):
        raise StreamError(f"this stream follows no grid, but the update is a {type(grid).__name__}. Give numbers.")
    try:
        values, own = read_grid_row(grid, kind)
    except DataError as error:
        raise StreamError(str(error)) from error
    if time is not None and own is not None and time != own:
        raise StreamError(f"the grid is of {own}, but time={time}. Leave time out.")
    odd = np.isinf(values) | (np.abs(values) > LARGEST)
    if odd.any():
        _number(values[int(odd.argmax())], kind.names[int(odd.argmax())])
    return values, own if time is None else time


def read_row(X: Any, columns: tuple[str, ...]) -> np.ndarray:
    """Covariates of one row in the order of `columns`, (n_columns,) float64.

    Raises
    ------
    StreamError
        X is missing or was not expected; a column is missing; a value is no finite number.
    """
    if X is None and not columns:
        return np.zeros(0)
    if X is None:
        raise StreamError(f"update needs X with {', '.join(map(str, columns))}: the forecaster was fitted with it")
    if not columns:
        raise StreamError("update got X, but the forecaster was fitted without any; leave it out")
    X = _as_frame(X)
    if isinstance(X, pd.DataFrame):
        if len(X) != 1:
            raise StreamError(f"X of an update must be one row; got {len(X)}")
        X = X.iloc[0]
    if isinstance(X, Mapping | pd.Series):
        missing = [name for name in columns if name not in X]
        if missing:
            raise StreamError(f"X lacks column {missing[0]!r}")
        X = [X[name] for name in columns]
    values = list(np.atleast_1d(np.asarray(X, dtype=object)))
    if len(values) != len(columns):
        raise StreamError(f"X needs {len(columns)} values ({', '.join(map(str, columns))}); got {len(values)}")
    row = np.array([_number(_flag(value), name) for value, name in zip(values, columns)])
    if np.isnan(row).any():
        raise StreamError(f"X column {columns[int(np.isnan(row).argmax())]!r} is NaN; covariates must be known")
    return row


def refuse_other_row(X: Any, stamp: Any) -> None:
    """Covariates in a frame carry a stamp, which must be that of the observation."""
    X = _as_frame(X)
    if isinstance(X, pd.DataFrame) and isinstance(X.index, pd.DatetimeIndex | pd.PeriodIndex) and X.index[0] != stamp:
        raise StreamError(f"X is of {X.index[0]}, but the observation is of {stamp}")


def _as_frame(X: Any) -> Any:
    if not is_xarray(X):
        return X
    try:
        return shared_columns(X)
    except DataError as error:
        raise StreamError(str(error)) from error


def _flag(value: Any) -> Any:
    """Booleans are 0 and 1 among covariates, as in fit's X."""
    return int(value) if isinstance(value, bool | np.bool_) else value


def _number(value: Any, name: Hashable) -> float:
    if value is pd.NA or value is None:
        return float("nan")
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real | np.floating | np.integer):
        raise StreamError(f"{name!r}: {value!r} is no number; NaN stands for unobserved")
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if np.isinf(number):
        raise StreamError(f"{name!r}: the value is {number}; infinite values cannot be taken in, NaN is unobserved")
    if abs(number) > LARGEST:
        raise StreamError(f"{name!r}: {number} is beyond +-{LARGEST:g}; follow the series in a larger unit")
    return number


def _some(names: tuple[Hashable, ...]) -> str:
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
