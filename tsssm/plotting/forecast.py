"""One forecast with its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tsssm.errors import DataError
from tsssm.plotting.axes import draw_line, format_time_axis, legend_above, new_axes, positions
from tsssm.plotting.fan import draw_fan
from tsssm.plotting.palette import ACTUAL, FORECAST, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_forecast"]


def plot_forecast(
    history: pd.Series,
    point: pd.Series,
    quantiles: pd.DataFrame | None = None,
    actual: pd.Series | None = None,
    *,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot history, point forecast, intervals as a fan of nested bands, and what happened, where that is known.

    Parameters
    ----------
    history : Series
        What was known; pass as much of it as shall be seen, a few horizons: `y.iloc[-5 * horizon:]`.
    point : Series
        The point forecast.
    quantiles : DataFrame, optional
        One row a step of `point`, one column a level such as 0.1. Levels that lie evenly around the median make a band.
    actual : Series, optional
        What happened.
    title : str, optional
        Written above the plot.
    ax : Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    Axes
        Nothing is shown or saved: call `ax.figure.savefig("forecast.png")`.

    Raises
    ------
    DataError
        A series is not a Series, `quantiles` has other rows than `point`, or a column of it is no level.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> hours = pd.date_range("2024-01-01", periods=6, freq="h")
    >>> y = pd.Series([3.0, 4.0, 6.0, 5.0, 4.0, 3.0], index=hours, name="demand")
    >>> ax = plot_forecast(y[:4], y[4:] + 0.5, actual=y[4:], title="Demand")
    >>> [line.get_label() for line in ax.lines if not line.get_label().startswith("_")]
    ['history', 'actual', 'forecast']
    >>> plt.close(ax.figure)
    """
    _check(history, point, quantiles, actual)
    ax = new_axes(ax)
    if quantiles is not None:
        draw_fan(ax, quantiles)
    if len(history):
        ax.axvline(positions(history.index)[-1], color=RULE, linewidth=0.8, linestyle="--", zorder=1.5)
        draw_line(ax, history, "history", color=ACTUAL, linewidth=1.2)
    if actual is not None:
        # Above the forecast: where the two agree, both are seen.
        draw_line(ax, actual, "actual", color=ACTUAL, linewidth=1.1, linestyle=(0, (2.0, 1.2)), zorder=3.0)
    draw_line(ax, point, "forecast", color=FORECAST, linewidth=2.0)
    ax.margins(x=0.01)
    ax.set_ylabel("value" if history.name is None else str(history.name))
    format_time_axis(ax, point.index)
    legend_above(ax, title)
    return ax


def _check(history: object, point: object, quantiles: object, actual: object) -> None:
    for name, series in (("history", history), ("point", point), ("actual", actual)):
        if not isinstance(series, pd.Series) and not (name == "actual" and series is None):
            raise DataError(f"{name} must be a pandas Series, not {type(series).__name__}: select one series to plot.")
    if quantiles is None:
        return
    if not isinstance(quantiles, pd.DataFrame):
        raise DataError(f"quantiles must be a DataFrame with one column a level, not {type(quantiles).__name__}.")
    assert isinstance(point, pd.Series)
    if not quantiles.index.equals(point.index):
        raise DataError(
            f"quantiles have {len(quantiles)} rows and point has {len(point)}, or their indexes differ: "
            "both must cover the same steps."
        )
