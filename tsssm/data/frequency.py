"""Frequencies as users give them and as the library writes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from tsssm.data.cftime_axis import is_cftime
from tsssm.data.cftime_frequency import knows_frequency
from tsssm.data.grid import Frequency, counts_elapsed_time, stamps_from, wall_time
from tsssm.errors import DataError

__all__ = ["DAY_SECONDS", "frequency_name", "mean_step_seconds", "parse_frequency", "same_grid", "tick"]

DAY_SECONDS = 86400
_TICKS = (
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_FIRST = pd.Timestamp("2001-01-01").as_unit("s")  # a Monday; seconds reach past the year 2262
_MANY_STEPS = 420  # whole weeks of business days, whole years of months
_LONG_STEPS = 40  # of quarters and years: many more would leave the range of nanoseconds


def parse_frequency(freq: Any, index: pd.Index) -> Frequency:
    """Read a frequency that goes with the type of `index`: an offset for datetimes and periods, an int for integers.

    Raises
    ------
    DataError
        When pandas does not know it, it steps backwards or not at all, or no text can write it (calendars of holidays).

    Examples
    --------
    >>> import pandas as pd
    >>> parse_frequency("30min", pd.DatetimeIndex([])), parse_frequency("2", pd.RangeIndex(4))
    (<30 * Minutes>, 2)
    """
    if isinstance(index, pd.DatetimeIndex):
        return _parse_offset(freq)
    if isinstance(index, pd.PeriodIndex):
        return _parse_period(freq, index)
    if is_cftime(index):
        return _parse_cftime(freq)
    return _parse_step(freq)


def frequency_name(freq: Frequency, index: pd.Index) -> str:
    """Write a frequency as text, the same for equal grids: "60min" is "h", "7D" from a Wednesday "W-WED".

    Examples
    --------
    >>> import pandas as pd
    >>> frequency_name(pd.offsets.Minute(60), pd.DatetimeIndex([]))
    'h'
    >>> frequency_name(pd.offsets.Day(7), pd.DatetimeIndex(["2024-01-03"]))
    'W-WED'
    """
    if isinstance(index, pd.PeriodIndex):
        return index.freqstr
    if is_cftime(index):
        days, rest = divmod(freq.nanos, DAY_SECONDS * 10**9) if counts_elapsed_time(freq) else (0, 1)
        return freq.freqstr if rest else _counted(days, "D")
    if not isinstance(index, pd.DatetimeIndex):
        return str(freq)
    if counts_elapsed_time(freq):
        return _tick_name(freq, index)
    return _calendar_name(freq, index)


def tick(step: np.timedelta64) -> pd.offsets.BaseOffset:
    """Return the elapsed-time frequency of a difference of stamps, in its coarsest unit.

    Examples
    --------
    >>> import numpy as np
    >>> tick(np.timedelta64(5400, "s"))
    <90 * Minutes>
    """
    nanos = int(step / np.timedelta64(1, "ns"))
    return to_offset(_tick_text(nanos))


def same_grid(one: Frequency, other: Frequency, index: pd.DatetimeIndex) -> bool:
    """Tell whether two offsets make the same stamps from the first of `index` on ("QS-OCT" and "QS-JAN" do)."""
    if len(index):
        start = index[0]
    else:
        start = other.rollforward(one.rollforward(_FIRST)).tz_localize(index.tz)
    # a year of days meets all changes of clocks
    steps = (
        _MANY_STEPS
        if one.rollforward(wall_time(start)) + one < wall_time(start) + pd.Timedelta(days=8)
        else _LONG_STEPS
    )
    return bool(stamps_from(start, steps, one, index).equals(stamps_from(start, steps, other, index)))


@lru_cache(maxsize=256)
def mean_step_seconds(frequency: str) -> float | None:
    """Return the mean length of a step in seconds, None for integer steps.

    Parameters
    ----------
    frequency
        A datetime frequency ("h", "MS"), a period frequency ("M", "Q-DEC") or an integer as text.

    Examples
    --------
    >>> mean_step_seconds("30min"), mean_step_seconds("B") / 86400, mean_step_seconds("2")
    (1800.0, 1.4, None)
    """
    if frequency.lstrip("-").isdigit():
        return None
    offset = _offset_of(frequency)
    if isinstance(offset, pd.offsets.Tick):
        return offset.nanos / 1e9
    first = offset.rollforward(_FIRST)
    steps = _MANY_STEPS if first + offset - first < pd.Timedelta(days=40) else _LONG_STEPS
    return (first + offset * steps - first) / pd.Timedelta(seconds=1) / steps


def _offset_of(frequency: str) -> pd.offsets.BaseOffset:
    base = frequency.lstrip("0123456789").split("-")[0]
    if base in ("M", "Q", "Y", "A"):  # only periods write months, quarters and years like this
        return pd.PeriodDtype(frequency).freq
    return to_offset(frequency)


def _parse_offset(freq: Any) -> pd.offsets.BaseOffset:
    try:
        if isinstance(freq, (bool, int, float)):
            raise ValueError(freq)
        offset = to_offset(freq)
        writable = offset is not None and to_offset(offset.freqstr) == offset
    except (ValueError, TypeError) as error:
        raise DataError(
            f"freq={freq!r} is not a frequency that pandas can read as text. Give one such as 'h', '30min', 'D', 'B', "
            "'W-SUN', 'MS', 'ME', 'QS' or 'YS'; for calendars with holidays use freq='B' and gaps='mask'."
        ) from error
    if not writable:
        raise DataError(
            f"freq={freq!r} cannot be written as text and read back. Give one such as 'h', 'D', 'B' or 'MS'."
        )
    if offset.n < 1:
        raise DataError(
            f"freq={freq!r} does not step forward in time. Sort the data in ascending time and give a positive freq."
        )
    return offset


def _parse_cftime(freq: Any) -> pd.offsets.BaseOffset:
    offset = _parse_offset(freq)
    if not knows_frequency(offset):
        raise DataError(
            f"freq={freq!r} has no meaning in every calendar. Give hours, days, months, quarters or years, such as "
            "'6h', 'D', '7D', 'MS' or 'YS'."
        )
    return offset


def _parse_period(freq: Any, index: pd.PeriodIndex) -> Frequency:
    # an offset must not meet "M", which is no datetime frequency any more
    if freq == (index.freqstr if isinstance(freq, str) else index.freq):
        return index.freq
    try:
        given = pd.PeriodDtype(freq)
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"freq={freq!r} is not a frequency of periods; the index has {index.freqstr!r}. Leave freq out."
        ) from error
    if given != index.dtype:
        raise DataError(
            f"freq={freq!r} contradicts the index, whose periods have frequency {index.freqstr!r}. "
            "Leave freq out, or convert the index with index.asfreq()."
        )
    return index.freq


def _parse_step(freq: Any) -> int:
    text = str(freq)
    is_whole = isinstance(freq, (str, int, np.integer)) and not isinstance(freq, bool) and text.isdecimal()
    if not is_whole or int(text) < 1:
        raise DataError(
            f"freq={freq!r} does not go with integer stamps. Give a positive whole number, such as 1, or leave it out."
        )
    return int(text)


def _tick_name(freq: Any, index: pd.DatetimeIndex) -> str:
    nanos = freq.nanos
    # where no clock changes, 24 hours are a day
    if str(index.tz) in ("None", "UTC") and nanos % (DAY_SECONDS * 10**9) == 0:
        return _calendar_name(pd.offsets.Day(nanos // (DAY_SECONDS * 10**9)), index)
    return _tick_text(nanos)


def _tick_text(nanos: int) -> str:
    unit, size = next((unit, size) for unit, size in _TICKS if nanos % size == 0)
    return _counted(nanos // size, unit)


def _calendar_name(freq: Frequency, index: pd.DatetimeIndex) -> str:
    if isinstance(freq, pd.offsets.Day) and freq.n % 7 == 0 and len(index):
        return _counted(freq.n // 7, f"W-{_WEEKDAYS[index[0].weekday()]}")
    rule = freq.rule_code.split("-")[0]
    if rule in ("QS", "QE"):  # four months name the same quarters: the first of the year for QS, the last for QE
        month = (freq.startingMonth - 1) % 3 + (9 if rule == "QE" else 0)
        return _counted(freq.n, f"{rule}-{_MONTHS[month]}")
    return freq.freqstr


def _counted(n: int, unit: str) -> str:
    return unit if n == 1 else f"{n}{unit}"
