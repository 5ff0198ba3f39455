"""Whether one forecaster's losses differ from another's by more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsssm.errors import ConfigError, DataError

__all__ = ["FEWEST_LOSSES", "DieboldMariano", "diebold_mariano"]

FEWEST_LOSSES = 4

Losses = Sequence[float] | NDArray[np.float64]


@dataclass(frozen=True)
class DieboldMariano:
    """Outcome of a Diebold-Mariano test.

    Attributes
    ----------
    statistic : float
        Above 0: the first forecaster's losses are larger.
    p_value : float
        Two-sided: how often a difference as large or larger comes about by chance where there is none. NaN: no test
        was possible.
    note : str
        What to know of it; empty where there is nothing.
    """

    statistic: float
    p_value: float
    note: str = ""


def diebold_mariano(loss_a: Losses, loss_b: Losses, horizon: int = 1) -> DieboldMariano:
    """Test whether two forecasters have the same expected loss, with the small-sample correction.

    With ``d_t = loss_a,t - loss_b,t``, its mean m over n pairs and its autocovariances g_k::

        DM  = m / sqrt((g_0 + 2 sum_{k=1}^{horizon-1} g_k) / n)
        DM* = DM sqrt((n + 1 - 2 horizon + horizon (horizon - 1) / n) / n)     against Student's t with n - 1 degrees

    Parameters
    ----------
    loss_a, loss_b : sequence of float, (n,)
        Losses of the same forecasts, in order of time. Pairs with a NaN are left out.
    horizon : int
        How many successive losses have steps in common: 1 where windows do not overlap. Losses farther apart count as
        independent.

    Returns
    -------
    DieboldMariano
        NaN, with a note, with fewer than four pairs or no more than `horizon`. Where the estimated variance is not
        above zero, as can happen with `horizon` above 1, the autocovariances are weighted by ``1 - k / horizon``
        (Bartlett), which cannot fall below zero.

    Raises
    ------
    DataError
        The losses are no two sequences of one length, or infinite.
    ConfigError
        `horizon` is no integer of at least 1.

    References
    ----------
    Diebold, F. X. and Mariano, R. S. (1995). Comparing predictive accuracy. Journal of Business & Economic Statistics
    13(3). Harvey, D., Leybourne, S. and Newbold, P. (1997). Testing the equality of prediction mean squared errors.
    International Journal of Forecasting 13(2), equations 8 and 9.

    Examples
    --------
    >>> result = diebold_mariano([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 1.0, 2.0, 3.0, 5.0])
    >>> round(result.statistic, 3), round(result.p_value, 3)
    (2.449, 0.07)
    """
    if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer) or horizon < 1:
        raise ConfigError(f"horizon must be an integer of at least 1; got {horizon!r}")
    difference = _differences(loss_a, loss_b)
    n = len(difference)
    if n < max(FEWEST_LOSSES, horizon + 1):
        needed = max(FEWEST_LOSSES, horizon + 1)
        return DieboldMariano(math.nan, math.nan, f"no test: {n} windows with a loss, and at least {needed} are needed")
    if not difference.any():
        return DieboldMariano(0.0, 1.0, "the losses are equal in every window")
    variance = _long_run_variance(difference, horizon)
    if variance == 0.0:
        sign = math.copysign(math.inf, difference.mean())
        return DieboldMariano(sign, 0.0, "the losses differ by the same amount in every window")
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    statistic = float(difference.mean() / math.sqrt(variance / n) * math.sqrt(correction))
    return DieboldMariano(statistic, _two_sided(statistic, n - 1))


def _differences(loss_a: Losses, loss_b: Losses) -> NDArray[np.float64]:
    a, b = (np.asarray(loss, dtype=np.float64) for loss in (loss_a, loss_b))
    if a.shape != b.shape or a.ndim != 1:
        raise DataError(f"losses must be two sequences of one length; got shapes {a.shape} and {b.shape}")
    if np.isinf(a).any() or np.isinf(b).any():
        raise DataError("losses must be finite numbers, or NaN to leave a pair out; one is infinite")
    difference = a - b
    return difference[~np.isnan(difference)]


def _long_run_variance(difference: NDArray[np.float64], horizon: int) -> float:
    n, centred = len(difference), difference - difference.mean()
    if np.abs(centred).max() <= 1e-14 * np.abs(difference).max():  # rounding of a constant
        return 0.0
    covariances = np.array([centred[k:] @ centred[: n - k] / n for k in range(horizon)])
    variance = covariances[0] + 2.0 * covariances[1:].sum()
    if variance <= 1e-12 * covariances[0]:
        variance = covariances[0] + 2.0 * ((1.0 - np.arange(1, horizon) / horizon) * covariances[1:]).sum()
    return float(variance)


def _two_sided(statistic: float, degrees: int) -> float:
    from scipy.special import stdtr  # scipy comes with scikit-learn; its `stats` takes much longer to import

    return float(2.0 * stdtr(degrees, -abs(statistic)))
