"""The trials of a search over settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tsssm.errors import DataError
from tsssm.plotting.axes import format_time_axis, legend_above, new_axes
from tsssm.plotting.palette import BASE, FORECAST, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_trials"]


def plot_trials(
    trials: pd.DataFrame, *, metric: str = "score", title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Plot the score of each trial and the best so far; where trials ended without one, marks at the lower edge.

    Parameters
    ----------
    trials : DataFrame
        Indexed by trial number: columns `state` and `score`, as `TuningResult.trials` has them.
    metric : str
        What the score is; written at the axis.
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
    >>> ax = plot_trials(pd.DataFrame({"state": ["complete", "failed", "complete"], "score": [0.9, None, 0.8]}))
    >>> ax.lines[0].get_ydata()
    array([0.9, 0.9, 0.8])
    >>> plt.close(ax.figure)
    """
    missing = [column for column in ("state", "score") if column not in trials.columns]
    if missing:
        raise DataError(f"trials lack the columns {missing}; they have {list(trials.columns)}.")
    ax = new_axes(ax)
    score = trials["score"].astype(float)
    best = np.fmin.accumulate(score.to_numpy())
    ax.step(score.index.to_numpy(), best, where="post", color=FORECAST, linewidth=2.0, label="best so far")
    ax.plot(score.index.to_numpy(), score.to_numpy(), "o", color=FORECAST, markersize=4.0, alpha=0.6, label="trial")
    for state, marker, colour in (("pruned", "v", RULE), ("failed", "x", BASE)):
        numbers = trials.index[trials["state"] == state].to_numpy()
        if len(numbers):
            ax.plot(
                numbers,
                np.full(len(numbers), 0.02),
                marker,
                color=colour,
                label=state,
                transform=ax.get_xaxis_transform(),
                clip_on=False,
            )
    ax.set_xlabel("trial")
    ax.set_ylabel(f"{metric.upper()} on the validation part" if metric in ("mase", "mae") else metric)
    format_time_axis(ax, pd.Index(trials.index))
    legend_above(ax, title)
    return ax
