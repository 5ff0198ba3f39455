"""The three plots of the demonstration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tsssm.cli.figures import new_figure, save_figure
from tsssm.forecasters.backtest import Backtest
from tsssm.plotting import plot_backtest, plot_error_by_step, plot_forecast

__all__ = ["draw_plots", "typical_window"]

_HISTORY = 120  # hours before the forecast that are shown
_DAYS = 10  # windows of the backtest plot


def typical_window(result: Backtest) -> int:
    """The window whose mean absolute error is the median one: neither a lucky nor an unlucky day."""
    errors = np.nanmean(np.abs(result.actual - result.windows.point), axis=(1, 2))
    return int(np.argsort(errors)[len(errors) // 2])


def draw_plots(result: Backtest, y: pd.Series, units: str, folder: Path) -> list[Path]:
    """Draw a forecast with what followed, some days of the backtest, and the error by step.

    Parameters
    ----------
    result : Backtest
        Of one series.
    y : Series
        What was forecast.
    units : str
    folder : Path

    Returns
    -------
    list of Path
        The files written.
    """
    forecasts, chosen = result.forecasts, typical_window(result)
    of_window = np.repeat(np.arange(len(result.cutoffs)), result.horizon)
    files = [folder / "forecast.png", folder / "backtest.png", folder / "error_by_step.png"]

    figure, (ax,) = new_figure()
    cutoff = int(result.cutoffs[chosen])
    window = forecasts[of_window == chosen].set_index("time")
    quantiles = window[[f"q{level!r}" for level in result.levels]].set_axis(list(result.levels), axis=1)
    history = y.iloc[max(0, cutoff - _HISTORY) : cutoff].rename(f"{y.name} ({units})")
    plot_forecast(history, window["point"], quantiles, window["y"], title="A forecast of the next day", ax=ax)
    save_figure(figure, files[0])

    figure, (ax,) = new_figure()
    first = min(max(0, chosen - _DAYS // 2), max(0, len(result.cutoffs) - _DAYS))
    days = (of_window >= first) & (of_window < first + _DAYS)
    plot_backtest(forecasts[days], title=f"{_DAYS} forecasts of a day each", ax=ax)
    ax.set_ylabel(f"{y.name} ({units})")
    save_figure(figure, files[1])

    figure, (ax,) = new_figure()
    plot_error_by_step(forecasts, title=f"Mean error by hour ahead, {len(result.cutoffs)} days", ax=ax)
    ax.set_xlabel("hours ahead")
    ax.set_ylabel(f"mean absolute error ({units})")
    save_figure(figure, files[2])
    return files
