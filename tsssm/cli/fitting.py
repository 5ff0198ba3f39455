"""Fit a forecaster on a table of the command line."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

from tsssm.cli.roles import SeriesTable

if TYPE_CHECKING:
    import pandas as pd

    from tsssm.forecasters import Forecaster

__all__ = ["column_lines", "fit_table", "silent_stdout", "used_covariates"]


def fit_table(forecaster: Forecaster, table: SeriesTable, freq: str | None = None) -> list[str]:
    """Fit in place, and say what the columns were taken for.

    Parameters
    ----------
    forecaster : Forecaster
    table : SeriesTable
    freq : str, optional

    Returns
    -------
    list of str
        Lines to print.
    """
    X = used_covariates(forecaster, table)
    with silent_stdout():
        forecaster.fit(table.y, X, freq=freq)
    return column_lines(table, X)


def silent_stdout() -> contextlib.AbstractContextManager:
    """Keep back the notes that a fit prints: they are part of its summary. The progress bar goes to standard error."""
    return contextlib.redirect_stdout(io.StringIO())


def used_covariates(forecaster: Forecaster, table: SeriesTable) -> pd.DataFrame | None:
    """The covariates, if the forecaster has a network that reads them."""
    has_network = forecaster.mixer is not None or forecaster._own_mixer is not None
    return table.X if has_network else None


def column_lines(table: SeriesTable, X: pd.DataFrame | None) -> list[str]:
    """What the columns were taken for; X is what the forecaster uses of the covariates."""
    y = table.y
    lines = [f"{len(y):,} rows from {y.index[0]} to {y.index[-1]}; series: {', '.join(y.columns)}"]
    if X is not None:
        beyond = len(X) - len(y)
        lines.append(f"covariates: {', '.join(X.columns)}" + (f"; {beyond} rows beyond the series" if beyond else ""))
    elif table.X is not None:
        lines.append(f"note: this forecaster does not use covariates; {', '.join(table.X.columns)} left out")
    if table.left_out:
        lines.append(f"note: columns without numbers left out: {', '.join(table.left_out)}")
    return lines
