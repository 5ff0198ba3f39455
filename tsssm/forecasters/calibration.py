"""Turn spreads into calibrated quantiles, by what the validation part shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Calibration", "fit_factors", "fit_residuals"]

_ENOUGH = 20  # residuals of a step below which neighbouring steps are pooled


@dataclass(frozen=True)
class Calibration:
    """Per step of the horizon, how wide the quantiles are.

    With a network: ``factors``, (horizon,), by which its distances from the median are multiplied. Without:
    ``residuals``, (horizon, n_levels), empirical quantiles of the errors in units of the causal scaler's deviation.
    The one that is not used is None.
    """

    factors: np.ndarray | None = None
    residuals: np.ndarray | None = None

    def spread(self, network_spread: np.ndarray | None, scale: np.ndarray) -> np.ndarray:
        """Distances of the quantiles from the point forecast, (n, horizon, n_levels).

        Parameters
        ----------
        network_spread : ndarray, (n, horizon, n_levels), or None
            Distances of the network's quantiles from its median.
        scale : ndarray, (n,)
            The causal scaler's deviation at each cutoff.
        """
        if self.factors is not None:
            return self.factors[:, None] * network_spread
        return scale[:, None, None] * self.residuals


def fit_factors(error: np.ndarray, spread: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The factor of each step that minimises the pinball loss of ``point + factor * spread``.

    Parameters
    ----------
    error : ndarray, (n, horizon)
        Actual minus point forecast; NaN where nothing was observed.
    spread : ndarray, (n, horizon, n_levels)
        In the same unit.
    levels : ndarray, (n_levels,)

    Returns
    -------
    ndarray, (horizon,) >= 0; 1 where no error is known.

    Notes
    -----
    The loss is convex and piecewise linear in the factor: each (error e, distance d) adds ``|d| rho(e / d - factor)``
    with the level mirrored where d < 0. Its minimum is a weighted quantile of the ratios e / d.
    """
    beside = levels != 0.5
    factors = np.ones(error.shape[1])
    counts = (~np.isnan(error)).sum(axis=0)
    for h in range(error.shape[1]):
        steps = _pooled_steps(counts, h)
        e, d = error[:, steps], spread[:, steps][..., beside]
        use = ~np.isnan(e)[..., None] & (d != 0.0)
        if use.any():
            ratio = np.where(use, e[..., None], 0.0) / np.where(use, d, 1.0)
            tau = np.where(d > 0, levels[beside], 1.0 - levels[beside])
            factors[h] = max(0.0, _weighted_quantile(ratio[use], np.abs(d)[use], tau[use]))
    return factors


def _weighted_quantile(values: np.ndarray, weights: np.ndarray, levels: np.ndarray) -> float:
    """The minimiser of sum(weights * rho_levels(values - x))."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    at = np.searchsorted(below, (weights * levels).sum())
    return float(values[order][min(at, len(values) - 1)])


def fit_residuals(error: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Empirical quantiles of each step's errors, kept on their own side of the median.

    The point forecast is the median, so quantiles below (above) 0.5 are at most (at least) zero even where the errors
    are skewed or biased.

    Parameters
    ----------
    error : ndarray, (n, horizon)
        In units of the scaler's deviation at the cutoff; NaN where nothing was observed.
    levels : ndarray, (n_levels,)

    Returns
    -------
    ndarray, (horizon, n_levels)
    """
    known = ~np.isnan(error)
    result = np.zeros((error.shape[1], len(levels)))
    counts = known.sum(axis=0)
    for h in range(error.shape[1]):
        steps = _pooled_steps(counts, h)
        if known[:, steps].any():
            result[h] = np.quantile(error[:, steps][known[:, steps]], levels)
    return np.where(levels < 0.5, np.minimum(result, 0.0), np.where(levels > 0.5, np.maximum(result, 0.0), 0.0))


def _pooled_steps(counts: np.ndarray, h: int) -> slice:
    """Step h and as many neighbours on either side as give 20 known errors; `counts` are those of each step."""
    for width in range(len(counts)):
        steps = slice(max(0, h - width), h + width + 1)
        if counts[steps].sum() >= _ENOUGH:
            return steps
    return slice(None)
