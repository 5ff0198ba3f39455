"""Regular grids of time stamps: the n stamps from a first one on, or those between two, at one frequency.

Two kinds of frequency meet a change of summer time differently. Hours and shorter steps count elapsed time; days,
weeks, months and business days keep the local clock time. The latter are therefore stepped on the naive local time and
given their zone afterwards.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tsssm.data.cftime_axis import cftime_between, cftime_from, is_cftime

__all__ = ["Frequency", "Stamp", "counts_elapsed_time", "localize", "stamps_between", "stamps_from", "wall_time"]

Frequency: TypeAlias = Any  # a pandas offset for datetimes and periods, an int for integer stamps
Stamp: TypeAlias = Any  # pd.Timestamp, pd.Period, int or a date of cftime


def counts_elapsed_time(freq: Frequency) -> bool:
    """Tell whether a step is a stretch of elapsed time ("h", "30min", "24h") rather than of the calendar ("D", "MS").

    Examples
    --------
    >>> import pandas as pd
    >>> counts_elapsed_time(pd.offsets.Hour()), counts_elapsed_time(pd.offsets.Day())
    (True, False)
    """
    # pandas 2 counts Day among the ticks although date ranges of it keep local midnight
    return isinstance(freq, pd.offsets.Tick) and not isinstance(freq, pd.offsets.Day)


def wall_time(stamp: Any) -> Any:
    """Return the naive local time of a stamp or an index."""
    return stamp if stamp.tz is None else stamp.tz_localize(None)


def localize(naive: Any, tz: Any) -> Any:
    """Give naive local times a zone: one that a change of clocks skips moves behind it, of a doubled one the first."""
    if isinstance(naive, pd.Timestamp):
        return naive.tz_localize(tz, ambiguous=True, nonexistent="shift_forward")
    return naive.tz_localize(tz, ambiguous=np.ones(len(naive), dtype=bool), nonexistent="shift_forward")


def stamps_from(first: Stamp, n: int, freq: Frequency, like: pd.Index) -> pd.Index:
    """Return `n` regular stamps from `first` on, as an index of the type, unit, zone and name of `like`.

    For datetimes in a zone and calendar frequencies `first` may be naive local time.

    Examples
    --------
    >>> import pandas as pd
    >>> like = pd.DatetimeIndex([], tz="Europe/Berlin")
    >>> start = pd.Timestamp("2024-03-30", tz="Europe/Berlin")
    >>> [str(stamp) for stamp in stamps_from(start, 3, pd.offsets.Day(), like)]
    ['2024-03-30 00:00:00+01:00', '2024-03-31 00:00:00+01:00', '2024-04-01 00:00:00+02:00']
    """
    if isinstance(like, pd.DatetimeIndex):
        return _datetimes(like, freq, start=first, periods=n)
    if isinstance(like, pd.PeriodIndex):
        return _periods(first, n, like)
    if is_cftime(like):
        return cftime_from(first, n, freq, like)
    return _integers(first, n, freq, like)


def stamps_between(first: Stamp, last: Stamp, freq: Frequency, like: pd.Index) -> pd.Index:
    """Return the regular stamps from `first` up to at most `last`, as an index of the type of `like`."""
    if isinstance(like, pd.DatetimeIndex):
        return _datetimes(like, freq, start=first, end=last)
    if isinstance(like, pd.PeriodIndex):
        # ordinals count single units; a step of "2M" is two of them
        return _periods(first, (last.ordinal - first.ordinal) // first.freq.n + 1, like)
    if is_cftime(like):
        return cftime_between(first, last, freq, like)
    return _integers(first, (last - first) // freq + 1, freq, like)


def _datetimes(like: pd.DatetimeIndex, freq: Frequency, **bounds: Any) -> pd.DatetimeIndex:
    if like.tz is None or counts_elapsed_time(freq):
        return pd.date_range(freq=freq, unit=like.unit, name=like.name, **bounds)
    walls = {key: wall_time(bound) if isinstance(bound, pd.Timestamp) else bound for key, bound in bounds.items()}
    naive = pd.date_range(freq=freq, unit=like.unit, name=like.name, **walls)
    plain = naive.tz_localize(like.tz, ambiguous="NaT", nonexistent="NaT")
    if plain.hasnans:  # pandas cannot attach a frequency to stamps that a clock change moved
        return localize(naive, like.tz)
    return pd.DatetimeIndex(plain, freq=freq)


def _periods(first: pd.Period, n: int, like: pd.PeriodIndex) -> pd.PeriodIndex:
    start = pd.PeriodIndex([first], dtype=like.dtype, name=like.name)
    return start.repeat(n) + np.arange(n)


def _integers(first: int, n: int, step: int, like: pd.Index) -> pd.Index:
    if isinstance(like, pd.RangeIndex):
        return pd.RangeIndex(first, first + n * step, step, name=like.name)
    return pd.Index(np.arange(first, first + n * step, step), dtype=like.dtype, name=like.name)
