"""Fit the parts: scaler's priors, base, network, calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from tsssm.data import CYCLES, Covariates, Panel, Table, Timeline, WindowSource, choose_cycles
from tsssm.errors import DataError
from tsssm.forecasters.calibration import Calibration, fit_factors, fit_residuals
from tsssm.forecasters.forecast import forecast_chunks
from tsssm.forecasters.lengths import choose_lengths, season_length, training_lengths
from tsssm.forecasters.model import CovariateScale, Model, Priors, Track, build_panel, covariate_rows, track
from tsssm.forecasters.spec import ModelSpec
from tsssm.linear import Cutoffs, Seasonal, fit_ridge, training_cutoffs, validation_cutoffs
from tsssm.metrics import seasonal_scale
from tsssm.mixers import Mixer
from tsssm.network import ForecastNetwork
from tsssm.training import Schedule

__all__ = ["Fit", "fit_model"]

_MAX_CALIBRATION_VALUES = 40_000_000  # cutoffs times steps times levels


@dataclass
class Fit:
    """What came of a fit.

    Attributes
    ----------
    model : Model
    curve : dict
        Training curve: step, loss, learning rate.
    validation : dict
        Part ("base", "network", "both") -> {"mae": ..., "mase": ...} on the validation part.
    notes : list of str
        What a user should know of this fit.
    interrupted : bool
        Ctrl-C ended the training.
    """

    model: Model
    curve: dict[str, np.ndarray] = field(default_factory=dict)
    validation: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False


@dataclass(frozen=True)
class _Data:
    """A panel, which part of it is learned from, and each series' deviation there."""

    panel: Panel
    train_lengths: np.ndarray
    deviation: np.ndarray
    track: Track


def fit_model(table: Table, x: Covariates | None, settings: dict[str, Any], mixer: type[Mixer] | None, base) -> Fit:
    """Fit every part of a forecaster on the training part of `table`.

    Parameters
    ----------
    table : Table
    x : Covariates or None
        At least one row a row of the table.
    settings : dict
        Checked settings of a `Forecaster`.
    mixer : type of Mixer or None
        None: no network.
    base : "ridge", "seasonal" or None
    """
    columns, rows = ((), np.zeros((len(table.timeline), 0))) if x is None else (x.columns, x.values)
    spec, lengths = _specify(table, settings, mixer, base, columns)
    plain = build_panel(table, np.zeros((len(rows), 0)))
    priors, deviation = _priors(plain, lengths)
    scale = _covariate_scale(rows[: max(1, len(table.timeline) - int((plain.lengths - lengths).max()))])
    timeline = table.timeline.extend(len(rows) - len(table.timeline))
    timeline, rows = _with_future_calendar(timeline, rows, len(table.timeline) + spec.horizon)
    panel = build_panel(table, covariate_rows(spec, scale, timeline, rows))
    data = _Data(panel, lengths, deviation, track(spec, priors, panel))

    fit = Fit(Model(spec, None, _fit_base(spec, data), priors, scale, Calibration()))
    if spec.mixer is not None:
        assert mixer is not None
        network, fit.curve, fit.interrupted = _train(spec, mixer, data, settings)
        fit.model = replace(fit.model, network=network)
    elif columns:
        fit.notes.append(f"X ({', '.join(columns)}) is not used: a forecaster without a network looks at y alone")
    _calibrate(fit, data)
    return fit


def _specify(table: Table, settings: dict, mixer, base, columns: tuple[str, ...]) -> tuple[ModelSpec, np.ndarray]:
    bare = build_panel(table, np.zeros((0, 0)))
    horizon, frequency = int(settings["horizon"]), table.timeline.frequency
    train = training_lengths(bare.lengths, horizon, settings["validation_size"], table.names)
    longest = int(train.max())
    patch, tokens, lags = choose_lengths(
        longest, frequency, settings["patch_length"], settings["context_length"], table.names[int(train.argmax())]
    )
    cycles = _cycles(settings["calendar"], table.timeline, longest)
    spec = ModelSpec(
        horizon=horizon,
        patch_length=patch,
        n_tokens=tokens,
        lags=lags,
        season_length=season_length(settings["season_length"], frequency),
        levels=tuple(sorted({0.5, *map(float, settings["quantiles"])})),
        mixer=None if mixer is None else mixer.name,
        base=base,
        d_model=int(settings["d_model"]),
        n_layers=int(settings["n_layers"]),
        dropout=float(settings["dropout"]),
        cycles=cycles if mixer is not None else (),
        covariates=columns,
        frequency=frequency,
    )
    return spec, train


def _cycles(calendar: Any, timeline: Timeline, train_length: int) -> tuple[str, ...]:
    if isinstance(calendar, str):  # "auto"
        return choose_cycles(timeline, train_length)
    cycles = tuple(cycle for cycle in CYCLES if cycle in (calendar or ()))
    if cycles and timeline.calendar_stamps() is None:
        raise DataError(f"calendar={calendar!r}, but y's index holds integers, which have no calendar. Give y dates.")
    return cycles


def _priors(panel: Panel, train_lengths: np.ndarray) -> tuple[Priors, np.ndarray]:
    """Deviation of each series in its training part; a constant series counts as deviating by a millionth."""
    deviation, level = np.ones(panel.n_series), np.ones(panel.n_series)
    for i, length in enumerate(train_lengths):
        values = panel.series(i)[:length].astype(np.float64)
        if length:
            level[i] = abs(panel.origins[i] + np.nanmean(values))
            deviation[i] = np.nanstd(values) or 1e-6 * level[i] or 1.0
    known = (train_lengths > 0) & (level > 0)
    ratio = float(np.median(deviation[known] / level[known])) if known.any() else 1.0
    priors = Priors(dict(zip(panel.names, deviation.tolist())), ratio, float(np.median(deviation)))
    return priors, deviation


