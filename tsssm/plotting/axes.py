"""The Axes that all plots share: a new one where none is given, and a readable time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tsssm.plotting.palette import RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_line", "format_time_axis", "legend_above", "new_axes", "positions"]


def new_axes(ax: Axes | None) -> Axes:
    """The given Axes, or those of a new figure; without the frame's upper and right side.

    Parameters
    ----------
    ax : Axes or None

    Returns
    -------
    Axes

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> ax = new_axes(None)
    >>> bool(ax.spines["top"].get_visible())
    False
    >>> plt.close(ax.figure)
    """
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(9.0, 4.0), layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color=RULE, alpha=0.35, linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def positions(index: pd.Index) -> np.ndarray:
    """Where the entries of an index lie on the horizontal axis.

    Parameters
    ----------
    index : Index
        Times (with a zone or without), periods (drawn at their start) or numbers.

    Returns
    -------
    array
        Times are in UTC, so that an hour that occurs twice when clocks go back does not fold the line; the zone is
        that of the labels.

    Examples
    --------
    >>> summer = pd.DatetimeIndex(["2024-07-01 02:00"], tz="Europe/Berlin")
    >>> bool(positions(summer)[0] == np.datetime64("2024-07-01T00:00"))
    True
    """
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
    return index.to_numpy()


def draw_line(ax: Axes, series: pd.Series, label: str | None, **style: Any) -> None:
    """Draw a series as a line, broken where it is NaN; a single value as a dot.

    Parameters
    ----------
    ax : Axes
    series : Series
    label : str or None
        Its name in the legend; None leaves it out there.
    **style
        Passed on to `Axes.plot`.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> ax = new_axes(None)
    >>> draw_line(ax, pd.Series([2.0, 3.0]), "history")
    >>> ax.lines[0].get_ydata()
    array([2., 3.])
    >>> plt.close(ax.figure)
    """
    marker = "o" if len(series) == 1 else None
    ax.plot(positions(series.index), series.to_numpy(dtype=float), label=label, marker=marker, markersize=4.0, **style)


def format_time_axis(ax: Axes, index: pd.Index) -> None:
    """Short date labels for times and periods (in the index's zone), whole numbers for integers.

    Parameters
    ----------
    ax : Axes
    index : Index
        An index that was drawn.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> ax = new_axes(None)
    >>> format_time_axis(ax, pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin"))
    >>> ax.get_xlabel()
    'Europe/Berlin'
    >>> plt.close(ax.figure)
    """
    if isinstance(index, pd.DatetimeIndex | pd.PeriodIndex):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        zone = getattr(index, "tz", None)
        locator = AutoDateLocator(tz=zone, minticks=4, maxticks=9)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
        if zone is not None:
            ax.set_xlabel(str(zone))
    elif pd.api.types.is_integer_dtype(index):
        from matplotlib.ticker import MaxNLocator

        ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend_above(ax: Axes, title: str | None) -> None:
    """A legend in one row between title and data, where it covers neither.

    Parameters
    ----------
    ax : Axes
    title : str or None

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> ax = new_axes(None)
    >>> _ = ax.plot([1, 2], label="history")
    >>> legend_above(ax, "Demand")
    >>> ax.get_title(loc="left"), [text.get_text() for text in ax.get_legend().get_texts()]
    ('Demand', ['history'])
    >>> plt.close(ax.figure)
    """
    from matplotlib.lines import Line2D

    drawn = zip(*ax.get_legend_handles_labels())
    entries = sorted(drawn, key=lambda entry: not isinstance(entry[0], Line2D))  # lines first, then bands
    ax.legend(
        handles=[handle for handle, _ in entries],
        labels=[label for _, label in entries],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
        ncols=max(len(entries), 1),
        frameon=False,
        fontsize="small",
        handlelength=1.6,
        columnspacing=1.4,
    )
    if title is not None:
        ax.set_title(title, loc="left", pad=24.0, fontweight="bold")
