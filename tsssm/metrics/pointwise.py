"""Errors in the units of the data: absolute, squared and root mean squared."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tsssm.metrics.scored_mean import Axis, Score, as_number, as_pair, scored_mean

__all__ = ["mae", "mse", "rmse"]


def mae(actual: ArrayLike, point: ArrayLike, axis: Axis = None, weights: ArrayLike | None = None) -> Score:
    """Mean absolute error, mean |actual - point|.

    Parameters
    ----------
    actual : array_like
        Observations; NaN entries are not scored.
    point : array_like, same shape
        Point forecasts in the same units.
    axis : int, tuple of int or None
        Axes to average over; None averages over all. `axis=(0, 1)` of (window, step, series) gives one figure a series.
    weights : array_like, optional
        How much each entry counts, of a shape that broadcasts to `actual`'s: `area_weights` for cells of the globe.

    Returns
    -------
    float or array
        In the units of the data; NaN where nothing is scored.

    Raises
    ------
    DataError
        The shapes differ, or a weight is negative or no number.

    Examples
    --------
    >>> mae([1.0, 2.0, float("nan")], [2.0, 4.0, 0.0])
    1.5
    >>> mae([[1.0, 10.0], [2.0, 20.0]], [[1.0, 11.0], [4.0, 20.0]], axis=0)
    array([1. , 0.5])
    >>> mae([1.0, 2.0], [2.0, 5.0], weights=[3.0, 1.0])
    1.5
    """
    actual, point = as_pair(actual, point, "point")
    return scored_mean(np.abs(actual - point), ~np.isnan(actual), axis, weights)


def mse(actual: ArrayLike, point: ArrayLike, axis: Axis = None, weights: ArrayLike | None = None) -> Score:
    """Mean squared error, mean (actual - point)^2.

    Parameters
    ----------
    actual : array_like
        Observations; NaN entries are not scored.
    point : array_like, same shape
        Point forecasts in the same units.
    axis : int, tuple of int or None
        Axes to average over; None averages over all.
    weights : array_like, optional
        As in `mae`.

    Returns
    -------
    float or array
        In squared units of the data; NaN where nothing is scored.

    Raises
    ------
    DataError
        The shapes differ, or a weight is negative or no number.

    Examples
    --------
    >>> mse([1.0, 2.0], [2.0, 4.0])
    2.5
    """
    actual, point = as_pair(actual, point, "point")
    return scored_mean(np.square(actual - point), ~np.isnan(actual), axis, weights)


def rmse(actual: ArrayLike, point: ArrayLike, axis: Axis = None, weights: ArrayLike | None = None) -> Score:
    """Root mean squared error, the square root of `mse`.

    Parameters
    ----------
    actual : array_like
        Observations; NaN entries are not scored.
    point : array_like, same shape
        Point forecasts in the same units.
    axis : int, tuple of int or None
        Axes to average over before the root is taken; None averages over all.
    weights : array_like, optional
        As in `mae`.

    Returns
    -------
    float or array
        In the units of the data; NaN where nothing is scored.

    Raises
    ------
    DataError
        The shapes differ, or a weight is negative or no number.

    Examples
    --------
    >>> rmse([0.0, 0.0], [3.0, 3.0])
    3.0
    """
    return as_number(np.sqrt(mse(actual, point, axis, weights)))
