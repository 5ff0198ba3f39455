"""Time axes of climate models' calendars (no leap years, 360 days), as xarray's CFTimeIndex holds them.

xarray and cftime are not imported before such an index is met.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "as_datetimes",
    "calendar_of",
    "cftime_between",
    "cftime_from",
    "cftime_stamp",
    "drawable",
    "empty_cftime",
    "is_cftime",
    "joined",
    "lacks_weeks",
]

_LIKE_GREGORIAN = ("standard", "gregorian", "proleptic_gregorian")
_NO_LEAP_YEARS = ("noleap", "365_day")


def is_cftime(thing: Any) -> bool:
    """Tell whether an index or a single stamp is of a climate model's calendar.

    Examples
    --------
    >>> is_cftime(pd.DatetimeIndex([])), is_cftime(pd.Timestamp("2024-01-01"))
    (False, False)
    """
    return type(thing).__name__ == "CFTimeIndex" or type(thing).__module__.partition(".")[0] == "cftime"


def calendar_of(index: Any) -> str | None:
    """Return the calendar's name; None of an empty index, which does not say it."""
    return index[0].calendar if len(index) else None


def cftime_from(first: Any, n: int, freq: Any, like: Any) -> Any:
    """Return `n` stamps from `first` on, in its own calendar, under the name of `like`."""
    return _range(freq, like, start=first, periods=n)


def cftime_between(first: Any, last: Any, freq: Any, like: Any) -> Any:
    """Return the stamps from `first` up to at most `last`."""
    return _range(freq, like, start=first, end=last)


def _range(freq: Any, like: Any, **bounds: Any) -> Any:
    import xarray

    return xarray.date_range(freq=freq.freqstr, use_cftime=True, **bounds).rename(like.name)


def joined(index: Any, other: Any) -> pd.Index:
    """Return one index after the other; pandas would forget the calendar's type.

    Examples
    --------
    >>> joined(pd.RangeIndex(2), pd.RangeIndex(2, 3))
    RangeIndex(start=0, stop=3, step=1)
    """
    if not is_cftime(index):
        return index.append(other)
    return type(index)(np.concatenate([index.to_numpy(), other.to_numpy()]), name=index.name)


def as_datetimes(index: Any) -> pd.DatetimeIndex | None:
    """Return the same dates as datetimes without a zone; None where not every date exists there (30 February).

    Dates of a calendar without leap years all do; only steps across the end of February differ.
    """
    calendar = calendar_of(index)
    if calendar is not None and calendar not in (*_LIKE_GREGORIAN, *_NO_LEAP_YEARS):
        return None
    fields = {name: np.array([getattr(stamp, name) for stamp in index], dtype=np.int64) for name in _FIELDS}
    months = ((fields["year"] - 1970) * 12 + fields["month"] - 1).astype("M8[M]")
    seconds = ((fields["day"] - 1) * 24 + fields["hour"]) * 3600 + fields["minute"] * 60 + fields["second"]
    return pd.DatetimeIndex(months.astype("M8[us]") + (seconds * 1_000_000 + fields["microsecond"]).astype("m8[us]"))


_FIELDS = ("year", "month", "day", "hour", "minute", "second", "microsecond")


def drawable(stamps: Any) -> Any:
    """Return stamps that matplotlib can draw: dates of other calendars as datetimes, else as days since 1970.

    Examples
    --------
    >>> drawable(pd.RangeIndex(3))
    RangeIndex(start=0, stop=3, step=1)
    """
    if not len(stamps) or not is_cftime(stamps[0]):
        return stamps
    dates = as_datetimes(stamps)
    if dates is not None:
        return dates
    epoch = type(stamps[0])(1970, 1, 1)
    return pd.Index([(stamp - epoch).total_seconds() / 86400 for stamp in stamps], name="days since 1970")


def lacks_weeks(index: Any) -> bool:
    """Tell whether an index is of a calendar whose weekdays are not those of the world."""
    return is_cftime(index) and calendar_of(index) not in (*_LIKE_GREGORIAN, None)


def cftime_stamp(text: str, calendar: str) -> Any:
    """Return the stamp that `isoformat` wrote, in this calendar."""
    import cftime

    date, _, clock = text.partition("T")
    year, month, day = (int(part) for part in date.rsplit("-", 2))
    time = dt.time.fromisoformat(clock)
    fields = (year, month, day, time.hour, time.minute, time.second, time.microsecond)
    return getattr(cftime, _CLASSES[calendar])(*fields)


_CLASSES = {
    "noleap": "DatetimeNoLeap",
    "365_day": "DatetimeNoLeap",
    "360_day": "Datetime360Day",
    "all_leap": "DatetimeAllLeap",
    "366_day": "DatetimeAllLeap",
    "julian": "DatetimeJulian",
    "standard": "DatetimeGregorian",
    "gregorian": "DatetimeGregorian",
    "proleptic_gregorian": "DatetimeProlepticGregorian",
}


def empty_cftime(name: Any) -> Any:
    """Return an index without stamps, which does not know its calendar."""
    import xarray

    return xarray.CFTimeIndex([], name=name)
