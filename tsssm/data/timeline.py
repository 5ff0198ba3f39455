"""The regular time axis of a table, in the user's own type of stamps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data.cftime_axis import as_datetimes, calendar_of, cftime_stamp, empty_cftime, is_cftime, joined
from tsssm.data.clock import Clock
from tsssm.data.frequency import frequency_name, parse_frequency
from tsssm.data.grid import Frequency, Stamp, stamps_from
from tsssm.data.labels import label_from_json, label_to_json
from tsssm.data.stamps import read_stamp
from tsssm.errors import DataError

__all__ = ["Timeline"]


@dataclass(frozen=True, eq=False)
class Timeline:
    """The regular time axis of a table: datetimes of any unit and zone, periods, or integers.

    Attributes
    ----------
    index : pd.Index, (rows,)
        The stamps: sorted, distinct and without a gap.
    freq : offset or int
        The step: a pandas offset for datetimes and periods, a whole number for integers.

    Examples
    --------
    >>> import pandas as pd
    >>> timeline = Timeline(pd.date_range("2024-01-01", periods=24, freq="h"), pd.offsets.Hour())
    >>> len(timeline), timeline.frequency, timeline.next_stamp()
    (24, 'h', Timestamp('2024-01-02 00:00:00'))
    >>> timeline.steps_after_end(pd.Timestamp("2024-01-02 05:00"))
    6
    """

    index: pd.Index
    freq: Frequency

    def __len__(self) -> int:
        return len(self.index)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Timeline):
            return NotImplemented
        alike = self.index.dtype == other.index.dtype and self.index.names == other.index.names
        return alike and self.freq == other.freq and self.index.equals(other.index)

    __hash__ = None  # type: ignore[assignment]

    @property
    def frequency(self) -> str:
        """The frequency as text ("h", "MS", "2"), the same for equal grids: "60min" is "h"."""
        return frequency_name(self.freq, self.index)

    def clock(self) -> Clock:
        """Return the clock at the end of this axis: what a stream needs to know of it."""
        if len(self.index):
            return Clock.at_end_of(self.index, self.freq)
        if isinstance(self.index, pd.RangeIndex):  # an empty range still says where it begins
            return Clock(self.index.start - self.freq, self.freq, self.index)
        raise DataError("The time axis has no stamp yet, so none follows. Give the time of the first row.")

    def future(self, n: int) -> pd.Index:
        """Return the `n` stamps that follow the last, as an index of the same type, unit, zone and name.

        Raises
        ------
        DataError
            When the axis is empty (an empty RangeIndex begins at its start).
        """
        return self.clock().stamps(n)

    def next_stamp(self) -> Stamp:
        """Return the stamp that follows the last."""
        return self.clock().next_stamp()

    def steps_after_end(self, stamp: Any) -> int:
        """Return k >= 1 when `stamp` is the k-th stamp after the end; refuse any other.

        Raises
        ------
        DataError
            For a late or repeated stamp, one off the frequency, another type, a wrong or a missing time zone.
        """
        return self.clock().steps_to(stamp)

    def extend(self, n: int) -> Timeline:
        """Return this axis with the `n` stamps that follow it."""
        return Timeline(joined(self.index, self.future(n)), self.freq)

    def slice(self, start: int | None, stop: int | None) -> Timeline:
        """Return rows `start` to `stop` (exclusive), counted as in Python slices."""
        return Timeline(self.index[start:stop], self.freq)

    def start_at(self, stamp: Any) -> Timeline:
        """Return an axis of this type and frequency that has `stamp` alone.

        Raises
        ------
        DataError
            For another type, a wrong or a missing time zone, or a stamp off the frequency ("MS" on the 15th).
        """
        stamp = read_stamp(stamp, self.index)
        first = stamps_from(stamp, 1, self.freq, self.index[:0])
        if first[0] != stamp:
            raise DataError(
                f"The stamp {stamp} is off the frequency {self.frequency!r}; the next that fits is {first[0]}."
            )
        return Timeline(first, self.freq)

    def calendar_stamps(self) -> pd.DatetimeIndex | None:
        """Return the stamps as naive local times (of periods the start), None for integers.

        Dates of other calendars come as the same dates; None where some do not exist (30 February).
        """
        if is_cftime(self.index):
            return as_datetimes(self.index)
        if isinstance(self.index, pd.PeriodIndex):
            return self.index.to_timestamp(how="start")
        if not isinstance(self.index, pd.DatetimeIndex):
            return None
        return self.index if self.index.tz is None else self.index.tz_localize(None)

    def to_json(self) -> dict[str, Any]:
        """Return the axis as plain Python that `json` can write: its type, first stamp, length and frequency.

        Raises
        ------
        DataError
            For an index name or a time zone that text cannot hold.
        """
        common = {"rows": len(self), "name": label_to_json(self.index.name, "the index name")}
        if isinstance(self.index, pd.DatetimeIndex):
            zone = _zone_text(self.index.tz)
            kind = {
                "type": "datetime",
                "freq": self.freq.freqstr,
                "unit": self.index.unit,
                "tz": zone,
                "first": self._first_text(),
            }
            rebuilt = Timeline.from_json({**kind, **common})
            # a change of clocks that moved the first stamp makes the rest impossible to tell from it
            return (
                {**kind, **common}
                if rebuilt == self
                else {**kind, **common, "stamps": [s.isoformat() for s in self.index]}
            )
        if isinstance(self.index, pd.PeriodIndex):
            return {"type": "period", "freq": self.index.freqstr, "first": self._first_text(), **common}
        if is_cftime(self.index):
            calendar = calendar_of(self.index)
            return {
                "type": "cftime",
                "freq": self.freq.freqstr,
                "calendar": calendar,
                "first": self._first_text(),
                **common,
            }
        first = self.index.start if isinstance(self.index, pd.RangeIndex) else int(self.index[0]) if len(self) else 0
        dtype = "range" if isinstance(self.index, pd.RangeIndex) else str(self.index.dtype)
        return {"type": "integer", "freq": self.freq, "dtype": dtype, "first": first, **common}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Timeline:
        """Return the axis that `to_json` wrote.

        Examples
        --------
        >>> import pandas as pd
        >>> timeline = Timeline(pd.RangeIndex(3, 9, 2, name="step"), 2)
        >>> Timeline.from_json(timeline.to_json()) == timeline
        True
        """
        like = _empty_index(plain)
        freq = parse_frequency(plain["freq"], like)
        if "stamps" in plain:
            return cls(_datetimes(plain["stamps"], like), freq)
        first = plain["first"]
        if first is None:
            return cls(pd.DatetimeIndex(like, freq=freq) if plain["type"] == "datetime" else like, freq)
        if isinstance(like, pd.DatetimeIndex):
            first = _datetimes([first], like)[0]
        elif isinstance(like, pd.PeriodIndex):
            first = pd.Period(first, freq=plain["freq"])
        elif is_cftime(like):
            first = cftime_stamp(first, plain["calendar"])
        return cls(stamps_from(first, plain["rows"], freq, like), freq)

    def _first_text(self) -> str | None:
        if not len(self):
            return None
        first = self.index[0]
        return (
            first.isoformat() if isinstance(first, pd.Timestamp) or is_cftime(first) else str(first).split("/")[0]
        )  # a week is "from/to"


def _datetimes(texts: Iterable[str], like: pd.DatetimeIndex) -> pd.DatetimeIndex:
    stamps = [pd.Timestamp(text).as_unit(like.unit) for text in texts]
    return pd.DatetimeIndex([s if s.tz is None else s.tz_convert(like.tz) for s in stamps], name=like.name).as_unit(
        like.unit
    )


def _empty_index(plain: dict[str, Any]) -> Any:
    name = label_from_json(plain["name"])
    if plain["type"] == "datetime":
        dtype = (
            f"datetime64[{plain['unit']}]" if plain["tz"] is None else pd.DatetimeTZDtype(plain["unit"], plain["tz"])
        )
        return pd.DatetimeIndex([], dtype=dtype, name=name)
    if plain["type"] == "period":
        return pd.PeriodIndex([], dtype=pd.PeriodDtype(plain["freq"]), name=name)
    if plain["type"] == "cftime":
        return empty_cftime(name)
    if plain["dtype"] == "range":
        return pd.RangeIndex(0, name=name)
    return pd.Index(np.array([], dtype=plain["dtype"]), name=name)


def _zone_text(tz: Any) -> str | None:
    if tz is None:
        return None
    try:
        same = pd.DatetimeTZDtype("ns", str(tz)) == pd.DatetimeTZDtype("ns", tz)
    except (TypeError, ValueError, KeyError):
        same = False
    if not same:
        raise DataError(
            f"The time zone {tz!r} cannot be saved by name. Convert the index, such as .tz_convert('Europe/Berlin')."
        )
    return str(tz)
