"""Errors relative to those of the seasonal naive forecast inside the training data."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsssm.errors import ConfigError, DataError
from tsssm.metrics.scored_mean import Axis, Score, as_number, as_pair, scored_mean

__all__ = ["mase", "rmsse", "seasonal_scale"]

_ROUNDING = 1e-9  # of the values' range: a smaller seasonal error is none


def seasonal_scale(insample: ArrayLike, season_length: int, power: int = 1) -> Score:
    """Error of the seasonal naive forecast inside the training data, the scale of `mase` and `rmsse`.

    With d_t = insample_t - insample_(t - season_length), the mean of |d_t| (`power=1`, for `mase`) or the root of the
    mean of d_t^2 (`power=2`, for `rmsse`), over the t where both values are observed.

    Parameters
    ----------
    insample : array_like, (time,) or (time, ...)
        The training data, time along the first axis; NaN is unobserved.
    season_length : int
        Steps in a season; 1 scales by the naive forecast.
    power : {1, 2}
        1: mean absolute, 2: root mean squared.

    Returns
    -------
    float or array
        One scale a series, in the units of the data; NaN where no pair is observed, 0 of a series that repeats its
        season but for the rounding of its values.

    Raises
    ------
    ConfigError
        `season_length` is no integer of 1 or more, or `power` is neither 1 nor 2.

    References
    ----------
    Hyndman, Koehler (2006), Another look at measures of forecast accuracy, International Journal of Forecasting 22(4),
    679-688 (`power=1`); Makridakis, Spiliotis, Assimakopoulos (2022), M5 accuracy competition, International Journal of
    Forecasting 38(4), 1346-1364 (`power=2`).

    Examples
    --------
    >>> seasonal_scale([1.0, 5.0, 2.0, 9.0], season_length=2)
    2.5
    """
    if isinstance(season_length, bool) or not isinstance(season_length, int | np.integer) or season_length < 1:
        raise ConfigError(f"season_length must be an integer of 1 or more, not {season_length!r}.")
    if power not in (1, 2):
        raise ConfigError(f"power must be 1 (mean absolute) or 2 (root mean squared), not {power!r}.")
    values = np.atleast_1d(np.asarray(insample, dtype=np.float64))
    seasonal_errors = np.abs(values[season_length:] - values[:-season_length])
    mean = scored_mean(seasonal_errors**power, ~np.isnan(seasonal_errors), axis=0)
    scale = np.asarray(mean if power == 1 else np.sqrt(mean))
    largest, smallest = np.fmax.reduce(values, initial=-np.inf), np.fmin.reduce(values, initial=np.inf)
    return as_number(np.where(scale <= _ROUNDING * (largest - smallest), 0.0, scale))


def mase(actual: ArrayLike, point: ArrayLike, scale: ArrayLike, axis: Axis = None) -> Score:
    """Mean absolute scaled error, mean |actual - point| / scale.

    A series whose scale is 0 or NaN (it repeats its season exactly, or has no more than one) has no MASE and is not
    scored.

    Parameters
    ----------
    actual : array_like, (..., series) or any shape
        Observations; NaN entries are not scored.
    point : array_like, same shape
        Point forecasts in the same units.
    scale : float or array_like, (series,)
        `seasonal_scale` of the training data: a number, or what broadcasts to the shape of `actual`.
    axis : int, tuple of int or None
        Axes to average over; None averages over all.

    Returns
    -------
    float or array
        No unit: below 1 is better than the seasonal naive forecast was in training. NaN where nothing is scored.

    Raises
    ------
    DataError
        The shapes do not fit, or a scale is negative.

    References
    ----------
    Hyndman, Koehler (2006), Another look at measures of forecast accuracy, International Journal of Forecasting 22(4),
    679-688.

    Examples
    --------
    >>> mase([3.0, 5.0], [4.0, 8.0], scale=seasonal_scale([1.0, 2.0, 4.0, 3.0, 7.0], season_length=1))
    1.0
    """
    actual, point = as_pair(actual, point, "point")
    scales = _fitting_scale(scale, actual)
    return scored_mean(np.abs(actual - point) / scales, ~np.isnan(actual) & ~np.isnan(scales), axis)


def rmsse(actual: ArrayLike, point: ArrayLike, scale: ArrayLike, axis: Axis = None) -> Score:
    """Root mean squared scaled error, the root of mean ((actual - point) / scale)^2.

    A series whose scale is 0 or NaN is not scored, as in `mase`. The M5 competition's figure for a panel is the mean of
    the figures that averaging over all axes but the series' gives.

    Parameters
    ----------
    actual : array_like, (..., series) or any shape
        Observations; NaN entries are not scored.
    point : array_like, same shape
        Point forecasts in the same units.
    scale : float or array_like, (series,)
        `seasonal_scale(..., power=2)` of the training data: a number, or what broadcasts to the shape of `actual`.
    axis : int, tuple of int or None
        Axes to average over before the root is taken; None averages over all.

    Returns
    -------
    float or array
        No unit; NaN where nothing is scored.

    Raises
    ------
    DataError
        The shapes do not fit, or a scale is negative.

    References
    ----------
    Makridakis, Spiliotis, Assimakopoulos (2022), M5 accuracy competition, International Journal of Forecasting 38(4),
    1346-1364.

    Examples
    --------
    >>> rmsse([3.0, 5.0], [5.0, 7.0], scale=4.0)
    0.5
    """
    actual, point = as_pair(actual, point, "point")
    scales = _fitting_scale(scale, actual)
    squares = np.square((actual - point) / scales)
    return as_number(np.sqrt(scored_mean(squares, ~np.isnan(actual) & ~np.isnan(scales), axis)))


def _fitting_scale(scale: ArrayLike, actual: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scale in the shape of `actual`, NaN where a series has none."""
    scales = np.asarray(scale, dtype=np.float64)
    if np.any(scales < 0.0):
        raise DataError(f"scale must not be negative, its smallest value is {np.nanmin(scales)}: use seasonal_scale().")
    try:
        fitting = np.broadcast_to(scales, actual.shape)
    except ValueError:
        raise DataError(
            f"scale has shape {scales.shape}, which does not broadcast to actual's {actual.shape}: "
            "give a number, or one a series with the series along the last axis."
        ) from None
    return np.where(fitting == 0.0, np.nan, fitting)
