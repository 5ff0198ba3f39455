"""Quantiles of any level between the trained ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tsssm.errors import ConfigError

__all__ = ["at_levels", "interval_levels", "read_levels"]


def at_levels(quantiles: np.ndarray, trained: Sequence[float], wanted: Sequence[float]) -> np.ndarray:
    """Interpolate quantiles linearly between the trained levels.

    Parameters
    ----------
    quantiles : ndarray, (..., n_trained)
        Increasing along the last axis.
    trained, wanted : sequence of float
        Levels; `wanted` may repeat and come in any order.

    Returns
    -------
    ndarray, (..., n_wanted)

    Raises
    ------
    ConfigError
        A wanted level lies beyond the trained ones.

    Examples
    --------
    >>> at_levels(np.array([1.0, 2.0, 4.0]), (0.1, 0.5, 0.9), (0.3, 0.9)).tolist()
    [1.5, 4.0]
    """
    levels, known = np.asarray(wanted, dtype=np.float64), np.asarray(trained)
    outside = ~((levels >= known[0] - 1e-12) & (levels <= known[-1] + 1e-12))
    if outside.any():
        raise ConfigError(
            f"level {levels[outside][0]:g} lies beyond the trained ones, {known[0]:g} to {known[-1]:g}. "
            "Ask for levels between these, or fit with wider `quantiles`."
        )
    right = np.clip(np.searchsorted(known, levels - 1e-12), 1, len(known) - 1) if len(known) > 1 else np.zeros(1, int)
    left = np.maximum(right - 1, 0)
    share = np.clip((levels - known[left]) / np.where(right > left, known[right] - known[left], 1.0), 0.0, 1.0)
    return quantiles[..., left] * (1.0 - share) + quantiles[..., right] * share


def read_levels(levels: Any) -> tuple[float, ...]:
    """Levels as a user gives them.

    Raises
    ------
    ConfigError
        They are no sequence of numbers, or there are none.
    """
    try:
        values = np.asarray(list(levels), dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros((0, 0))
    if values.ndim != 1:
        raise ConfigError(f"levels must be a sequence of numbers; got {levels!r}")
    if not len(values):
        raise ConfigError("levels is empty; give at least one, 0.5 for example")
    return tuple(values.tolist())


def interval_levels(coverage: float) -> tuple[float, float]:
    """Levels of the central interval with this coverage.

    Examples
    --------
    >>> interval_levels(0.8)
    (0.1, 0.9)
    """
    if isinstance(coverage, bool) or not isinstance(coverage, int | float | np.number) or not 0 < coverage < 1:
        raise ConfigError(f"coverage must be a number between 0 and 1; got {coverage!r}")
    return round((1.0 - float(coverage)) / 2.0, 12), round((1.0 + float(coverage)) / 2.0, 12)
