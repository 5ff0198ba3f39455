"""The causal scaler: an exponential mean and deviation that advance with each observation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["PRIOR_OBSERVATIONS", "CausalScaler"]

PRIOR_OBSERVATIONS = 16.0  # weight of the prior deviation, in observations that are forgotten like the rest
_SMALLEST_SCALE = 1e-4  # of the prior deviation: a sensor stuck for weeks must not divide by zero


def _advance_loop(values, prior, decay, state, location, scale):
    for i in range(values.shape[0]):
        weight, mean, squares, prior_weight = state[i, 0], state[i, 1], state[i, 2], state[i, 3]
        floor = _SMALLEST_SCALE * prior[i]
        for t in range(values.shape[1]):
            x = values[i, t]
            if not math.isnan(x):
                old = decay * weight
                weight = old + 1.0
                difference = x - mean
                mean += difference / weight
                squares = decay * squares + difference * difference * (old / weight)
                prior_weight *= decay
            variance = (squares + prior_weight * prior[i] * prior[i]) / max(weight + prior_weight, 1e-300)
            location[i, t] = mean
            scale[i, t] = max(math.sqrt(variance), floor)
        state[i, 0], state[i, 1], state[i, 2], state[i, 3] = weight, mean, squares, prior_weight


_compiled: Callable | None = None


def _advance(*arguments) -> None:
    # compiled at first use, so that importing the library does not pay for it
    global _compiled
    if _compiled is None:
        from tsssm_kernels.compiling import compile_serial

        _compiled = compile_serial(_advance_loop)
    _compiled(*arguments)


@dataclass(frozen=True)
class CausalScaler:
    """Exponential mean and deviation per observation, in float64.

    After each observation x the weights of the past are multiplied by ``0.5 ** (1 / half_life)``; the mean and the sum
    of squared deviations follow West's update (D. H. D. West 1979, Communications of the ACM 22(9)). A prior deviation
    counts as 16 observations that are forgotten like the rest; the mean has no prior. Unobserved values (NaN) leave
    the statistics as they are.

    Parameters
    ----------
    half_life : float
        Observations after which a weight has halved.

    Examples
    --------
    >>> import numpy as np
    >>> scaler = CausalScaler(half_life=180.0)
    >>> state = scaler.initial_state(1)
    >>> location, scale = scaler.advance(np.array([[3.0, np.nan, 5.0]]), np.array([2.0]), state)
    >>> location.round(3)
    array([[3.   , 3.   , 4.002]])
    """

    half_life: float

    def initial_state(self, n_series: int) -> np.ndarray:
        """State before the first observation: weight, mean, squares, prior weight, (n_series, 4) float64."""
        state = np.zeros((n_series, 4))
        state[:, 3] = PRIOR_OBSERVATIONS
        return state

    def advance(self, values: np.ndarray, prior: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take in values and update `state` in place.

        Parameters
        ----------
        values : ndarray, (n_series, length)
            NaN is unobserved.
        prior : ndarray, (n_series,) float64
            Prior deviation of each series, above 0.
        state : ndarray, (n_series, 4) float64
            Advanced in place.

        Returns
        -------
        location, scale : ndarray, (n_series, length) float64
            After each value.
        """
        values = np.ascontiguousarray(values, dtype=np.float64)
        location, scale = np.empty_like(values), np.empty_like(values)
        _advance(values, np.asarray(prior, np.float64), 0.5 ** (1.0 / self.half_life), state, location, scale)
        return location, scale
