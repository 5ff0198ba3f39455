"""The frequency of a climate model's time axis, with or without missing rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from tsssm.data.cftime_axis import cftime_between

__all__ = ["infer_cftime_frequency", "knows_frequency"]

_DAY = pd.Timedelta(days=1)
_MOST_ROWS_PER_GIVEN_ROW = 100


def knows_frequency(freq: pd.offsets.BaseOffset) -> bool:
    """Tell whether steps of this frequency exist in every calendar: no weeks, no business days.

    Examples
    --------
    >>> knows_frequency(pd.offsets.Hour(6)), knows_frequency(pd.offsets.Week(weekday=6))
    (True, False)
    """
    known = (pd.offsets.Tick, pd.offsets.Day, pd.offsets.MonthBegin, pd.offsets.MonthEnd)
    longer = (pd.offsets.QuarterBegin, pd.offsets.QuarterEnd, pd.offsets.YearBegin, pd.offsets.YearEnd)
    return isinstance(freq, known + longer)


def infer_cftime_frequency(index: Any) -> pd.offsets.BaseOffset | None:
    """Return the frequency of three stamps or more, sorted and distinct; None where it cannot be told."""
    import xarray

    text = xarray.infer_freq(index)
    if text is not None:
        return to_offset(text)
    return next((freq for freq in _candidates(index) if _holds(index, freq)), None)


def _candidates(index: Any) -> Iterator[pd.offsets.BaseOffset]:
    months = _most_common(np.diff([stamp.year * 12 + stamp.month for stamp in index]))
    if months:
        yield from (pd.offsets.MonthBegin(int(months)), pd.offsets.MonthEnd(int(months)))
    step = _most_common(np.diff(index.to_numpy()))
    if step is not None:
        step = pd.Timedelta(step)
        yield to_offset(step) if step % _DAY else pd.offsets.Day(step // _DAY)


def _holds(index: Any, freq: pd.offsets.BaseOffset) -> bool:
    if isinstance(freq, pd.offsets.Tick | pd.offsets.Day):
        step = pd.Timedelta(days=freq.n) if isinstance(freq, pd.offsets.Day) else pd.Timedelta(freq)
        if (index[-1] - index[0]) / step > _MOST_ROWS_PER_GIVEN_ROW * len(index):
            return False
    return bool((cftime_between(index[0], index[-1], freq, index).get_indexer(index) >= 0).all())


def _most_common(differences: Any) -> Any:
    values, counts = np.unique(np.asarray(differences), return_counts=True)
    winners = values[counts == counts.max()]
    return winners[0] if len(winners) == 1 else None
