"""Symmetric percentage error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tsssm.metrics.scored_mean import Axis, Score, as_pair, scored_mean

__all__ = ["smape"]


def smape(actual: ArrayLike, point: ArrayLike, axis: Axis = None) -> Score:
    """Symmetric mean absolute percentage error, from 0 to 200 percent.

    Mean of 200 |actual - point| / (|actual| + |point|), as in the M4 competition. An entry where both are 0 counts as
    0: the forecast is exact.

    Parameters
    ----------
    actual : array_like
        Observations; NaN entries are not scored.
    point : array_like, same shape
        Point forecasts in the same units.
    axis : int, tuple of int or None
        Axes to average over; None averages over all.

    Returns
    -------
    float or array
        Percent; NaN where nothing is scored.

    Raises
    ------
    DataError
        The shapes differ.

    References
    ----------
    Makridakis, Spiliotis, Assimakopoulos (2020), The M4 Competition, International Journal of Forecasting 36(1), 54-74.

    Examples
    --------
    >>> smape([100.0, 0.0], [300.0, 0.0])
    50.0
    """
    actual, point = as_pair(actual, point, "point")
    size = np.abs(actual) + np.abs(point)
    ratio = np.divide(200.0 * np.abs(actual - point), size, out=np.zeros_like(size), where=size != 0.0)
    return scored_mean(ratio, ~np.isnan(actual), axis)
