"""Run a backtest: choose the cutoffs, fit where needed, forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from tsssm.data import Table, read_covariates, read_table
from tsssm.errors import ConfigError, DataError
from tsssm.forecasters.backtest import Backtest, Windows, choose_cutoffs, forecast_windows
from tsssm.forecasters.known import Known, known_panel, read_known

if TYPE_CHECKING:
    from tsssm.forecasters.forecaster import Forecaster

__all__ = ["run_backtest"]


def run_backtest(
    forecaster: Forecaster, y: Any, X: Any, *, horizon: int | None, n_windows: int, step: int | None, refit: bool
) -> Backtest:
    """See `Forecaster.backtest`."""
    forecaster._checked_mixer()
    steps = forecaster.horizon if horizon is None else horizon
    if steps > forecaster.horizon:
        raise ConfigError(f"horizon={steps} is longer than the forecaster's, {forecaster.horizon}")
    table = _read(forecaster, y, X)
    cutoffs = choose_cutoffs(len(table.timeline), steps, n_windows, step)
    if refit:
        parts = []
        for cutoff in cutoffs:
            fitted = _fit_before(forecaster, table, y, X, cutoff)
            parts.append(_windows(fitted, table, X, cutoffs[cutoffs == cutoff], steps))
        return _result(fitted, table, cutoffs, Windows.joined(parts), "what precedes each cutoff")
    if _trained_before(forecaster, table, cutoffs[0]):
        fitted, fitted_on = forecaster, "the whole of fit's data"
    else:
        fitted, fitted_on = _fit_before(forecaster, table, y, X, cutoffs[0]), "what precedes the first cutoff"
    return _result(fitted, table, cutoffs, _windows(fitted, table, X, cutoffs, steps), fitted_on)


def _read(forecaster: Forecaster, y: Any, X: Any) -> Table:
    if hasattr(forecaster, "model_"):
        return read_known(y, X, forecaster.model_, forecaster.gaps).table
    return read_table(y, gaps=forecaster.gaps)


def _trained_before(forecaster: Forecaster, table: Table, cutoff: int) -> bool:
    """Whether the forecaster, as it is set, was fitted on nothing but what precedes the first step to be scored."""
    if not hasattr(forecaster, "training_end_") or forecaster.model_.spec.horizon != forecaster.horizon:
        return False
    last_known = table.timeline.index[cutoff - 1]
    try:
        return bool(last_known >= forecaster.training_end_)
    except TypeError as error:
        raise DataError(
            f"y's stamps ({last_known!r}) cannot be compared with those of fit ({forecaster.training_end_!r}). "
            "Use the same kind of index."
        ) from error


def _fit_before(forecaster: Forecaster, table: Table, y: Any, X: Any, cutoff: int) -> Forecaster:
    """A clone fitted on the rows before the cutoff."""
    past, past_x = _before(y, table, cutoff), None if X is None else _before(X, table, cutoff)
    if isinstance(past, pd.DataFrame):
        begun = ~np.isnan(table.values[:cutoff]).all(axis=0)
        if begun.any():
            past = past.loc[:, begun]  # series that begin later are forecast as unseen ones
    return clone(forecaster).fit(past, past_x, freq=table.timeline.freq)


def _before(data: Any, table: Table, cutoff: int) -> Any:
    if isinstance(data, pd.Series | pd.DataFrame):
        return data[data.index < table.timeline.index[cutoff]]
    return data[:cutoff]


def _windows(fitted: Forecaster, table: Table, X: Any, cutoffs: np.ndarray, horizon: int) -> Windows:
    model, rows = fitted.model_, len(table.timeline)
    x = np.zeros((rows, 0))
    if model.spec.covariates:
        x = read_covariates(X, table.timeline, columns=model.spec.covariates, inserted=table.inserted).values
    return forecast_windows(model, known_panel(model, Known(table, x)), cutoffs, horizon)


def _result(fitted: Forecaster, table: Table, cutoffs: np.ndarray, windows: Windows, fitted_on: str) -> Backtest:
    spec = fitted.model_.spec
    return Backtest(table, cutoffs, windows, spec.levels, spec.season_length, fitted_on)
