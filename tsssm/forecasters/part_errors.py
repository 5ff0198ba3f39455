"""Errors of base, network and their mean on the validation part: in all, and by stretches of it."""

from __future__ import annotations

import math

import numpy as np

from tsssm.data import Panel
from tsssm.forecasters.forecast import Forecasts
from tsssm.linear import Cutoffs
from tsssm.metrics import seasonal_scale
from tsssm.training.judgement import Judgement

__all__ = ["PartErrors"]


class PartErrors:
    """Absolute errors by part, summed by series and by stretch: horizon after horizon, from the first cutoff on.

    Parameters
    ----------
    panel : Panel
    train_lengths : ndarray, (n_series,)
    cutoffs : Cutoffs
        Of the validation part.
    horizon, season_length : int
    """

    def __init__(self, panel: Panel, train_lengths: np.ndarray, cutoffs: Cutoffs, horizon: int, season_length: int):
        self._cutoffs = cutoffs
        known = train_lengths[cutoffs.series]
        self._stretch = (cutoffs.ends - (known - horizon + 1)) // horizon
        self._stretch -= self._stretch.min(initial=0)  # a series shorter than the horizon begins later
        self._shape = panel.n_series, int(self._stretch.max(initial=0)) + 1
        self._total: dict[str, np.ndarray] = {}  # each (n_series, n_stretches)
        self._count = np.zeros(panel.n_series)
        series = (panel.series(i)[:length] for i, length in enumerate(train_lengths))
        self._naive = np.array([_naive_scale(values, season_length) for values in series])

    def add(self, chunk: slice, target: np.ndarray, forecasts: Forecasts) -> None:
        """Take in the forecasts of a chunk of the cutoffs, and what followed them, (n, horizon)."""
        series, stretch = self._cutoffs.series[chunk], self._stretch[chunk]
        np.add.at(self._count, series, (~np.isnan(target)).sum(axis=1))
        for name, point in (("base", forecasts.base), ("network", forecasts.network), ("both", forecasts.point)):
            if point is not None:
                total = self._total.setdefault(name, np.zeros(self._shape))
                np.add.at(total, (series, stretch), np.nansum(np.abs(target - point), axis=1))

    def report(self) -> dict[str, dict[str, float]]:
        """By part, mean absolute error of all targets, and scaled by each series' seasonal naive error in training."""
        return {
            name: {"mae": float(self._absolute(name).sum()), "mase": float(self._scaled(name).sum())}
            for name in self._total
        }

    def judgements(self) -> dict[str, Judgement]:
        """By part, MASE; or where no series has a seasonal naive error, MAE."""
        scaled = {name: self._scaled(name) for name in self._total}
        return {name: Judgement(self._absolute(name) if math.isnan(one.sum()) else one) for name, one in scaled.items()}

    def _absolute(self, name: str) -> np.ndarray:
        """What each stretch adds to the MAE, (n_stretches,)."""
        count = self._count.sum()
        return self._total[name].sum(axis=0) / (count if count else math.nan)

    def _scaled(self, name: str) -> np.ndarray:
        """What each stretch adds to the MASE, (n_stretches,)."""
        seen = (self._count > 0) & np.isfinite(self._naive)
        if not seen.any():
            return np.full(self._shape[1], math.nan)
        return (self._total[name][seen] / (self._count * self._naive)[seen, None]).mean(axis=0)


def _naive_scale(values: np.ndarray, season: int) -> float:
    scale = float(seasonal_scale(values, season)) if len(values) > season else math.nan
    return scale or math.nan  # a series that repeats its season exactly has no scaled error