def _covariate_scale(rows: np.ndarray) -> CovariateScale:
    if not rows.shape[1]:
        return CovariateScale(np.zeros(0), np.ones(0))
    deviation = np.nanstd(rows, axis=0)
    return CovariateScale(np.nanmean(rows, axis=0), np.where(deviation > 0, deviation, 1.0))


def _with_future_calendar(timeline: Timeline, rows: np.ndarray, length: int) -> tuple[Timeline, np.ndarray]:
    """At least `length` rows, so that the calendar is known to the end of every horizon; X beyond its end is NaN."""
    missing = max(0, length - len(rows))
    return timeline.extend(missing), np.concatenate([rows, np.full((missing, rows.shape[1]), np.nan)])


def _fit_base(spec: ModelSpec, data: _Data):
    if spec.base == "ridge":
        return fit_ridge(data.panel, data.train_lengths, data.deviation, lags=spec.lags, horizon=spec.horizon)
    return Seasonal(spec.season_length, spec.horizon) if spec.base == "seasonal" else None


def _train(spec: ModelSpec, mixer: type[Mixer], data: _Data, settings: dict) -> tuple[ForecastNetwork, dict, bool]:
    from tsssm.training import WindowDataModule, train_network

    source = WindowSource(
        panel=data.panel,
        train_lengths=data.train_lengths,
        location=data.track.location,
        scale=data.track.scale,
        deviation=data.deviation,
        n_tokens=spec.n_tokens,
        patch_length=spec.patch_length,
        horizon=spec.horizon,
    )
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count()))):
        torch.manual_seed(settings["random_state"])
        network = spec.build_network(mixer, data.panel.n_covariates)
        result = train_network(
            network,
            spec.levels,
            WindowDataModule(source, batch_size=settings["batch_size"], seed=settings["random_state"]),
            Schedule(settings["max_steps"], settings["learning_rate"], settings["time_budget"]),
            settings["training"],
            device=settings["device"],
            verbose=settings["verbose"],
        )
    return network, result.curve, result.interrupted


def _calibrate(fit: Fit, data: _Data) -> None:
    """Set the quantile factors (or residuals) from the validation part and report the errors there."""
    spec, panel = fit.model.spec, data.panel
    limit = max(64, _MAX_CALIBRATION_VALUES // (spec.horizon * len(spec.levels)))
    first_target, last = data.train_lengths, panel.lengths
    cutoffs = validation_cutoffs(panel.lengths, data.train_lengths, spec.horizon, limit, spec.patch_length)
    has_validation = len(cutoffs.series) > 0
    if not has_validation:
        fit.notes.append(
            "no series is long enough to spare a validation part: intervals are not calibrated on unseen data "
            "and no error is reported"
        )
        cutoffs = training_cutoffs(data.train_lengths, 1, limit)
        first_target, last = np.zeros_like(last), data.train_lengths
    levels = np.array(spec.levels)
    untouched = Calibration(factors=np.ones(spec.horizon))
    if fit.model.network is None:
        untouched = Calibration(residuals=np.zeros((spec.horizon, len(levels))))
    model = replace(fit.model, calibration=untouched)
    target = _targets(panel, cutoffs, spec.horizon, first_target, last)
    unit = data.deviation[cutoffs.series][:, None]
    scale = data.track.at(panel, cutoffs.series, cutoffs.ends)[1][:, None]
    error, spread, parts = np.empty_like(target), np.empty((*target.shape, len(levels))), _PartErrors(data, cutoffs)
    for chunk, forecasts in forecast_chunks(model, panel, data.track, cutoffs):
        error[chunk] = target[chunk] - forecasts.point
        spread[chunk] = forecasts.quantiles - forecasts.point[..., None]
        parts.add(chunk, target[chunk], forecasts)
    if model.network is None:
        calibration = Calibration(residuals=fit_residuals(error / scale, levels))
    elif has_validation:
        calibration = Calibration(factors=fit_factors(error / unit, spread / unit[..., None], levels))
    else:
        calibration = untouched
    fit.model = replace(fit.model, calibration=calibration)
    if has_validation:
        fit.validation = parts.report(spec.season_length)


def _targets(panel: Panel, cutoffs: Cutoffs, horizon: int, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """What followed each cutoff, NaN outside positions first..last of its series, (n, horizon) float64."""
    targets = panel.windows(cutoffs.series, cutoffs.ends + horizon, horizon).astype(np.float64)
    positions = cutoffs.ends[:, None] + np.arange(horizon)
    inside = (positions >= first[cutoffs.series][:, None]) & (positions < last[cutoffs.series][:, None])
    return np.where(inside, targets, np.nan)


class _PartErrors:
    """Absolute errors of base, network and their mean, summed by series."""

    def __init__(self, data: _Data, cutoffs: Cutoffs):
        self.data, self.cutoffs = data, cutoffs
        self.total: dict[str, np.ndarray] = {}
        self.count = np.zeros(data.panel.n_series)

    def add(self, chunk: slice, target: np.ndarray, forecasts) -> None:
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
    scale = float(seasonal_scale(values.astype(np.float64), season)) if len(values) > season else math.nan
    return scale or math.nan  # a series that repeats its season exactly has no scaled error
