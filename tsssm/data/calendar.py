"""Smooth features of the calendar: sines and cosines of the time of day, the week, the month and the year.

They are pure functions of a stamp, and a stream must get the very bits that a batch gets. The sine of a library may
differ in the last bit between one number and an array of them, so it is a polynomial here: sums and products are the
same to the bit in both.
"""

from __future__ import annotations

from calendar import isleap, monthrange
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.cftime_axis import as_datetimes, is_cftime, lacks_weeks
from tsssm.data.frequency import DAY_SECONDS, mean_step_seconds
from tsssm.data.timeline import Timeline

__all__ = ["CYCLES", "calendar_features", "calendar_row", "choose_cycles", "feature_names"]

# How many sine and cosine pairs each cycle has; three single out every day of a week.
_HARMONICS = {"day": 3, "week": 3, "month": 1, "year": 2}
CYCLES = tuple(_HARMONICS)
TIMES_SEEN = 3
_DAYS = {"day": 1.0, "week": 7.0, "month": 30.436875, "year": 365.2425}
_DAY_US = DAY_SECONDS * 1_000_000
# Taylor coefficients of sin(2 pi v) / v in v squared; |v| <= 1/4 leaves an error below 1e-11.
_SINE = (
    6.283185307179586,
    -41.341702240399755,
    81.60524927607504,
    -76.70585975306136,
    42.058693944897634,
    -15.094642576822984,
    3.8199525848482803,
    -0.7181223017785001,
)


def choose_cycles(timeline: Timeline, n_train_rows: int) -> tuple[str, ...]:
    """Choose the cycles that a frequency can express and the training rows cover three times.

    With less than that a network learns the dates by heart. A cycle needs two steps or more; the month enters for
    daily steps alone. Integers have no calendar,
    nor have calendars with a 30 February; one without leap years has no weeks.

    Parameters
    ----------
    timeline
        The time axis.
    n_train_rows
        How many of its rows are trained on.

    Returns
    -------
    tuple of str
        Some of "day", "week", "month", "year", in this order.

    Examples
    --------
    >>> import pandas as pd
    >>> choose_cycles(Timeline(pd.date_range("2024-01-01", periods=600, freq="h"), pd.offsets.Hour()), 600)
    ('day', 'week')
    """
    seconds = mean_step_seconds(timeline.frequency)
    if seconds is None or timeline.calendar_stamps() is None:
        return ()
    step = seconds / DAY_SECONDS  # days
    return tuple(
        cycle
        for cycle, days in _DAYS.items()
        if step * 2 <= days
        and n_train_rows * step >= TIMES_SEEN * days
        and (cycle != "month" or 1 <= step < 2)
        and not (cycle == "week" and lacks_weeks(timeline.index))
    )


def feature_names(cycles: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the features of these cycles, in order.

    Examples
    --------
    >>> feature_names(("month", "year"))
    ('month_sin1', 'month_cos1', 'year_sin1', 'year_cos1', 'year_sin2', 'year_cos2')
    """
    pairs = [(cycle, harmonic) for cycle in cycles for harmonic in range(1, _HARMONICS[cycle] + 1)]
    return tuple(f"{cycle}_{wave}{harmonic}" for cycle, harmonic in pairs for wave in ("sin", "cos"))


def calendar_features(stamps: pd.DatetimeIndex, cycles: Sequence[str]) -> np.ndarray:
    """Return the calendar features of naive local times (of times in a zone, their local time).

    Parameters
    ----------
    stamps : DatetimeIndex, (rows,)
        The times, as `Timeline.calendar_stamps` gives them. Parts below a microsecond are left out.
    cycles
        The cycles, as `choose_cycles` gives them.

    Returns
    -------
    ndarray, (rows, n_features) float32
        In [-1, 1], in the order of `feature_names`.

    Examples
    --------
    >>> import pandas as pd
    >>> calendar_features(pd.DatetimeIndex(["2024-01-01 00:00", "2024-01-01 06:00"]), ("day",))[:, :2]
    array([[0., 1.],
           [1., 0.]], dtype=float32)
    """
    features = np.empty((len(stamps), len(feature_names(cycles))), dtype=np.float32)
    if features.size:
        for column, wave in enumerate(_waves(_phases(stamps, cycles), cycles)):
            features[:, column] = wave
    return features


def calendar_row(stamp: Any, cycles: Sequence[str]) -> np.ndarray:
    """Return the calendar features of one datetime, Timestamp or Period: the bits that `calendar_features` gives.

    Returns
    -------
    ndarray, (n_features,) float32

    Examples
    --------
    >>> import pandas as pd
    >>> calendar_row(pd.Timestamp("2024-01-01 06:00"), ("day",))[:2]
    array([1., 0.], dtype=float32)
    """
    if isinstance(stamp, pd.Period):
        stamp = stamp.start_time
    elif is_cftime(stamp) and (dates := as_datetimes([stamp])) is not None:
        stamp = dates[0]
    return np.array(list(_waves(_phases_of_one(stamp, cycles), cycles)), dtype=np.float32)


def _waves(phases: dict[str, Any], cycles: Sequence[str]):
    """Yield the sine and cosine of each harmonic, for floats and arrays alike."""
    for cycle in cycles:
        for harmonic in range(1, _HARMONICS[cycle] + 1):
            turns = phases[cycle] * harmonic
            yield _cosine((turns + 0.75) % 1.0)
            yield _cosine(turns % 1.0)


def _cosine(turns: Any) -> Any:
    """Return the cosine of an angle in turns, 0 <= turns < 1."""
    v = abs(turns - 0.5) - 0.25  # cos(2 pi turns) = sin(2 pi v), |v| <= 1/4
    square = v * v
    result = _SINE[-1] * square
    for coefficient in _SINE[-2:0:-1]:
        result = (result + coefficient) * square
    return (result + _SINE[0]) * v


def _phases(stamps: pd.DatetimeIndex, cycles: Sequence[str]) -> dict[str, np.ndarray]:
    """Return how much of each cycle has passed, in [0, 1)."""
    times = (stamps if stamps.tz is None else stamps.tz_localize(None)).to_numpy()
    days = times.astype("M8[D]")
    us = (times - days).astype("m8[us]").astype(np.int64)
    phases = {}
    if "day" in cycles:
        phases["day"] = us / _DAY_US
    if "week" in cycles:
        phases["week"] = _phase((days.astype(np.int64) + 3) % 7, us, 7)  # day 0, 1 January 1970, was a Thursday
    for cycle, unit in (("month", "M"), ("year", "Y")):
        if cycle in cycles:
            start = days.astype(f"M8[{unit}]")
            first, after = start.astype("M8[D]"), (start + 1).astype("M8[D]")
            phases[cycle] = _phase((days - first).astype(np.int64), us, (after - first).astype(np.int64))
    return phases


def _phases_of_one(stamp: Any, cycles: Sequence[str]) -> dict[str, float]:
    us = ((stamp.hour * 60 + stamp.minute) * 60 + stamp.second) * 1_000_000 + stamp.microsecond
    phases = {}
    if "day" in cycles:
        phases["day"] = us / _DAY_US
    if "week" in cycles:
        phases["week"] = _phase(stamp.weekday(), us, 7)
    if "month" in cycles:
        phases["month"] = _phase(stamp.day - 1, us, monthrange(stamp.year, stamp.month)[1])
    if "year" in cycles:
        phases["year"] = _phase(stamp.timetuple().tm_yday - 1, us, 366 if isleap(stamp.year) else 365)
    return phases


def _phase(day: Any, us: Any, n_days: Any) -> Any:
    return (day * _DAY_US + us) / (n_days * _DAY_US)
