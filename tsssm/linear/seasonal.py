"""Seasonal naive: the value one season ago."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["SEASONS_KEPT", "Seasonal"]

SEASONS_KEPT = 4  # how many seasons back an unobserved value is looked for


@dataclass(frozen=True)
class Seasonal:
    """Forecast the last observed value of the same place in the season, up to four seasons back.

    Where none of these was observed, the last observed value of the window; where there is none at all, the level.

    Parameters
    ----------
    season_length, horizon : int

    Examples
    --------
    >>> import numpy as np
    >>> Seasonal(season_length=2, horizon=3).forecast(np.array([[1., 2., 3., 4., 5., 6., np.nan, 8.]]), np.zeros(1))
    array([[5., 8., 5.]])
    """

    season_length: int
    horizon: int

    @property
    def lags(self) -> int:
        """Values that a forecast looks back on."""
        return SEASONS_KEPT * self.season_length

    def forecast(self, windows: np.ndarray, level: np.ndarray) -> np.ndarray:
        """Forecast from windows of the last values, (n, lags) -> (n, horizon); NaN is unobserved."""
        windows = windows.astype(np.float64)
        season = _last_observed(windows.reshape(len(windows), SEASONS_KEPT, self.season_length), axis=1)
        last = _last_observed(windows, axis=1)
        last = np.where(np.isnan(last), level, last)
        season = np.where(np.isnan(season), last[:, None], season)
        return season[:, np.arange(self.horizon) % self.season_length]


def _last_observed(values: np.ndarray, axis: int) -> np.ndarray:
    """The last value along the axis that is not NaN (NaN if none)."""
    back = np.flip(values, axis)
    first = np.expand_dims((~np.isnan(back)).argmax(axis), axis)
    return np.take_along_axis(back, first, axis).squeeze(axis)
