"""All windows of a backtest over what happened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from tsssm.errors import DataError
from tsssm.plotting.axes import draw_line, format_time_axis, legend_above, new_axes, positions
from tsssm.plotting.fan import draw_fan
from tsssm.plotting.palette import ACTUAL, FORECAST, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_backtest"]


def plot_backtest(
    forecasts: pd.DataFrame, *, series: Any = None, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Plot each window's forecast, with its bands, over the observations of one series.

    Parameters
    ----------
    forecasts : DataFrame
        One row a window and step: columns `series`, `cutoff`, `time`, `y` (observed), `point`, and quantiles, named
        as `q0.05`.
    series : optional
        The series to plot, as in the column `series`; may be left out where there is only one.
    title : str, optional
        Written above the plot.
    ax : Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    Axes
        Nothing is shown or saved: call `ax.figure.savefig("backtest.png")`.

    Raises
    ------
    DataError
        A column is missing, the series is unknown, or there are several and none is named.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> forecasts = pd.DataFrame({"series": "shop", "cutoff": [3, 3, 5, 5], "time": [4, 5, 6, 7],
    ...                           "y": [1.0, 2.0, 1.0, 2.0], "point": [1.1, 1.9, 1.2, 2.2]})
    >>> ax = plot_backtest(forecasts)
    >>> [line.get_label() for line in ax.lines if not line.get_label().startswith("_")]
    ['actual', 'forecast']
    >>> plt.close(ax.figure)
    """
    chosen = select_series(forecasts, series, required=("series", "cutoff", "time", "y", "point"))
    levels = _quantile_columns(chosen)
    ax = new_axes(ax)
    by_time = chosen.set_index("time").sort_index()
    windows = [window for _, window in by_time.groupby("cutoff", sort=True)]
    for number, window in enumerate(windows):
        draw_fan(ax, window[list(levels)].rename(columns=levels), labels=number == 0)
        ax.axvline(positions(window.index)[0], color=RULE, linewidth=0.6, linestyle="--", zorder=1.5)
    # Windows overlap where the step is less than the horizon; the observation is the same in each.
    draw_line(ax, by_time["y"][~by_time.index.duplicated()], "actual", color=ACTUAL, linewidth=1.2)
    for number, window in enumerate(windows):
        draw_line(ax, window["point"], "forecast" if number == 0 else None, color=FORECAST, linewidth=1.6)
    ax.margins(x=0.01)
    ax.set_ylabel(str(chosen["series"].iloc[0]))
    format_time_axis(ax, by_time.index)
    legend_above(ax, title)
    return ax


def select_series(forecasts: pd.DataFrame, series: Any, required: tuple[str, ...]) -> pd.DataFrame:
    """The rows of one series of a long frame of forecasts.

    Parameters
    ----------
    forecasts : DataFrame
    series : optional
        None takes the only series.
    required : tuple of str
        The columns that must be there.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        A column is missing, the series is unknown, or there are several and none is named.

    Examples
    --------
    >>> frame = pd.DataFrame({"series": ["a", "b"], "y": [1.0, 2.0]})
    >>> select_series(frame, "b", required=("series", "y"))["y"].tolist()
    [2.0]
    """
    missing = [column for column in required if column not in forecasts.columns]
    if missing:
        raise DataError(f"forecasts lack the columns {missing}; they have {list(forecasts.columns)}.")
    names = list(forecasts["series"].unique())
    if not names:
        raise DataError("forecasts have no rows: there is nothing to plot.")
    if series is None and len(names) > 1:
        raise DataError(f"forecasts hold {len(names)} series: name one of them, such as series={names[0]!r}.")
    if series is not None and series not in names:
        raise DataError(f"series {series!r} is not in forecasts; the first of {len(names)} there are {names[:5]}.")
    return forecasts[forecasts["series"] == (names[0] if series is None else series)]


def _quantile_columns(frame: pd.DataFrame) -> dict[str, float]:
    return {name: float(name[1:]) for name in map(str, frame.columns) if re.fullmatch(r"q0?\.\d+", name)}
