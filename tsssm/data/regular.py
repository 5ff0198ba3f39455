"""From the index of a user's table to a regular time axis, and where the given rows stand on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.cftime_axis import is_cftime
from tsssm.data.frequency import frequency_name, parse_frequency, same_grid
from tsssm.data.grid import Frequency, counts_elapsed_time, stamps_between
from tsssm.data.inference import first_misfit, infer_frequency
from tsssm.data.stamps import check_index
from tsssm.data.timeline import Timeline
from tsssm.errors import DataError

__all__ = ["regular_timeline"]

# More rows than this for each given one are a wrong frequency (seconds over years), not missing rows.
_MOST_ROWS_PER_GIVEN_ROW = 10_000


def regular_timeline(index: pd.Index, freq: Any, gaps: str, what: str) -> tuple[Timeline, np.ndarray]:
    """Lay an index on the regular grid of its frequency.

    Parameters
    ----------
    index
        The index as the user gave it; it is left as it is.
    freq
        The frequency as the user gave it; None takes the index's own, else infers it.
    gaps
        "refuse": missing rows are an error. "mask": the axis has them all the same.
    what
        What the index belongs to, for messages.

    Returns
    -------
    timeline
        The regular axis from the first to the last stamp.
    rows : ndarray, (len(index),) int64
        The row of the axis that each given row takes.

    Raises
    ------
    DataError
        For an index that is no sorted run of distinct stamps, has no frequency or another than `freq`, leaves its grid,
        or (with gaps="refuse") lacks rows.

    Examples
    --------
    >>> import pandas as pd
    >>> index = pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-04"])
    >>> timeline, rows = regular_timeline(index, "D", gaps="mask", what="y")
    >>> len(timeline), rows
    (4, array([0, 1, 3]))
    """
    check_index(index, what)
    chosen = _choose_frequency(index, freq, what)
    if not len(index):
        return Timeline(index.view(), chosen), np.empty(0, dtype=np.int64)
    grid = _grid(index, chosen, what)
    rows = np.asarray(grid.get_indexer(index), dtype=np.int64)
    if (rows < 0).any():
        _refuse_off_grid(index, index[int(np.argmin(rows))], frequency_name(chosen, index), freq, what)
    if len(grid) > len(index) and gaps != "mask":
        _refuse_missing(grid, rows, frequency_name(chosen, grid), what)
    return Timeline(grid, chosen), rows


def _choose_frequency(index: pd.Index, freq: Any, what: str) -> Frequency:
    own = _own_frequency(index)
    if freq is not None:
        return _given_frequency(index, own, freq, what)
    if own is not None:
        return parse_frequency(own, index)
    inferred = infer_frequency(index)
    if inferred is None:
        _refuse_no_frequency(index, what)
    return inferred


def _own_frequency(index: pd.Index) -> Any:
    if isinstance(index, pd.RangeIndex):
        return index.step
    if is_cftime(index):  # it would infer one, and raise for few stamps
        return None
    return getattr(index, "freq", None)


def _given_frequency(index: pd.Index, own: Any, freq: Any, what: str) -> Frequency:
    given = parse_frequency(freq, index)
    if own is None or (isinstance(index, pd.RangeIndex) and len(index) < 2):
        return given
    alike = same_grid(own, given, index) if isinstance(index, pd.DatetimeIndex) else own == given
    if not alike:
        raise DataError(
            f"{what}'s index has frequency {frequency_name(own, index)!r}, but freq={freq!r} is expected. "
            f"Leave freq out, or bring {what} to that frequency with asfreq or resample."
        )
    return own


def _grid(index: pd.Index, freq: Frequency, what: str) -> pd.Index:
    like = index[:0]
    if isinstance(index, pd.DatetimeIndex) and counts_elapsed_time(freq):
        step = pd.Timedelta(freq)
        if step % pd.Timedelta(1, unit=index.unit):
            raise DataError(
                f"{what}'s index is in whole units of {index.unit!r}, which cannot hold steps of {freq.freqstr!r}. "
                f"Convert it: {what}.index = {what}.index.as_unit('ns')."
            )
        expected = (index[-1] - index[0]) // step + 1
    elif is_cftime(index) and counts_elapsed_time(freq):
        expected = int((index[-1] - index[0]) / pd.Timedelta(freq)) + 1
    elif isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) or is_cftime(index):
        expected = 0  # days and longer: a grid over all of history is small
    else:
        expected = (int(index[-1]) - int(index[0])) // freq + 1
    if expected > _MOST_ROWS_PER_GIVEN_ROW * len(index):
        raise DataError(
            f"At frequency {frequency_name(freq, index)!r} {what} would have {expected} rows from {index[0]} to "
            f"{index[-1]}, but it has {len(index)}. Check the first and last stamps, or pass a longer freq=."
        )
    first, last = (int(index[0]), int(index[-1])) if isinstance(freq, int) else (index[0], index[-1])
    return stamps_between(first, last, freq, like)


def _refuse_no_frequency(index: pd.Index, what: str) -> None:
    misfit = first_misfit(index) if isinstance(index, pd.DatetimeIndex) else None
    if misfit is not None:
        step, stamp = misfit
        raise DataError(
            f"{what}'s index is not regular: its most common step is {step!r}, and {stamp} is off that grid. "
            "Correct the stamps (round or resample them), or pass freq=."
        )
    seen = f"{len(index)} row{'s' if len(index) != 1 else ''}"
    if len(index):
        seen += f", from {index[0]} to {index[-1]}"
    raise DataError(
        f"The frequency of {what}'s index cannot be told from {seen}: that takes three rows and one step more common "
        "than any other. Pass freq=, such as freq='h'."
    )


def _refuse_off_grid(index: pd.Index, stamp: Any, name: str, given: Any, what: str) -> None:
    if given is None:
        raise DataError(
            f"{what}'s index is not regular: {stamp} is off its frequency {name!r}. "
            "Correct the stamps (round or resample them), or pass freq=."
        )
    looks = infer_frequency(index)
    hint = "" if looks is None else f" The index looks like {frequency_name(looks, index)!r}."
    raise DataError(
        f"freq={given!r} contradicts {what}'s index: {stamp} is not one of its stamps.{hint} "
        "Leave freq out or correct it."
    )


def _refuse_missing(grid: pd.Index, rows: np.ndarray, name: str, what: str) -> None:
    present = np.zeros(len(grid), dtype=bool)
    present[rows] = True
    missing = grid[~present]
    raise DataError(
        f"{what} lacks {len(missing)} row{'s' if len(missing) != 1 else ''} at frequency {name!r}, the first at "
        f"{missing[0]}. Pass gaps='mask' to treat missing rows as unobserved, or insert them: "
        f"{_filling(grid, name, what)}."
    )


def _filling(grid: pd.Index, name: str, what: str) -> str:
    if is_cftime(grid):
        return f"{what}.resample({grid.name or 'time'}={name!r}).asfreq()"
    if isinstance(grid, pd.DatetimeIndex):
        return f"{what}.asfreq({name!r})"
    if isinstance(grid, pd.PeriodIndex):
        return f"{what}.reindex(pd.period_range({what}.index[0], {what}.index[-1], freq={name!r}))"
    return f"{what}.reindex(range({grid[0]}, {grid[-1] + 1}, {name}))"
