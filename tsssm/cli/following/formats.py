"""The three forms of input: bare values, CSV with a header, JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Hashable
from typing import Any, Protocol

import pandas as pd

from tsssm.cli.following.observed import Observed, by_name, read_number, read_time
from tsssm.errors import DataError

__all__ = ["LineReader", "choose_reader"]


class LineReader(Protocol):
    """Reads one line after another; None is a line without an observation: a header, or an empty one."""

    def __call__(self, line: str) -> Observed | None:
        """Read a line, without its end."""


def choose_reader(first: str, labels: dict[str, Hashable], like: pd.Index, time: str | None) -> LineReader:
    """The reader of lines such as `first`.

    Parameters
    ----------
    first : str
        The first line of the input: ``{`` begins JSON, a line of nothing but numbers is values, any other is a header.
    labels : dict
        Names of the series by text.
    like : pd.Index
        The kind of stamps that the stream has.
    time : str or None
        CSV's column of stamps; None is the name of the stream's own, else ``time``.

    Raises
    ------
    DataError
        The line tells no form, or is a header that does not fit the stream.

    Examples
    --------
    >>> read = choose_reader("time,load", {"load": "load"}, pd.RangeIndex(0), None)
    >>> read("time,load"), read("8,2.5")
    (None, Observed(time=8, value={'load': 2.5}))
    """
    if not first.strip():
        raise DataError("it is empty and does not tell the form of the input. Write NaN for an unobserved value.")
    if first.lstrip().startswith("{"):
        return JsonLines(labels, like)
    return Values(len(labels)) if _all_numbers(first) else CsvLines(first, labels, like, time)


def _all_numbers(line: str) -> bool:
    try:
        return all(read_number(field) is not None for field in _fields(line))
    except DataError:
        return False


class Values:
    """One number a line; of several series, their numbers in order, parted by commas. Empty is unobserved."""

    def __init__(self, n_series: int):
        self._n_series = n_series

    def __call__(self, line: str) -> Observed | None:
        fields = _fields(line) or [""]
        if len(fields) != self._n_series:
            if not line.strip():
                return None
            raise DataError(f"{len(fields)} values, but the stream follows {self._n_series} series: {line[:80]!r}")
        return Observed(None, [read_number(field) for field in fields])


class CsvLines:
    """Rows under a header that names the time, if there is one, and the series."""

    def __init__(self, header: str, labels: dict[str, Hashable], like: pd.Index, time: str | None):
        self._header = [field.strip() for field in _fields(header)]
        self._labels, self._like = _also_value(labels), like
        self._time = time if time is not None else self._usual_time()
        self._check_header(labels)
        self._seen_header = False

    def __call__(self, line: str) -> Observed | None:
        if not self._seen_header:
            self._seen_header = True
            return None
        fields = _fields(line)
        if not fields and len(self._header) > 1:
            return None
        fields = fields or [""]
        if len(fields) != len(self._header):
            raise DataError(f"{len(fields)} fields, but the header has {len(self._header)}: {line[:80]!r}")
        row = dict(zip(self._header, fields))
        time = None if self._time is None else read_time(row.pop(self._time), self._like)
        return Observed(time, by_name({name: _number_of(name, text) for name, text in row.items()}, self._labels))

    def _usual_time(self) -> str | None:
        usual = [str(self._like.name), "time"] if self._like.name is not None else ["time"]
        return next((name for name in usual if name in self._header and name not in self._labels), None)

    def _check_header(self, labels: dict[str, Hashable]) -> None:
        header, wanted = self._header, ", ".join(list(labels)[:5])
        twice = [name for name in header if header.count(name) > 1]
        if twice:
            raise DataError(f"the header has the column {twice[0]!r} more than once: {header}")
        if self._time is not None and self._time not in header:
            raise DataError(f"the header has no column {self._time!r}: {header}")
        series = [name for name in header if name != self._time]
        unknown = [name for name in series if name not in self._labels]
        if unknown:
            raise DataError(
                f"the header's column {unknown[0]!r} is neither the time nor one of the series ({wanted}). "
                "Leave it out, name the time with --time, or give the header first."
            )
        given = {self._labels[name] for name in series}
        missing = [label for label, name in labels.items() if name not in given]
        if missing:
            raise DataError(
                f"the header lacks the series {missing[0]!r}: {header}. Leave its fields empty if unobserved."
            )


class JsonLines:
    """Objects ``{"time": ..., "value": 3.5}`` or ``{"time": ..., "values": {name: number}}``; null is unobserved."""

    def __init__(self, labels: dict[str, Hashable], like: pd.Index):
        self._labels, self._like = labels, like

    def __call__(self, line: str) -> Observed | None:
        if not line.strip():
            return None
        try:
            row = json.loads(line, object_pairs_hook=_distinct)
        except (json.JSONDecodeError, RecursionError) as error:
            raise DataError(f"this is no JSON: {error}: {line[:80]!r}") from error
        if not isinstance(row, dict):
            raise DataError(f'{line[:80]!r} is no object such as {{"time": ..., "value": 3.5}}')
        unknown = row.keys() - {"time", "value", "values"}
        if unknown:
            raise DataError(f'{min(unknown)!r} is none of "time", "value" and "values"')
        time = None if row.get("time") is None else read_time(row["time"], self._like)
        if ("value" in row) == ("values" in row):
            raise DataError('the object needs either "value" or "values"')
        return Observed(time, self._value(row))

    def _value(self, row: dict[str, Any]) -> Any:
        if "value" in row:
            if len(self._labels) > 1:
                raise DataError(f'"value" is for one series; this stream follows {len(self._labels)}: give "values"')
            return [row["value"]]
        values = row["values"]
        return by_name(values, self._labels) if isinstance(values, dict) else values


def _also_value(labels: dict[str, Hashable]) -> dict[str, Hashable]:
    """A single series may be called ``value`` as well."""
    return {"value": next(iter(labels.values()))} | labels if len(labels) == 1 else labels


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise DataError(f"this is no row of CSV: {error}: {line[:80]!r}") from error


def _number_of(name: str, text: str) -> float:
    try:
        return read_number(text)
    except DataError as error:
        raise DataError(f"{name!r}: {error}") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise DataError(f"{next(name for name in names if names.count(name) > 1)!r} is given twice")
    return row
