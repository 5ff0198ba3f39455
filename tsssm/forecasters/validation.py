"""What the validation part says of a fitted model: the width of its quantiles, and its errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from tsssm.data import Panel
from tsssm.forecasters.calibration import Calibration, fit_factors, fit_residuals
from tsssm.forecasters.forecast import Forecasts, forecast_chunks
from tsssm.forecasters.model import Model, Track
from tsssm.linear import Cutoffs, training_cutoffs, validation_cutoffs
from tsssm.metrics import seasonal_scale

__all__ = ["FitData", "Validated", "validate"]

Report = Callable[[slice, np.ndarray, Forecasts], None]  # sees each chunk of targets and forecasts
_MAX_VALUES = 40_000_000  # cutoffs times steps times levels; beyond, cutoffs are thinned


@dataclass(frozen=True)
class FitData:
    """A panel, how much of it is learned from, and each series' unit: its deviation there (see `fitting`)."""

    panel: Panel
    train_lengths: np.ndarray
    deviation: np.ndarray
    track: Track


@dataclass(frozen=True)
class Validated:
    """The calibration, the errors by part ("base", "network", "both": "mae" and "mase"), and what to know of them."""

    calibration: Calibration
    errors: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def validate(model: Model, data: FitData) -> Validated:
    """Calibrate on every cutoff that reaches into the validation part, and report the errors there.

    Where nothing is observed in any validation part, a network's quantiles stay as trained, and those of a forecaster
    without one come from the training part; a note says so.
    """
    panel, spec = data.panel, model.spec
    limit = max(64, _MAX_VALUES // (spec.horizon * len(spec.levels)))
    cutoffs = validation_cutoffs(panel.lengths, data.train_lengths, spec.horizon, limit, spec.patch_length)
    target = _targets(panel, cutoffs, spec.horizon, data.train_lengths, panel.lengths)
    if np.isfinite(target).any():
        parts = _PartErrors(data, cutoffs)
        calibration = _calibrate(model, data, cutoffs, target, parts.add)
        return Validated(calibration, parts.report(spec.season_length))
    note = (
        "no series is long enough to spare a validation part, or nothing is observed in it: intervals are not "
        "calibrated on unseen data and no error is reported"
    )
    if model.network is not None:
        return Validated(_untouched(model), notes=[note])
    cutoffs = training_cutoffs(data.train_lengths, 1, limit)
    target = _targets(panel, cutoffs, spec.horizon, np.zeros_like(panel.lengths), data.train_lengths)
    return Validated(_calibrate(model, data, cutoffs, target, lambda *_: None), notes=[note])


def _untouched(model: Model) -> Calibration:
    """The network's own quantiles, or none beside the median."""
    if model.network is not None:
        return Calibration(factors=np.ones(model.spec.horizon))
    return Calibration(residuals=np.zeros((model.spec.horizon, len(model.spec.levels))))


def _calibrate(
    model: Model,
    data: FitData,
    cutoffs: Cutoffs,
    target: np.ndarray,
    report: Report,
) -> Calibration:
    """Fit the factors (or residuals) to the errors at these cutoffs; `report` sees each chunk of forecasts."""
    levels = np.array(model.spec.levels)
    error, spread = np.empty_like(target), np.empty((*target.shape, len(levels)))
    model = replace(model, calibration=_untouched(model))
    for chunk, forecasts in forecast_chunks(model, data.panel, data.track, cutoffs):
        error[chunk] = target[chunk] - forecasts.point
        spread[chunk] = forecasts.quantiles - forecasts.point[..., None]
        report(chunk, target[chunk], forecasts)
    unit = data.deviation[cutoffs.series][:, None]
    error[np.isinf(unit[:, 0])] = np.nan  # a series that was constant in training says nothing of the others
    if model.network is not None:
        return Calibration(factors=fit_factors(error / unit, spread / unit[..., None], levels))
    scale = data.track.at(data.panel, cutoffs.series, cutoffs.ends)[1][:, None]
    return Calibration(residuals=fit_residuals(error / scale, levels))


def _targets(panel: Panel, cutoffs: Cutoffs, horizon: int, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """What followed each cutoff, NaN outside positions first..last of its series, (n, horizon) float64."""
    targets = panel.windows(cutoffs.series, cutoffs.ends + horizon, horizon)
    positions = cutoffs.ends[:, None] + np.arange(horizon)
    inside = (positions >= first[cutoffs.series][:, None]) & (positions < last[cutoffs.series][:, None])
    return np.where(inside, targets, np.nan)


class _PartErrors:
    """Absolute errors of base, network and their mean, summed by series."""

    def __init__(self, data: FitData, cutoffs: Cutoffs):
        self.data, self.cutoffs = data, cutoffs
        self.total: dict[str, np.ndarray] = {}
        self.count = np.zeros(data.panel.n_series)

    def add(self, chunk: slice, target: np.ndarray, forecasts: Forecasts) -> None:
        series = self.cutoffs.series[chunk]
        np.add.at(self.count, series, (~np.isnan(target)).sum(axis=1))
        for name, point in (("base", forecasts.base), ("network", forecasts.network), ("both", forecasts.point)):
            if point is not None:
                total = self.total.setdefault(name, np.zeros(len(self.count)))
                np.add.at(total, series, np.nansum(np.abs(target - point), axis=1))

    def report(self, season: int) -> dict[str, dict[str, float]]:
        """Mean absolute error over all targets, and scaled by each series' seasonal naive error in training."""
        panel, lengths = self.data.panel, self.data.train_lengths
        naive = np.array([_naive_scale(panel.series(i)[: lengths[i]], season) for i in range(panel.n_series)])
        seen = self.count > 0
        report = {}
        for name, total in self.total.items():
            scaled = total[seen] / self.count[seen] / naive[seen]
            scaled = scaled[np.isfinite(scaled)]
            mase = float(scaled.mean()) if len(scaled) else math.nan
            report[name] = {"mae": float(total.sum() / self.count.sum()), "mase": mase}
        return report


def _naive_scale(values: np.ndarray, season: int) -> float:
    scale = float(seasonal_scale(values, season)) if len(values) > season else math.nan
    return scale or math.nan  # a series that repeats its season exactly has no scaled error
