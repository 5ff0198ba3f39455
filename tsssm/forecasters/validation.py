"""What the validation part says of a fitted model: the width of its quantiles, and its errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from tsssm.data import Panel
from tsssm.forecasters.calibration import Calibration, fit_factors, fit_residuals
from tsssm.forecasters.forecast import Forecasts, forecast_chunks
from tsssm.forecasters.model import Model, Track
from tsssm.forecasters.part_errors import PartErrors
from tsssm.linear import Cutoffs, training_cutoffs, validation_cutoffs
from tsssm.training.judgement import Judgement

__all__ = ["FitData", "Validated", "best_share", "forecast_judgement", "has_validation", "validate"]

Report = Callable[[slice, np.ndarray, Forecasts], None]  # sees each chunk of targets and forecasts
_MAX_VALUES = 40_000_000  # cutoffs times steps times levels; beyond, cutoffs are thinned
_MAX_VALUES_OF_CHOICE = 4_000_000  # the same, where only one fit is compared with another
_MAX_PASSES, _MAX_PASSES_OF_CHOICE = 4_000, 400  # of the network over a series


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
    if has_validation(data):
        cutoffs, target = _validation_targets(model, data, _MAX_VALUES, _MAX_PASSES)
        parts = _part_errors(model, data, cutoffs)
        calibration = _calibrate(model, data, cutoffs, target, parts.add)
        return Validated(calibration, parts.report())
    note = (
        "no series is long enough to spare a validation part, or nothing is observed in it: intervals are not "
        "calibrated on unseen data and no error is reported"
    )
    if model.network is not None:
        return Validated(_untouched(model), notes=[note])
    cutoffs = training_cutoffs(data.train_lengths, 1, _limit(model, _MAX_VALUES))
    target = _targets(panel, cutoffs, spec.horizon, np.zeros_like(panel.lengths), data.train_lengths)
    return Validated(_calibrate(model, data, cutoffs, target, lambda *_: None), notes=[note])


def has_validation(data: FitData) -> bool:
    """Whether anything is observed in a validation part."""
    panel = data.panel
    return any(bool(np.isfinite(panel.series(i)[n:]).any()) for i, n in enumerate(data.train_lengths))


def _validation_targets(model: Model, data: FitData, max_values: int, max_passes: int) -> tuple[Cutoffs, np.ndarray]:
    panel, spec = data.panel, model.spec
    limit = _limit(model, max_values)
    cutoffs = validation_cutoffs(panel.lengths, data.train_lengths, spec.horizon, limit, spec.patch_length)
    if model.network is not None:
        few = cutoffs.of_few_phases(spec.patch_length, max_passes)
        target = _targets(panel, few, spec.horizon, data.train_lengths, panel.lengths)
        if np.isfinite(target).any():  # else what little is observed lies at other phases
            return few, target
    return cutoffs, _targets(panel, cutoffs, spec.horizon, data.train_lengths, panel.lengths)


def _limit(model: Model, max_values: int) -> int:
    """How many cutoffs give about so many values (cutoffs times steps times levels)."""
    return max(64, max_values // (model.spec.horizon * len(model.spec.levels)))


def forecast_judgement(model: Model, data: FitData) -> Judgement:
    """What the validation part says of a forecast, to compare fits by; of its shares, the best counts.

    MASE, or where no series has a seasonal naive error, MAE.
    """
    judgements = _judgements_by_part(model, data)
    return min((judgements[part] for part in judgements if part != "base"), key=lambda one: one.error)


def best_share(model: Model, data: FitData) -> float:
    """The network's share in the forecast that the validation part prefers: half, all or nothing."""
    if model.base is None or not has_validation(data):
        return 0.5
    judgements = _judgements_by_part(model, data)
    shares = {"both": 0.5, "network": 1.0, "base": 0.0}
    return shares[min(shares, key=lambda part: judgements[part].error)]


def _judgements_by_part(model: Model, data: FitData) -> dict[str, Judgement]:
    """MASE (else MAE) of base, network and both at a share of the cutoffs."""
    cutoffs, target = _validation_targets(model, data, _MAX_VALUES_OF_CHOICE, _MAX_PASSES_OF_CHOICE)
    model, parts = replace(model, calibration=_untouched(model)), _part_errors(model, data, cutoffs)
    for chunk, forecasts in forecast_chunks(model, data.panel, data.track, cutoffs):
        parts.add(chunk, target[chunk], forecasts)
    return parts.judgements()


def _part_errors(model: Model, data: FitData, cutoffs: Cutoffs) -> PartErrors:
    return PartErrors(data.panel, data.train_lengths, cutoffs, model.spec.horizon, model.spec.season_length)


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
