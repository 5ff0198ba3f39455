"""How errors of several forecasts grow with the lead time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tsssm.plotting.axes import legend_above, new_axes
from tsssm.plotting.palette import ACTUAL, BASE, FORECAST, NETWORK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_errors_by_lead"]

_STYLES = ((FORECAST, "-", 2.2), (BASE, "--", 1.6), (NETWORK, ":", 2.0), (ACTUAL, "-.", 1.4))


def plot_errors_by_lead(
    errors: pd.DataFrame, *, label: str | None = None, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw one line a forecast.

    Parameters
    ----------
    errors : DataFrame
        Rows: the lead, a length of time or a number of steps. Columns: the forecasts, your own first.
    label : str, optional
        What the errors are, with their unit: "RMSE (K)".
    title : str, optional
        Written above the plot.
    ax : Axes, optional
        Where to draw; None makes a new figure.

    Returns
    -------
    Axes
        Nothing is shown or saved.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> errors = pd.DataFrame({"ours": [1.0, 1.5], "persistence": [1.0, 3.0]}, index=pd.to_timedelta([6, 12], "h"))
    >>> ax = plot_errors_by_lead(errors, label="RMSE (K)")
    >>> ax.lines[1].get_xdata(), ax.get_xlabel()
    (array([ 6., 12.]), 'lead time (hours)')
    >>> plt.close(ax.figure)
    """
    ax = new_axes(ax)
    x, text = _leads(errors.index)
    for number, column in enumerate(errors.columns):
        colour, line, width = _STYLES[number % len(_STYLES)]
        ax.plot(x, errors[column].to_numpy(), color=colour, linestyle=line, linewidth=width, label=str(column))
    if not (errors.to_numpy(dtype=float) < 0.0).any():  # a bias may lie below
        ax.set_ylim(bottom=0.0)
    ax.margins(x=0.01)
    ax.set_xlabel(text)
    if text == "lead time (hours)":
        _mark_hours(ax, float(max(x)))
    if label is not None:
        ax.set_ylabel(label)
    legend_above(ax, title)
    return ax


def _mark_hours(ax: Axes, last: float) -> None:
    """Marks at hours of a clock, eight or fewer."""
    from matplotlib.ticker import MultipleLocator

    ax.xaxis.set_major_locator(MultipleLocator(next(step for step in (1, 3, 6, 12, 24, 48) if last <= 8 * step)))


def _leads(index: pd.Index):
    if not isinstance(index, pd.TimedeltaIndex):
        return index.to_numpy(), "steps ahead"
    hours = index / pd.Timedelta("1h")
    return (
        ((hours / 24.0).to_numpy(), "lead time (days)")
        if hours.max() > 240
        else (hours.to_numpy(), "lead time (hours)")
    )
