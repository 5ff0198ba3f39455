"""Covariates known in the future, shared by all series, laid on the time axis of y."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.cftime_axis import joined
from tsssm.data.grid import stamps_between
from tsssm.data.gridded_covariates import shared_columns
from tsssm.data.numeric import array_values, check_numbers, frame_values
from tsssm.data.stamps import check_index, check_same_kind
from tsssm.data.time_dimension import is_xarray
from tsssm.data.timeline import Timeline
from tsssm.errors import DataError

__all__ = ["Covariates", "read_covariates", "read_future_covariates"]


_REMEDIES = {
    "": "Encode it as numbers, such as pd.get_dummies(X), or drop it: categories come with a later version.",
    "times": "Give numbers, such as the hours since a date, or drop it.",
    "complex numbers": "Give real and imaginary parts as two columns.",
}


@dataclass(frozen=True, eq=False)
class Covariates:
    """Covariates by row of a time axis.

    Attributes
    ----------
    values : ndarray, (rows, n_features) float64
        The values; NaN throughout the rows that gaps="mask" inserted, which the network gets as zero after scaling.
    columns : tuple of str, (n_features,)
        Their names; arrays and a Series without a name have "0", "1", ...
    """

    values: np.ndarray
    columns: tuple[str, ...]


def read_covariates(
    X: Any,
    timeline: Timeline,
    *,
    n_future: int = 0,
    columns: Sequence[str] | None = None,
    inserted: np.ndarray | None = None,
    keep_beyond: bool = False,
) -> Covariates:
    """Read covariates for all rows of y and `n_future` steps after them.

    Parameters
    ----------
    X
        A frame, Series, DataArray or Dataset over the same kind of stamps as y, or an array (rows,) or (rows, features)
        whose first row belongs to the first row of y. Booleans count as 0 and 1. More rows and columns than needed are
        fine.
    timeline
        The time axis of y.
    n_future
        How many steps after y X must cover.
    columns
        The columns of fit; None takes all.
    inserted : ndarray, (rows,) bool
        The rows of y that gaps="mask" inserted; X need not have them, and they come back as NaN either way.
    keep_beyond
        Keep all rows of X that follow, regular and without a gap.

    Returns
    -------
    Covariates
        Of (rows of y + n_future [+ rows beyond], n_features).

    Raises
    ------
    DataError
        For missing rows (how many, the first), missing columns (by name), columns that hold no numbers, and NaN or
        infinite values (column, stamp, value).

    Examples
    --------
    >>> import pandas as pd
    >>> timeline = Timeline(pd.RangeIndex(3), 1)
    >>> read_covariates(pd.Series([1, 2, 3, 4, 5], name="price"), timeline, n_future=1).values.ravel()
    array([1., 2., 3., 4.])
    """
    needed = timeline.index if not n_future else timeline.extend(n_future).index
    exempt = np.zeros(len(needed), dtype=bool)
    if inserted is not None:
        exempt[: len(inserted)] = inserted
    if isinstance(X, np.ndarray):
        return _read_array(X, timeline, needed, columns, exempt, keep_beyond)
    frame = _as_frame(X, columns)
    _check_stamps(frame.index, needed)
    if keep_beyond:
        needed = _and_beyond(needed, frame.index, timeline)
        exempt = np.concatenate([exempt, np.zeros(len(needed) - len(exempt), dtype=bool)])
    return _select(frame, needed, exempt)


def read_future_covariates(X: Any, future_index: pd.Index, columns: Sequence[str] | None) -> Covariates:
    """Read covariates for exactly the stamps of a forecast.

    Parameters
    ----------
    X
        A frame, Series, DataArray or Dataset that has these stamps (more are fine), or an array whose first rows are
        those of the forecast.
    future_index
        The stamps.
    columns
        The columns of fit; None takes all.

    Raises
    ------
    DataError
        As `read_covariates`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> read_future_covariates(np.array([7.0, 8.0, 9.0]), pd.RangeIndex(10, 12), ["price"]).values.ravel()
    array([7., 8.])
    """
    exempt = np.zeros(len(future_index), dtype=bool)
    if isinstance(X, np.ndarray):
        values, names = _open_array(X, columns)
        return _checked(_first_rows(values, future_index), names, future_index, exempt)
    frame = _as_frame(X, columns)
    _check_stamps(frame.index, future_index)
    return _select(frame, future_index, exempt)


def _read_array(
    X: np.ndarray,
    timeline: Timeline,
    needed: pd.Index,
    columns: Sequence[str] | None,
    exempt: np.ndarray,
    keep_beyond: bool,
) -> Covariates:
    if not isinstance(timeline.index, pd.RangeIndex):
        raise DataError(
            f"X is a numpy array of shape {X.shape} without stamps, but y has an index. Give X as a frame: "
            "pd.DataFrame(X, index=...) over the stamps of y and the horizon."
        )
    values, names = _open_array(X, columns)
    if keep_beyond and len(values) > len(needed):
        n_beyond = len(values) - len(needed)
        needed = Timeline(needed, timeline.freq).extend(n_beyond).index
        exempt = np.concatenate([exempt, np.zeros(n_beyond, dtype=bool)])
    return _checked(_first_rows(values, needed), names, needed, exempt)


def _open_array(X: np.ndarray, columns: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    check_numbers(pd.Series(X.ravel()[:1]), "X", _REMEDIES, booleans=True)
    values = array_values(X, "X")
    _refuse_no_columns(values.shape[1])
    if columns is None:
        return values, tuple(str(position) for position in range(values.shape[1]))
    if values.shape[1] != len(columns):
        raise DataError(
            f"X has {values.shape[1]} columns, but fit had {len(columns)}: {list(columns)}. "
            "Give the same columns in the same order."
        )
    return values, tuple(columns)


def _first_rows(values: np.ndarray, needed: pd.Index) -> np.ndarray:
    if len(values) < len(needed):
        _refuse_missing_rows(needed, np.arange(len(needed)) >= len(values))
    return values[: len(needed)]


def _as_frame(X: Any, columns: Sequence[str] | None) -> pd.DataFrame:
    """Return a frame with the wanted columns under their names as text, all of them numbers."""
    X = shared_columns(X) if is_xarray(X) else X
    if not isinstance(X, (pd.Series, pd.DataFrame)):
        raise DataError(
            f"X is a {type(X).__name__}, which is not supported. Give a pandas frame or Series, a numpy array, "
            "or a DataArray or Dataset along time."
        )
    frame = X.to_frame("0" if X.name is None else X.name) if isinstance(X, pd.Series) else X
    _refuse_no_columns(frame.shape[1])
    names = [str(label) for label in frame.columns]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DataError(f"X has the column {repeated!r} more than once. Give each covariate a name of its own.")
    wanted = names if columns is None else list(columns)
    missing = [name for name in wanted if name not in names]
    if missing:
        raise DataError(f"X lacks the columns {missing} that fit had; it has {names}. Add them.")
    chosen = frame.iloc[:, [names.index(name) for name in wanted]].set_axis(wanted, axis=1)
    for position, name in enumerate(wanted):
        check_numbers(chosen.iloc[:, position], f"X's column {name!r}", _REMEDIES, booleans=True)
    return chosen


def _check_stamps(index: pd.Index, needed: pd.Index) -> None:
    check_index(index, "X")
    check_same_kind(index, needed, "X")


def _and_beyond(needed: pd.Index, index: pd.Index, timeline: Timeline) -> pd.Index:
    """Return the needed stamps and the regular ones that follow them up to the last of `index`."""
    clock = Timeline(needed, timeline.freq).clock()
    if not len(index) or not len(needed) or index[-1] <= needed[-1]:
        return needed
    start = clock.last if clock.wall is None else clock.wall
    last = int(index[-1]) if isinstance(clock.last, int) else index[-1]
    return joined(needed, stamps_between(start, last, timeline.freq, clock.like)[1:])


def _select(frame: pd.DataFrame, needed: pd.Index, exempt: np.ndarray) -> Covariates:
    rows = frame.index.get_indexer(needed)
    absent = (rows < 0) & ~exempt
    if absent.any():
        _refuse_missing_rows(needed, absent)
    values = frame_values(frame.iloc[np.maximum(rows, 0)]) if len(frame) else np.empty((len(needed), frame.shape[1]))
    return _checked(values, tuple(frame.columns), needed, exempt)


def _checked(values: np.ndarray, columns: tuple[str, ...], stamps: pd.Index, exempt: np.ndarray) -> Covariates:
    values[exempt] = np.nan
    faults = ~np.isfinite(values) & ~exempt[:, None]
    if faults.any():
        row, column = np.argwhere(faults)[0]
        raise DataError(
            f"X's column {columns[column]!r} is {values[row, column]} at {stamps[row]} "
            f"({int(faults.sum())} such values). "
            "Covariates must be finite numbers wherever they are used: fill them, or drop the column."
        )
    return Covariates(np.ascontiguousarray(values), columns)


def _refuse_missing_rows(needed: pd.Index, absent: np.ndarray) -> None:
    raise DataError(
        f"X lacks {int(absent.sum())} of the {len(needed)} rows needed, the first at {needed[int(np.argmax(absent))]}. "
        f"Give X for every stamp from {needed[0]} to {needed[-1]}."
    )


def _refuse_no_columns(n_columns: int) -> None:
    if not n_columns:
        raise DataError("X has no columns. Give at least one covariate, or leave X out.")
