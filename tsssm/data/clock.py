"""The end of a time axis: which stamp comes next, and how many steps ahead a given stamp lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.cftime_axis import is_cftime
from tsssm.data.grid import Frequency, Stamp, counts_elapsed_time, localize, stamps_between, stamps_from, wall_time
from tsssm.data.stamps import read_stamp
from tsssm.errors import DataError

__all__ = ["Clock"]


@dataclass(frozen=True, eq=False)
class Clock:
    """The last stamp of a time axis and its frequency; small and quick, for streams.

    Attributes
    ----------
    last : pd.Timestamp, pd.Period, int or a date of cftime
        The last stamp.
    freq : offset or int
        The step.
    like : pd.Index
        An empty index of the axis' type, unit, zone and name.
    wall : pd.Timestamp or None
        The last stamp in naive local time, for calendar steps in a time zone. It differs from `last` where a change
        of clocks skipped that time, so that the steps after it come back to the usual time of day.

    Examples
    --------
    >>> import pandas as pd
    >>> clock = Clock(pd.Timestamp("2024-01-31 23:00"), pd.offsets.Hour(), pd.DatetimeIndex([]))
    >>> clock.next_stamp(), clock.steps_to(pd.Timestamp("2024-02-01 02:00"))
    (Timestamp('2024-02-01 00:00:00'), 3)
    >>> clock.advance(3).last
    Timestamp('2024-02-01 02:00:00')
    """

    last: Stamp
    freq: Frequency
    like: Any
    wall: pd.Timestamp | None = None

    @classmethod
    def at_end_of(cls, index: pd.Index, freq: Frequency) -> Clock:
        """Return the clock that stands at the last stamp of a regular index of one stamp or more."""
        last: Stamp = _element(index, -1)
        like: Any = index[-1:] if is_cftime(index) else index[:0]  # an empty one would not know its calendar
        if not _keeps_local_time(like, freq):
            return cls(last, freq, like)
        # the stamp before says the usual time of day if the last was moved by a change of clocks
        wall = wall_time(index[-1]) if len(index) == 1 else wall_time(index[-2]) + freq
        return cls(last, freq, like, wall if localize(wall, like.tz) == last else wall_time(last))

    def next_stamp(self) -> Stamp:
        """Return the stamp one step after the last."""
        return self.advance().last

    def advance(self, steps: int = 1) -> Clock:
        """Return the clock `steps` >= 1 steps later."""
        if self.wall is None:
            return Clock(self._shifted(steps), self.freq, self.like)
        wall = self.wall + self.freq * steps
        return Clock(localize(wall, self.like.tz), self.freq, self.like, wall)

    def stamps(self, n: int) -> pd.Index:
        """Return the `n` stamps that follow the last, as an index of the axis' own type."""
        start = self.last if self.wall is None else self.wall
        self._check_room(n)
        return stamps_from(start, n + 1, self.freq, self.like)[1:]

    def steps_to(self, stamp: Any) -> int:
        """Return k >= 1 when `stamp` is the k-th stamp after the last.

        Raises
        ------
        DataError
            For a late or repeated stamp, one off the frequency, another type, a wrong or a missing time zone.
        """
        stamp = read_stamp(stamp, self.like)
        if stamp <= self.last:
            fault = "repeats the last stamp" if stamp == self.last else f"is not after the last stamp {self.last}"
            raise DataError(f"The stamp {stamp} {fault}; the next expected one is {self.next_stamp()}.")
        steps = self._whole_steps(stamp)
        if steps is None:
            raise DataError(
                f"The stamp {stamp} is off the frequency {self._step_text()}: the stamps after {self.last} are "
                f"{self.next_stamp()}, {self.advance(2).last}, ..."
            )
        return steps

    def _whole_steps(self, stamp: Stamp) -> int | None:
        if isinstance(self.last, pd.Period):
            steps, rest = divmod(stamp.ordinal - self.last.ordinal, self.freq.n)
            return None if rest else steps
        if isinstance(self.last, int):
            steps, rest = divmod(stamp - self.last, self.freq)
            return None if rest else steps
        if counts_elapsed_time(self.freq) and not is_cftime(stamp):
            steps, elapsed = divmod(stamp - self.last, pd.Timedelta(self.freq))
            return None if elapsed else int(steps)
        if stamp == self.next_stamp():
            return 1
        start = self.last if self.wall is None else self.wall
        grid = stamps_between(start, stamp, self.freq, self.like)
        return len(grid) - 1 if grid[-1] == stamp else None

    def _shifted(self, steps: int) -> Stamp:
        if is_cftime(self.last):
            return stamps_from(self.last, steps + 1, self.freq, self.like)[-1]
        if isinstance(self.last, pd.Period):
            return self.last + steps  # counts in steps of the period's own frequency, "2M" included
        return self.last + self.freq * steps

    def _check_room(self, n: int) -> None:
        if isinstance(self.last, int) and not isinstance(self.like, pd.RangeIndex):
            largest = np.iinfo(self.like.dtype).max
            if self.last + n * self.freq > largest:
                raise DataError(
                    f"The stamps after {self.last} do not fit the index's type {self.like.dtype} (at most {largest}). "
                    "Use an int64 index."
                )

    def _step_text(self) -> str:
        return repr(self.freq if isinstance(self.freq, int) else self.freq.freqstr)


def _keeps_local_time(like: pd.Index, freq: Frequency) -> bool:
    return isinstance(like, pd.DatetimeIndex) and like.tz is not None and not counts_elapsed_time(freq)


def _element(index: pd.Index, row: int) -> Stamp:
    element = index[row]
    return int(element) if isinstance(element, (int, np.integer)) else element
