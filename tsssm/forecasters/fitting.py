"""Fit the parts: scaler's priors, base, network, calibration."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tsssm.data import CYCLES, Covariates, Panel, Table, Timeline, choose_cycles
from tsssm.errors import DataError
from tsssm.forecasters.byte_size import read_bytes
from tsssm.forecasters.calibration import Calibration
from tsssm.forecasters.known import kind_of_stamps
from tsssm.forecasters.learn import learn
from tsssm.forecasters.lengths import choose_lengths, season_length, training_lengths
from tsssm.forecasters.model import CovariateScale, Model, Priors, build_panel, covariate_rows, track
from tsssm.forecasters.spec import ModelSpec
from tsssm.forecasters.state_budget import within_budget
from tsssm.forecasters.validation import FitData, best_share, validate
from tsssm.linear import Seasonal, fit_ridge
from tsssm.mixers.stack import Stack, stack_name
from tsssm.mixers.stack_settings import resolve_settings

__all__ = ["Fit", "fit_model"]


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
    tried : list of Candidate
        Schedules that the validation part has judged, if it chose between several.
    received : signal.Signals or None
        The signal that ended the training early.
    resumed_from_step : int or None
        The step of the checkpoint that training went on from.
    """

    model: Model
    curve: dict[str, np.ndarray] = field(default_factory=dict)
    validation: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tried: Sequence[Any] = ()
    received: signal.Signals | None = None
    resumed_from_step: int | None = None


def fit_model(table: Table, x: Covariates | None, settings: dict[str, Any], stack: Stack | None, base) -> Fit:
    """Fit every part of a forecaster on the training part of `table`.

    Parameters
    ----------
    table : Table
    x : Covariates or None
        At least one row a row of the table.
    settings : dict
        Checked settings of a `Forecaster`.
    stack : tuple of Mixer types or None
        The mixer of each layer; None: no network.
    base : "ridge", "seasonal" or None
    """
    columns, rows = ((), np.zeros((len(table.timeline), 0))) if x is None else (x.columns, x.values)
    spec, lengths = _specify(table, settings, stack, base, columns)
    notes = []
    if (budget := read_bytes(settings["state_budget"])) is not None:
        spec, note = within_budget(spec, stack, budget)
        notes.append(note)
    plain = build_panel(table, np.zeros((len(rows), 0)))
    priors, deviation = _priors(plain, lengths)
    scale = _covariate_scale(rows[: max(1, len(table.timeline) - int((plain.lengths - lengths).max()))])
    timeline = table.timeline.extend(len(rows) - len(table.timeline))
    timeline, rows = _with_future_calendar(timeline, rows, len(table.timeline) + spec.horizon)
    panel = build_panel(table, covariate_rows(spec, scale, timeline, rows))
    data = FitData(panel, lengths, deviation, track(spec, priors, panel))

    fit = Fit(Model(spec, None, _fit_base(spec, data), priors, scale, Calibration()), notes=notes)
    if spec.mixer is not None:
        assert stack is not None
        learned = learn(fit.model, stack, data, settings)
        fit.model = replace(fit.model, network=learned.network)
        fit.curve, fit.tried, fit.received = learned.curve, learned.tried, learned.received
        fit.resumed_from_step = learned.resumed_from_step
        if settings["max_steps"] == "auto":
            fit.model = replace(fit.model, spec=replace(spec, network_share=best_share(fit.model, data)))
    elif columns:
        fit.notes.append(f"X ({', '.join(columns)}) is not used: a forecaster without a network looks at y alone")
    validated = validate(fit.model, data)
    fit.model, fit.validation = replace(fit.model, calibration=validated.calibration), validated.errors
    fit.notes += validated.notes
    return fit


