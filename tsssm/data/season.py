"""The usual season and patch length of a frequency."""

from __future__ import annotations

from tsssm.data.frequency import DAY_SECONDS, mean_step_seconds

__all__ = ["default_patch_length", "default_season_length"]

_YEAR_DAYS = 365.2425


def default_season_length(frequency: str) -> int:
    """Return how many steps the usual season of a frequency has: a day below daily steps, a week at them, else a year.

    Parameters
    ----------
    frequency
        The frequency as text, as `Timeline.frequency` gives it: one of pandas, for datetimes or periods, or an integer.

    Returns
    -------
    int
        Steps a season; 1 (no season) for yearly steps, integers, and steps that do not divide their season.

    Examples
    --------
    >>> [default_season_length(freq) for freq in ("h", "30min", "D", "B", "W-WED", "MS", "QS-OCT", "YS-JAN", "2")]
    [24, 48, 7, 5, 52, 12, 4, 1, 1]
    """
    seconds = mean_step_seconds(frequency)
    if seconds is None:
        return 1
    days = seconds / DAY_SECONDS
    if days < 1:
        return _whole(1 / days, tolerance=1e-9)
    if days < 7:
        return _whole(7 / days, tolerance=1e-9)
    return _whole(_YEAR_DAYS / days, tolerance=0.01)  # 52.18 weeks a year are 52


def default_patch_length(frequency: str) -> int:
    """Return how many observations make a patch by default: 24 below daily steps, 7 days, 4 weeks, 12 months.

    Business days have patches of 5, quarters and longer steps of 4. Integer stamps say nothing of a season; they get 8,
    short enough for short data.

    Examples
    --------
    >>> [default_patch_length(freq) for freq in ("h", "10s", "6h", "D", "B", "W-SUN", "MS", "QS-JAN", "YS-JAN", "1")]
    [24, 24, 24, 7, 5, 4, 12, 4, 4, 8]
    """
    seconds = mean_step_seconds(frequency)
    if seconds is None:
        return 8
    days = seconds / DAY_SECONDS
    if days < 1:
        return 24
    if days < 7:
        return 5 if 1 < days < 2 else 7
    return 12 if 27 < days < 32 else 4


def _whole(steps: float, tolerance: float) -> int:
    nearest = round(steps)
    return max(nearest, 1) if abs(steps - nearest) <= tolerance * steps else 1
