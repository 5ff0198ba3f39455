"""The errors of a backtest as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsssm.forecasters.backtest import Backtest

__all__ = ["score_text"]


def score_text(name: str, result: Backtest) -> str:
    """What was tested, and its errors: one line a part of the forecaster and series.

    Parameters
    ----------
    name : str
        The forecaster's.
    result : Backtest

    Returns
    -------
    str
    """
    n_windows, n_series, horizon = result.windows.point.shape
    index, first, last = result.table.timeline.index, result.cutoffs[0], result.cutoffs[-1]
    head = [
        f"{name}, fitted on {result.fitted_on}",
        f"{n_windows} windows of {horizon} steps, from {index[first]} to {index[last + horizon - 1]}",
    ]
    metrics = result.metrics.copy()
    if n_series == 1:
        metrics = metrics.droplevel("series")
    metrics.index.names = [None] * metrics.index.nlevels
    return "\n".join([*head, metrics.to_string(float_format=lambda value: f"{value:.4g}", na_rep="", line_width=None)])
