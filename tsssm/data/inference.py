"""The frequency of an index that does not say it, with or without missing rows.

`pandas.infer_freq` knows no missing rows and warns in pandas 3, so a few candidates are tried here, made from the most
common difference of months, of days and of elapsed time. The one whose grid holds every stamp with the fewest rows
missing wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.cftime_axis import is_cftime
from tsssm.data.cftime_frequency import infer_cftime_frequency
from tsssm.data.frequency import tick
from tsssm.data.grid import Frequency, counts_elapsed_time, stamps_between, wall_time

__all__ = ["first_misfit", "infer_frequency"]


def infer_frequency(index: pd.Index) -> Frequency | None:
    """Return the frequency of a sorted index without duplicates, None where it cannot be told.

    Fewer than three stamps tell nothing. One step must be more common than any other.

    Examples
    --------
    >>> import pandas as pd
    >>> infer_frequency(pd.DatetimeIndex(["2024-01-01", "2024-02-01", "2024-03-01", "2024-05-01"]))
    <MonthBegin>
    """
    if len(index) < 3:
        return None
    if is_cftime(index):
        return infer_cftime_frequency(index)
    if not isinstance(index, pd.DatetimeIndex):
        step = _most_common(np.diff(index.to_numpy().astype(np.int64)))
        return None if step is None else int(step)
    fitting = [(missing, freq) for freq in _candidates(index) if (missing := _missing_rows(index, freq)) is not None]
    return min(fitting, key=lambda pair: pair[0])[1] if fitting else None  # the first of equals


def first_misfit(index: pd.DatetimeIndex) -> tuple[str, pd.Timestamp] | None:
    """Return the most common step and the first stamp off it, None where there is no such step or stamp.

    Examples
    --------
    >>> import pandas as pd
    >>> first_misfit(pd.DatetimeIndex(["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00", "2024-01-01 02:30"]))
    ('h', Timestamp('2024-01-01 02:30:00'))
    """
    elapsed = _elapsed(index)
    step = _most_common(elapsed) if len(index) > 2 else None
    if step is None:
        return None
    off = (elapsed % step).astype(np.int64) != 0
    return (tick(step).freqstr, index[int(np.argmax(off)) + 1]) if off.any() else None


def _candidates(index: pd.DatetimeIndex) -> Iterator[pd.offsets.BaseOffset]:
    wall = wall_time(index)
    months = _most_common(np.diff(wall.year.to_numpy() * 12 + wall.month.to_numpy()))
    if months is not None and months > 0:
        yield from _month_candidates(months, wall[0].month)
    days = _most_common(np.diff(wall.to_numpy()))
    if days is not None and days % np.timedelta64(1, "D") == np.timedelta64(0):
        yield from _day_candidates(int(days / np.timedelta64(1, "D")), wall)
    elapsed = _most_common(_elapsed(index))
    if elapsed is not None:
        yield tick(elapsed)


def _month_candidates(months: int, first_month: int) -> Iterator[pd.offsets.BaseOffset]:
    offsets = pd.offsets
    if months % 12 == 0:
        for year in (offsets.YearBegin, offsets.YearEnd, offsets.BYearBegin, offsets.BYearEnd):
            yield year(months // 12, month=first_month)
    elif months % 3 == 0:
        month_of_quarter = (first_month - 1) % 3 + 1
        for begin in (offsets.QuarterBegin, offsets.BQuarterBegin):
            yield begin(months // 3, startingMonth=month_of_quarter)
        for end in (offsets.QuarterEnd, offsets.BQuarterEnd):
            yield end(months // 3, startingMonth=month_of_quarter + 9)
    else:
        for month in (offsets.MonthBegin, offsets.MonthEnd, offsets.BMonthBegin, offsets.BMonthEnd):
            yield month(months)


def _day_candidates(days: int, wall: pd.DatetimeIndex) -> Iterator[pd.offsets.BaseOffset]:
    if days % 7 == 0:
        yield pd.offsets.Week(days // 7, weekday=wall[0].weekday())
    else:
        yield pd.offsets.Day(days)
    if days == 1 and wall.day_of_week.max() < 5:
        yield pd.offsets.BusinessDay()


def _missing_rows(index: pd.DatetimeIndex, freq: pd.offsets.BaseOffset) -> int | None:
    if counts_elapsed_time(freq):
        # by arithmetic: a grid of seconds over a gap of years would not fit in memory
        steps, rest = np.divmod(_elapsed(index), np.timedelta64(freq.nanos, "ns"))
        return None if rest.astype(np.int64).any() else int(steps.sum()) - len(steps)
    grid = stamps_between(index[0], index[-1], freq, index[:0])
    return len(grid) - len(index) if (grid.get_indexer(index) >= 0).all() else None


def _elapsed(index: pd.DatetimeIndex) -> np.ndarray:
    utc = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    return np.diff(utc.to_numpy())


def _most_common(differences: np.ndarray) -> Any:
    values, counts = np.unique(differences, return_counts=True)
    winners = values[counts == counts.max()]
    return winners[0] if len(winners) == 1 else None
