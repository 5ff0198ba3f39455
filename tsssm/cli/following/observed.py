"""What one line of input says: a time, if it gives one, and the values of series by name."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from tsssm.errors import DataError

__all__ = ["Observed", "read_number", "read_time", "series_labels"]

_NOT_OBSERVED = frozenset(("", "nan", "na", "null", "none"))


class Observed(NamedTuple):
    """One row: `time` is None where the line gives none; `value` is what `Stream.update` takes."""

    time: Any
    value: Any


def series_labels(names: tuple[Hashable, ...]) -> dict[str, Hashable]:
    """Names of series by the text that stands for them in a line; a series without a name is ``y``.

    Raises
    ------
    DataError
        Two names read the same as text.

    Examples
    --------
    >>> series_labels(("north", 7))
    {'north': 'north', '7': 7}
    """
    labels: dict[str, Hashable] = {}
    for name in names:
        label = "y" if name is None else str(name)
        if label in labels:
            raise DataError(
                f"two series read {label!r} as text: {labels[label]!r} and {name!r}. Rename one and fit again."
            )
        labels[label] = name
    return labels


def read_number(text: str) -> float:
    """A number, or NaN for what stands for an unobserved value.

    Raises
    ------
    DataError
        It is neither.

    Examples
    --------
    >>> read_number(" 2.5e3"), read_number("NaN"), read_number("")
    (2500.0, nan, nan)
    """
    text = text.strip()
    if text.lower() in _NOT_OBSERVED:
        return float("nan")
    try:
        if "_" in text:  # Python's own spelling of 1_000
            raise ValueError
        return float(text)
    except ValueError:
        raise DataError(f"{text!r} is no number; an empty field or NaN stands for unobserved") from None


def read_time(given: Any, like: pd.Index) -> Any:
    """A stamp of a line as an element of indexes such as `like`.

    Parameters
    ----------
    given : str or int
        Text that begins with the year, or a whole number where the stamps are whole numbers.
    like : pd.Index
        The kind of stamps that the stream has.

    Raises
    ------
    DataError
        It is none.

    Examples
    --------
    >>> read_time("2024-01-31 13:00", pd.DatetimeIndex([]))
    Timestamp('2024-01-31 13:00:00')
    >>> read_time("17", pd.RangeIndex(0))
    17
    """
    whole = isinstance(given, int) and not isinstance(given, bool)
    if not (isinstance(given, str) or whole):
        raise DataError(f"the time {given!r} is no text and no whole number")
    if not isinstance(like, pd.DatetimeIndex | pd.PeriodIndex):
        return given if whole else _whole_number(given)
    text = str(given).strip()
    if whole or not text[:4].isdigit() or (isinstance(like, pd.DatetimeIndex) and text[4:5] not in ("-", "/")):
        raise DataError(f"the time {given!r} is no stamp that begins with the year, such as 2024-01-31 13:00")
    try:
        if isinstance(like, pd.PeriodIndex):
            return pd.Period(text, freq=like.freqstr)
        stamp = pd.Timestamp(text)
    except ValueError as error:
        raise DataError(f"the time {given!r} is no stamp: {error}") from error
    # An offset such as +01:00 names an instant: in the stream's own zone it is the same one.
    return stamp.tz_convert(like.tz) if stamp.tz is not None and like.tz is not None else stamp


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DataError(f"the time {text!r} is no whole number, and this stream counts in whole numbers") from None


def by_name(values: Mapping[str, Any], labels: Mapping[str, Hashable]) -> dict[Hashable, Any]:
    """Values by series, out of values by text; a single series may also be called ``value``."""
    unknown = [label for label in values if label not in labels]
    if unknown:
        raise DataError(f"{unknown[0]!r} is none of the series, which are {', '.join(list(labels)[:5])}")
    return {labels[label]: value for label, value in values.items()}
