"""How the error grows with the horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tsssm.errors import DataError
from tsssm.plotting.axes import format_time_axis, legend_above, new_axes
from tsssm.plotting.palette import BASE, FORECAST, NETWORK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_error_by_step"]

_STYLES = {"point": (FORECAST, "-", 2.0), "base": (BASE, "--", 1.4), "network": (NETWORK, ":", 1.6)}


def plot_error_by_step(forecasts: pd.DataFrame, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Plot the mean absolute error of each step ahead, of the forecast and of its two parts where they are given.

    Parameters
    ----------
    forecasts : DataFrame
        One row a window and step: columns `step` (1 is the first), `y` (observed; NaN is not scored), `point`, and
        `base` and `network` where there are such parts. Series are averaged as they are: select one where their units
        differ.
    title : str, optional
        Written above the plot.
    ax : Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    Axes
        Nothing is shown or saved.

    Raises
    ------
    DataError
        A column is missing.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> ax = plot_error_by_step(pd.DataFrame({"step": [1, 2, 1, 2], "y": [0.0, 0, 0, 0], "point": [1.0, 2, 3, 4]}))
    >>> ax.lines[0].get_ydata()
    array([2., 3.])
    >>> plt.close(ax.figure)
    """
    missing = [column for column in ("step", "y", "point") if column not in forecasts.columns]
    if missing:
        raise DataError(f"forecasts lack the columns {missing}; they have {list(forecasts.columns)}.")
    ax = new_axes(ax)
    scored = forecasts[forecasts["y"].notna()]
    for column in [name for name in _STYLES if name in forecasts.columns and not forecasts[name].isna().all()]:
        errors = (scored[column] - scored["y"]).abs().groupby(scored["step"]).mean()
        colour, line, width = _STYLES[column]
        label = "forecast" if column == "point" else column
        ax.plot(errors.index.to_numpy(), errors.to_numpy(), color=colour, linestyle=line, linewidth=width, label=label)
    ax.set_ylim(bottom=0.0)
    ax.margins(x=0.01)
    ax.set_xlabel("steps ahead")
    ax.set_ylabel("mean absolute error")
    format_time_axis(ax, pd.Index(scored["step"]))
    legend_above(ax, title)
    return ax
