"""Covariates of the rows that a stream will take in and of the steps that it will forecast."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tsssm.cli.stamps import set_time
from tsssm.cli.tables import read_csv
from tsssm.errors import DataError
from tsssm.forecasters.stream import Stream

__all__ = ["read_known_ahead"]


def read_known_ahead(stream: Stream, path: Path | None, time: str | None) -> pd.DataFrame | None:
    """The covariates of a stream out of a CSV file, in order of time; None of a stream that has none.

    Raises
    ------
    DataError
        The file is missing or not wanted, lacks a column, or its rows are not in order.
    """
    names = list(stream._model.spec.covariates)
    if not names and path is None:
        return None
    if path is None:
        raise DataError(
            f"the model was fitted with {', '.join(names)}: give --x-future FILE.csv with them, for the rows to come "
            "and the steps ahead of them."
        )
    if not names:
        raise DataError(f"--x-future {path}: the model was fitted without covariates. Leave it out.")
    frame = read_csv(path)
    usual = str(stream._empty.index.name)
    frame = set_time(frame, path, usual if time is None and usual in frame else time)
    missing = [name for name in names if name not in frame]
    if missing:
        raise DataError(f"{path} lacks the covariate {missing[0]!r}; it has {list(frame)}")
    if not (frame.index.is_monotonic_increasing and frame.index.is_unique):
        raise DataError(f"the rows of {path} are not in order of time, each stamp once. Sort them.")
    return frame[names]
