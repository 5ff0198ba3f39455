"""Losses of quantile forecasts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsssm.errors import ConfigError, DataError
from tsssm.metrics.scored_mean import Axis, Score, as_number, scored_mean

__all__ = ["quantile_loss", "weighted_quantile_loss"]


def quantile_loss(actual: ArrayLike, quantiles: ArrayLike, levels: ArrayLike, axis: Axis = None) -> NDArray[np.float64]:
    """Mean pinball loss of each level: mean of max(level (actual - q), (level - 1) (actual - q)).

    Its mean over levels, `quantile_loss(...).mean(-1)`, is the multi-quantile loss; twice that mean over many evenly
    spread levels approaches the CRPS.

    Parameters
    ----------
    actual : array_like, any shape
        Observations; NaN entries are not scored.
    quantiles : array_like, shape of `actual` and one more axis (levels)
        Quantile forecasts.
    levels : array_like, (levels,)
        The levels, each between 0 and 1.
    axis : int, tuple of int or None
        Axes of `actual` to average over; None averages over all.

    Returns
    -------
    array, what remains of `actual` and (levels,)
        In the units of the data; NaN where nothing is scored.

    Raises
    ------
    ConfigError
        A level is not between 0 and 1.
    DataError
        The shapes do not fit.

    References
    ----------
    Koenker, Bassett (1978), Regression quantiles, Econometrica 46(1), 33-50.

    Examples
    --------
    >>> quantile_loss([10.0, 20.0], [[8.0, 10.0], [18.0, 24.0]], levels=[0.1, 0.5])
    array([0.2, 1. ])
    """
    actual, losses = _pinball(actual, quantiles, levels)
    observed = ~np.isnan(actual)
    return np.stack([scored_mean(losses[..., i], observed, axis) for i in range(losses.shape[-1])], axis=-1)


def weighted_quantile_loss(actual: ArrayLike, quantiles: ArrayLike, levels: ArrayLike, axis: Axis = None) -> Score:
    """Twice the summed pinball loss over the summed size of the data, averaged over levels.

    For each level, WQL(level) = 2 sum pinball(level) / sum |actual|, both sums over the same observed entries; the
    result is the mean of WQL(level) over the levels. With the level 0.5 alone it is
    sum |actual - median| / sum |actual|.

    Parameters
    ----------
    actual : array_like, any shape
        Observations; NaN entries are not scored.
    quantiles : array_like, shape of `actual` and one more axis (levels)
        Quantile forecasts.
    levels : array_like, (levels,)
        The levels, each between 0 and 1.
    axis : int, tuple of int or None
        Axes of `actual` to sum over; None sums over all.

    Returns
    -------
    float or array
        No unit; NaN where nothing is scored or all scored observations are 0.

    Raises
    ------
    ConfigError
        A level is not between 0 and 1.
    DataError
        The shapes do not fit.

    References
    ----------
    Salinas, Flunkert, Gasthaus, Januschowski (2020), DeepAR, International Journal of Forecasting 36(3), 1181-1191 (one
    level, there "rho-risk"); Ansari et al. (2024), Chronos, Transactions on Machine Learning Research (the mean over
    levels).

    Examples
    --------
    >>> weighted_quantile_loss([10.0, 30.0], [[8.0], [22.0]], levels=[0.5])
    0.25
    """
    actual, losses = _pinball(actual, quantiles, levels)
    observed = ~np.isnan(actual)
    loss_sum = np.where(observed, losses.mean(axis=-1), 0.0).sum(axis=axis)
    size = np.where(observed, np.abs(actual), 0.0).sum(axis=axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        return as_number(np.where(size > 0.0, 2.0 * loss_sum / size, np.nan))


def _pinball(
    actual: ArrayLike, quantiles: ArrayLike, levels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Observations, and the pinball loss of each entry and level."""
    actual, quantiles = np.asarray(actual, dtype=np.float64), np.asarray(quantiles, dtype=np.float64)
    level_row = np.asarray(levels, dtype=np.float64)
    if level_row.ndim != 1 or not level_row.size or not np.all((level_row > 0.0) & (level_row < 1.0)):
        raise ConfigError(f"levels must be a list of numbers between 0 and 1, not {levels!r}.")
    if quantiles.shape != (*actual.shape, level_row.size):
        raise DataError(
            f"quantiles have shape {quantiles.shape}; actual has {actual.shape} and there are {level_row.size} levels, "
            f"so the shape must be {(*actual.shape, level_row.size)}."
        )
    residual = actual[..., None] - quantiles
    return actual, np.maximum(level_row * residual, (level_row - 1.0) * residual)