def _specify(
    table: Table, settings: dict, stack: Stack | None, base, columns: tuple[str, ...]
) -> tuple[ModelSpec, np.ndarray]:
    bare = build_panel(table, np.zeros((0, 0)))
    horizon, frequency = int(settings["horizon"]), table.timeline.frequency
    train = training_lengths(bare.lengths, horizon, settings["validation_size"], table.names)
    _refuse_silent(bare, train)
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
        mixer=None if stack is None else stack_name(stack),
        mixer_settings={} if stack is None else resolve_settings(stack, tokens, settings["mixer_settings"]),
        base=base,
        d_model=int(settings["d_model"]),
        n_layers=0 if stack is None else len(stack),
        dropout=float(settings["dropout"]),
        cycles=cycles if stack is not None else (),
        covariates=columns if stack is not None else (),
        frequency=frequency,
        stamps=kind_of_stamps(table.timeline.index),
    )
    return spec, train


def _refuse_silent(panel: Panel, train_lengths: np.ndarray) -> None:
    """Something has to follow something else in the training part."""
    seen = [int((~np.isnan(panel.series(i)[:length])).sum()) for i, length in enumerate(train_lengths)]
    if max(seen) < 2:
        name = panel.names[int(np.argmax(seen))]
        raise DataError(
            f"y needs two observed values or more in the training part of some series; the one with the most "
            f"({name!r}) has {max(seen)}. Pass more observations, or lower validation_size."
        )


def _cycles(calendar: Any, timeline: Timeline, train_length: int) -> tuple[str, ...]:
    if isinstance(calendar, str):  # "auto"
        return choose_cycles(timeline, train_length)
    cycles = tuple(cycle for cycle in CYCLES if cycle in (calendar or ()))
    if cycles and timeline.calendar_stamps() is None:
        raise DataError(f"calendar={calendar!r}, but y's index holds integers, which have no calendar. Give y dates.")
    return cycles


def _priors(panel: Panel, train_lengths: np.ndarray) -> tuple[Priors, np.ndarray]:
    """Priors, and the unit in which each series counts in a fit.

    A constant series is taken to deviate by a millionth of its level; where others vary, its unit is infinite, so
    that a later move of such a series does not outweigh all others.
    """
    deviation, level = np.zeros(panel.n_series), np.ones(panel.n_series)
    for i, length in enumerate(train_lengths):
        if length:
            values = panel.series(i)[:length]
            level[i] = abs(panel.origins[i] + np.nanmean(values))
            deviation[i] = np.nanstd(values) if np.nanmax(values) > np.nanmin(values) else 0.0
    varies = deviation > 0.0
    unit = np.where(varies, deviation, np.inf)
    deviation = np.where(varies, deviation, np.where(level > 0, 1e-6 * level, 1.0))
    known = (train_lengths > 0) & (level > 0)
    ratio = float(np.median(deviation[known] / level[known])) if known.any() else 1.0
    priors = Priors(dict(zip(panel.names, deviation.tolist())), ratio, float(np.median(deviation)))
    return priors, unit if varies.any() else deviation


def _covariate_scale(rows: np.ndarray) -> CovariateScale:
    if not rows.shape[1]:
        return CovariateScale(np.zeros(0), np.ones(0))
    deviation = np.nanstd(rows, axis=0)
    constant = deviation <= 1e-9 * np.nanmax(np.abs(rows), axis=0)  # the rounding of a mean is no deviation
    return CovariateScale(np.nanmean(rows, axis=0), np.where(constant, 1.0, deviation))


def _with_future_calendar(timeline: Timeline, rows: np.ndarray, length: int) -> tuple[Timeline, np.ndarray]:
    """At least `length` rows, so that the calendar is known to the end of every horizon; X beyond its end is NaN."""
    missing = max(0, length - len(rows))
    return timeline.extend(missing), np.concatenate([rows, np.full((missing, rows.shape[1]), np.nan)])


def _fit_base(spec: ModelSpec, data: FitData):
    if spec.base == "ridge":
        return fit_ridge(data.panel, data.train_lengths, data.deviation, lags=spec.lags, horizon=spec.horizon)
    return Seasonal(spec.season_length, spec.horizon) if spec.base == "seasonal" else None
