"""Take in lines as they come, and write a forecast after each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO

import numpy as np
import pandas as pd

from tsssm.cli.following.forecast_line import forecast_line
from tsssm.cli.following.formats import LineReader, choose_reader
from tsssm.cli.following.observed import Observed, series_labels
from tsssm.errors import DataError, StreamError
from tsssm.forecasters.levels import at_levels, interval_levels
from tsssm.forecasters.stream import Stream

__all__ = ["Follower", "check_levels"]


class Follower:
    """Reads lines into a stream and writes its forecasts.

    Parameters
    ----------
    stream : Stream
    levels : float, tuple of float or None
        A coverage or quantiles to write beside the median.
    every : int
        A forecast after so many rows.
    time : str or None
        CSV's column of stamps.
    X : DataFrame or None
        Covariates of the rows to come and of the steps ahead of them, in order of time.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        levels: float | tuple[float, ...] | None,
        every: int,
        time: str | None,
        X: pd.DataFrame | None,
    ):
        self._stream, self._levels, self._every, self._time, self._X = stream, levels, every, time, X
        self._labels = series_labels(stream.series)
        self._read: LineReader | None = None

    def follow(self, lines: Iterable[tuple[int, bytes]], out: TextIO) -> None:
        """Take in numbered lines until they end. What was taken in stays so whatever ends it.

        Raises
        ------
        DataError, StreamError
            A line that cannot be read or that the stream refuses, by its number; the stream is as before it.
        BrokenPipeError
            Nobody reads the forecasts any more.
        """
        rows = 0
        for number, line in lines:
            try:
                if not self._take_in(line):
                    continue
                rows += 1
                if rows % self._every == 0:
                    said = forecast_line(self._stream, number, self._levels, self._horizon_rows())
                    print(said, file=out, flush=True)
            except (DataError, StreamError) as error:
                raise type(error)(f"line {number}: {error}") from error

    def _take_in(self, line: bytes) -> bool:
        """Whether the line held a row."""
        text = _text(line)
        if self._read is None:
            self._read = choose_reader(text, self._labels, self._stream._empty.index, self._time)
        observed = self._read(text)
        if observed is not None:
            self._stream.update(observed.value, observed.time, self._covariates(observed))
        return observed is not None

    def _covariates(self, observed: Observed) -> Any:
        if self._X is None:
            return None
        if observed.time is None:
            raise DataError("a model with covariates needs the time of each row. Give CSV or JSON with it.")
        try:
            return self._X.loc[observed.time]
        except KeyError:
            raise DataError(f"the covariates have no row for {observed.time}. Add it to the file.") from None

    def _horizon_rows(self) -> pd.DataFrame | None:
        """The rows of the steps ahead, without the many before and beyond them."""
        if self._X is None:
            return None
        begin = int(self._X.index.searchsorted(self._stream.last_time, side="right"))
        return self._X.iloc[begin : begin + self._stream._model.spec.horizon]


def check_levels(stream: Stream, levels: float | tuple[float, ...] | None) -> None:
    """Refuse levels that no forecast will have, before the first line.

    Raises
    ------
    ConfigError
        They lie beyond the trained ones, or the coverage is no share.
    """
    if levels is not None:
        wanted = levels if isinstance(levels, tuple) else interval_levels(levels)
        trained = stream._model.spec.levels
        at_levels(np.zeros(len(trained)), trained, wanted)


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"this is no text in UTF-8: {error}. Convert the input.") from error
