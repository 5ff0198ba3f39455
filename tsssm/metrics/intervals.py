"""How good prediction intervals are: their coverage and their score."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tsssm.errors import ConfigError
from tsssm.metrics.scored_mean import Axis, Score, as_pair, scored_mean

__all__ = ["coverage", "interval_score"]


def coverage(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike, axis: Axis = None) -> Score:
    """Share of observations inside the interval, its ends included.

    Parameters
    ----------
    actual : array_like
        Observations; NaN entries are not scored.
    lower, upper : array_like, same shape
        Ends of the interval.
    axis : int, tuple of int or None
        Axes to average over; None averages over all.

    Returns
    -------
    float or array
        Between 0 and 1; NaN where nothing is scored or an end is NaN where the series is observed.

    Raises
    ------
    DataError
        The shapes differ.

    Examples
    --------
    >>> coverage([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 3.0, 5.0])
    0.75
    """
    actual, lower = as_pair(actual, lower, "lower")
    _, upper = as_pair(actual, upper, "upper")
    inside = np.where(np.isnan(lower) | np.isnan(upper), np.nan, (lower <= actual) & (actual <= upper))
    return scored_mean(inside, ~np.isnan(actual), axis)


def interval_score(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike, level: float, axis: Axis = None) -> Score:
    """Interval score: width, and a penalty for each observation outside, so that both narrow and honest pays.

    Mean of (upper - lower) + 2 / alpha (lower - actual)_+ + 2 / alpha (actual - upper)_+ with alpha = 1 - level.

    Parameters
    ----------
    actual : array_like
        Observations; NaN entries are not scored.
    lower, upper : array_like, same shape
        Ends of the central interval.
    level : float
        The coverage that the interval promises, between 0 and 1: 0.9 for the quantiles 0.05 and 0.95.
    axis : int, tuple of int or None
        Axes to average over; None averages over all.

    Returns
    -------
    float or array
        In the units of the data, lower is better; NaN where nothing is scored.

    Raises
    ------
    ConfigError
        `level` is not between 0 and 1.
    DataError
        The shapes differ.

    References
    ----------
    Gneiting, Raftery (2007), Strictly proper scoring rules, prediction, and estimation, Journal of the American
    Statistical Association 102(477), 359-378, equation 43.

    Examples
    --------
    >>> interval_score([5.0, 12.0], [0.0, 0.0], [10.0, 10.0], level=0.5)
    14.0
    """
    if not 0.0 < level < 1.0:
        raise ConfigError(f"level must be between 0 and 1, such as 0.9, not {level!r}.")
    actual, lower = as_pair(actual, lower, "lower")
    _, upper = as_pair(actual, upper, "upper")
    outside = np.maximum(lower - actual, 0.0) + np.maximum(actual - upper, 0.0)
    return scored_mean(upper - lower + 2.0 / (1.0 - level) * outside, ~np.isnan(actual), axis)
