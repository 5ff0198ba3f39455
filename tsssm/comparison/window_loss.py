"""Errors of a backtest by the names that `compare` takes: one a window, and one over all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsssm.errors import ConfigError
from tsssm.forecasters.backtest import Backtest
from tsssm.metrics import mae, mase, mse, seasonal_scale, smape

__all__ = ["METRICS", "check_metrics", "overall_errors", "window_losses"]


def _scaled(backtest: Backtest) -> NDArray[np.float64]:
    known = backtest.table.values[: backtest.cutoffs[0]]
    season = min(backtest.season_length, max(1, len(known) - 1))
    scale = np.atleast_1d(seasonal_scale(known, season))
    by_series = np.atleast_2d(mase(backtest.actual, backtest.windows.point, scale[None, :, None], axis=2))  # (W, S)
    finite = np.isfinite(by_series)  # a series that never changed before the windows has no scale
    counts = finite.sum(axis=1)
    return np.where(counts > 0, np.where(finite, by_series, 0.0).sum(axis=1) / np.maximum(counts, 1), np.nan)


def _by_window(metric: Callable) -> Callable[[Backtest], NDArray[np.float64]]:
    return lambda backtest: np.atleast_1d(metric(backtest.actual, backtest.windows.point, axis=(1, 2)))


# name -> its column in Backtest.metrics, and the loss of each window
METRICS: dict[str, tuple[str, Callable[[Backtest], NDArray[np.float64]]]] = {
    "mae": ("MAE", _by_window(mae)),
    "mse": ("RMSE", _by_window(mse)),
    "rmse": ("RMSE", _by_window(mse)),
    "mase": ("MASE", _scaled),
    "smape": ("sMAPE", _by_window(smape)),
}


def check_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """Refuse unknown metrics.

    Raises
    ------
    ConfigError
    """
    chosen = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    unknown = [name for name in chosen if name not in METRICS]
    if unknown or not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError(f"metrics must be distinct names among {', '.join(METRICS)}; got {metrics!r}")
    return chosen


def window_losses(backtest: Backtest, metric: str) -> NDArray[np.float64]:
    """Mean loss of each window over series and steps, (n_windows,); for "rmse" the squared error."""
    return METRICS[metric][1](backtest)


def overall_errors(backtest: Backtest, metrics: Sequence[str]) -> pd.DataFrame:
    """Errors over all windows and series; rows: parts ("both", "base", "network"), columns: metrics."""
    frame = backtest.metrics.groupby(level="part", sort=False).last()  # of several series, the last row is all of them
    errors = {name: frame[METRICS[name][0]] ** (2 if name == "mse" else 1) for name in metrics}
    return pd.DataFrame(errors)
