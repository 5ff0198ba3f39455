"""Checks of time stamps at the door: whole indexes and single stamps."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.cftime_axis import calendar_of, is_cftime
from tsssm.data.grid import Stamp
from tsssm.errors import DataError

__all__ = ["check_index", "check_same_kind", "describe_kind", "read_stamp"]


def check_index(index: pd.Index, what: str) -> None:
    """Refuse an index that is no sorted run of distinct datetimes, periods or integers.

    Parameters
    ----------
    index
        The index as the user gave it.
    what
        What it belongs to, for the message: "y" or "X".

    Raises
    ------
    DataError
        Naming the kind of index or the first stamp at fault, and the remedy.
    """
    _check_type(index, what)
    if index.hasnans:
        row = int(np.flatnonzero(index.isna())[0])
        raise DataError(
            f"{what}'s index has a missing stamp (NaT) in row {row}. Drop such rows: {what}[{what}.index.notna()]."
        )
    if not index.is_unique:
        repeated = index[index.duplicated()]
        raise DataError(
            f"{what}'s index has duplicated stamps ({len(repeated)}), the first is {repeated[0]}. Keep one row a "
            f"stamp, such as {what}[~{what}.index.duplicated()] or {what}.groupby(level=0).mean()."
        )
    if not index.is_monotonic_increasing:
        row = int(np.argmin(index[1:] > index[:-1])) + 1
        raise DataError(
            f"{what}'s index is not sorted: {index[row]} comes after {index[row - 1]} (row {row}). "
            f"Sort it: {what}.sort_index()."
        )


def describe_kind(index: pd.Index) -> str:
    """Say in words what stamps an index holds: "datetimes in the zone UTC", "periods of 'M'", "integers".

    Examples
    --------
    >>> import pandas as pd
    >>> describe_kind(pd.period_range("2024-01", periods=2, freq="M"))
    "periods of 'M'"
    """
    if isinstance(index, pd.DatetimeIndex):
        return "datetimes without a time zone" if index.tz is None else f"datetimes in the time zone {index.tz}"
    if is_cftime(index):
        return f"dates of the calendar {calendar_of(index)!r}"
    return f"periods of {index.freqstr!r}" if isinstance(index, pd.PeriodIndex) else "integers"


def check_same_kind(index: pd.Index, expected: pd.Index, what: str) -> None:
    """Refuse an index whose kind of stamps or time zone differs from the expected one's (units may differ)."""
    found, wanted = describe_kind(index), describe_kind(expected)
    if found != wanted:
        raise DataError(
            f"{what}'s index holds {found}, y's holds {wanted}. Convert {what}'s index so that both are alike."
        )


def read_stamp(stamp: Any, like: pd.Index) -> Stamp:
    """Read one stamp as an element of indexes such as `like`: a Timestamp of its unit, a Period or an int.

    Raises
    ------
    DataError
        For another type, NaT, or a time zone that is missing, not wanted or another one.

    Examples
    --------
    >>> import datetime
    >>> import pandas as pd
    >>> read_stamp(datetime.datetime(2024, 1, 1, 6), pd.DatetimeIndex([]))
    Timestamp('2024-01-01 06:00:00')
    """
    if is_cftime(like):
        return _read_cftime(stamp, like)
    if isinstance(like, pd.DatetimeIndex):
        return _read_timestamp(stamp, like)
    if isinstance(like, pd.PeriodIndex):
        if not isinstance(stamp, pd.Period) or stamp.freqstr != like.freqstr:
            raise DataError(
                f"The stamp {stamp!r} is no period of {like.freqstr!r}. Give pd.Period(..., freq={like.freqstr!r})."
            )
        return stamp
    if isinstance(stamp, (bool, np.bool_)) or not isinstance(stamp, (int, np.integer)):
        raise DataError(
            f"The stamp {stamp!r} is of type {type(stamp).__name__}, but the time axis counts in integers. Give an int."
        )
    return int(stamp)


def _read_timestamp(stamp: Any, like: pd.DatetimeIndex) -> pd.Timestamp:
    if stamp is pd.NaT or not isinstance(stamp, (dt.datetime, np.datetime64)):
        raise DataError(
            f"The stamp {stamp!r} is of type {type(stamp).__name__}, but the time axis holds {describe_kind(like)}. "
            "Give a pd.Timestamp."
        )
    read = stamp if type(stamp) is pd.Timestamp else pd.Timestamp(stamp)
    if read is pd.NaT:
        raise DataError(f"The stamp {stamp!r} is missing (NaT). Give a pd.Timestamp.")
    if read.tz is not like.tz and str(read.tz) != str(like.tz):
        remedy = (
            "tz_localize(None)"
            if like.tz is None
            else f"tz_{'localize' if read.tz is None else 'convert'}('{like.tz}')"
        )
        zone = "no time zone" if read.tz is None else f"the time zone {read.tz}"
        raise DataError(
            f"The stamp {read} has {zone}, but the time axis holds {describe_kind(like)}. Use stamp.{remedy}."
        )
    return read


def _read_cftime(stamp: Any, like: Any) -> Stamp:
    calendar = calendar_of(like)
    if not is_cftime(stamp) or (calendar is not None and stamp.calendar != calendar):
        kind = f"of the calendar {stamp.calendar!r}" if is_cftime(stamp) else f"of type {type(stamp).__name__}"
        wanted = "Give a date of cftime." if calendar is None else f"Give cftime.datetime(..., calendar={calendar!r})."
        raise DataError(f"The stamp {stamp} is {kind}, but the time axis holds {describe_kind(like)}. {wanted}")
    return stamp


def _check_type(index: pd.Index, what: str) -> None:
    if isinstance(index, pd.MultiIndex):
        raise DataError(
            f"{what} has a MultiIndex with levels {list(index.names)}. Give one row a time and one column a series, "
            f"such as {what}.unstack(); long frames (columns unique_id, ds, y) come with a later version."
        )
    if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) or is_cftime(index):
        return
    if isinstance(index.dtype, np.dtype) and index.dtype.kind in "iu":
        return
    raise DataError(
        f"{what}'s index holds {_what_it_holds(index)}; stamps must be datetimes, periods or integers. "
        f"{_remedy(index, what)}"
    )


def _what_it_holds(index: pd.Index) -> str:
    first = f"the first is {index[0]!r}" if len(index) else "it is empty"
    if _has_mixed_zones(index):
        return f"datetimes of mixed time zones ({first})"
    kind = (
        "strings"
        if pd.api.types.is_string_dtype(index.dtype) and index.inferred_type == "string"
        else f"{index.inferred_type} values"
    )
    return f"{kind} ({first}, dtype {index.dtype})"


def _remedy(index: pd.Index, what: str) -> str:
    if _has_mixed_zones(index):
        return f"Bring them to one zone: {what}.index = pd.to_datetime({what}.index, utc=True)."
    if index.inferred_type in ("floating", "integer", "mixed-integer-float"):
        return f"Cast whole numbers: {what}.index = {what}.index.astype('int64')."
    if isinstance(index, pd.TimedeltaIndex):
        return f"Add a date: {what}.index = pd.Timestamp('2024-01-01') + {what}.index."
    return f"Convert them: {what}.index = pd.to_datetime({what}.index)."


def _has_mixed_zones(index: pd.Index) -> bool:
    if index.dtype != object or not len(index):
        return False
    return all(isinstance(stamp, dt.datetime) for stamp in index) and len({str(stamp.tzinfo) for stamp in index}) > 1
