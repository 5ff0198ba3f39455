"""Quantile forecasts as a fan of nested bands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tsssm.errors import DataError
from tsssm.plotting.axes import positions
from tsssm.plotting.palette import FORECAST, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_fan", "level_pairs"]


def level_pairs(levels: Iterable[Any]) -> tuple[list[tuple[float, float]], list[float]]:
    """Pairs of levels around the median, the widest first, and the levels that have no partner.

    Parameters
    ----------
    levels : iterable of float
        Levels between 0 and 1; 0.5 belongs to neither result, for the point forecast is drawn there.

    Returns
    -------
    pairs : list of tuple
        (lower, upper) with lower + upper = 1.
    single : list of float

    Raises
    ------
    DataError
        A level is no number between 0 and 1.

    Examples
    --------
    >>> level_pairs([0.05, 0.25, 0.5, 0.75, 0.8, 0.95])
    ([(0.05, 0.95), (0.25, 0.75)], [0.8])
    """
    levels = list(levels)
    for level in levels:
        if not isinstance(level, float | int | np.number) or not 0.0 < level < 1.0:
            raise DataError(f"the columns of quantiles must be levels between 0 and 1; one of them is {level!r}.")
    pairs = [(low, high) for low in sorted(levels) for high in levels if low < 0.5 and abs(low + high - 1.0) < 1e-9]
    paired = {level for pair in pairs for level in pair}
    return pairs, [level for level in sorted(levels) if level not in paired and level != 0.5]


def draw_fan(ax: Axes, quantiles: pd.DataFrame, *, labels: bool = True) -> None:
    """Draw one band for each pair of levels, lighter outwards, and a thin line for a level without a partner.

    Parameters
    ----------
    ax : Axes
    quantiles : DataFrame
        One row a step, one column a level.
    labels : bool
        Whether the bands get an entry in the legend.

    Raises
    ------
    DataError
        A column is no level between 0 and 1.

    Examples
    --------
    >>> from tsssm.plotting.axes import new_axes
    >>> import matplotlib.pyplot as plt
    >>> ax = new_axes(None)
    >>> draw_fan(ax, pd.DataFrame({0.1: [1.0, 1.0], 0.9: [2.0, 3.0]}))
    >>> [band.get_label() for band in ax.collections]
    ['80% interval']
    >>> plt.close(ax.figure)
    """
    x = positions(quantiles.index)
    pairs, single = level_pairs(quantiles.columns)
    for (low, high), strength in zip(pairs, np.linspace(0.18, 0.55, len(pairs)) if len(pairs) > 1 else [0.3]):
        label = f"{100.0 * (high - low):.4g}% interval" if labels else ""
        lower, upper = (quantiles[level].to_numpy(dtype=float) for level in (low, high))
        if len(x) == 1:  # a band over one step has no width
            ax.vlines(x, lower, upper, color=tint(FORECAST, strength), linewidth=8.0, label=label)
        else:
            ax.fill_between(x, lower, upper, color=tint(FORECAST, strength), linewidth=0.0, label=label)
    for level in single:
        label = f"quantile {level:g}" if labels else ""
        ax.plot(x, quantiles[level].to_numpy(dtype=float), color=FORECAST, linewidth=0.8, linestyle=":", label=label)
