"""Which columns of a table are time, series and covariates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tsssm.cli.stamps import set_time
from tsssm.cli.tables import read_csv
from tsssm.errors import DataError

__all__ = ["SeriesTable", "read_series"]


@dataclass(frozen=True)
class SeriesTable:
    """What a CSV file holds for a forecaster.

    Attributes
    ----------
    y : DataFrame
        The series, a column each, over the time stamps.
    X : DataFrame or None
        The covariates; its rows may go on after those of y.
    left_out : list of str
        Columns that are neither, for they hold no numbers.
    """

    y: pd.DataFrame
    X: pd.DataFrame | None
    left_out: list[str]


def read_series(
    path: Path, time: str | None = None, targets: Sequence[str] | None = None, covariates: Sequence[str] | None = None
) -> SeriesTable:
    """Read a CSV file as series and covariates.

    Parameters
    ----------
    path : Path
    time : str, optional
        Column of stamps; default: the first that parses as such.
    targets : sequence of str, optional
        Series; default: every numeric column that is no covariate.
    covariates : sequence of str, optional
        Columns known in advance. Rows at the end where all series are empty are then the future and belong to X alone.

    Returns
    -------
    SeriesTable

    Raises
    ------
    DataError
        The file cannot be read, no column holds stamps, a named column is missing or named twice, or no series is left.
    """
    frame = set_time(read_csv(path), path, time)
    covariates = list(covariates or ())
    others = [name for name in frame.columns if name not in covariates]
    numeric = [name for name in others if _is_number(frame[name])]
    chosen = list(targets or numeric)
    for name in (*chosen, *covariates):
        if name not in frame.columns:
            what = "is the column of time stamps" if name == frame.index.name else "is not a column"
            raise DataError(f"{name!r} {what} of {path}, which has {list(frame.columns)} beside it")
    named = [*chosen, *covariates]
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        raise DataError(f"{twice[0]!r} is named twice. A column is either a series (--target) or a covariate (--x).")
    if not chosen:
        raise DataError(f"{path} has no numeric column to forecast; beside the time stamps there are {others}")
    left_out = [] if targets else [name for name in others if name not in numeric]
    if not covariates:
        return SeriesTable(frame[chosen], None, left_out)
    return SeriesTable(_without_future(frame[chosen]), frame[covariates], left_out)


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _without_future(y: pd.DataFrame) -> pd.DataFrame:
    """The rows up to the last with any value."""
    observed = y.notna().any(axis=1).to_numpy().nonzero()[0]
    return y.iloc[: observed[-1] + 1] if len(observed) else y
