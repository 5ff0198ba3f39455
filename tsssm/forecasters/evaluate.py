"""Run a backtest: choose the cutoffs, fit where needed, forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from tsssm.data import Table, find_time, is_xarray, read_covariates, read_table, time_index
from tsssm.errors import ConfigError, DataError
from tsssm.forecasters.backtest import Backtest, Windows, choose_cutoffs, forecast_windows
from tsssm.forecasters.known import Known, known_panel, read_known

if TYPE_CHECKING:
    from tsssm.forecasters.forecaster import Forecaster

__all__ = ["Trial", "prepare_trial", "run_backtest"]


@dataclass(frozen=True)
class Trial:
    """A forecaster ready to be tested, fitted on nothing that is to be scored.

    Attributes
    ----------
    fitted : Forecaster
    table : Table
    X : covariates as given
    cutoffs : ndarray, (n_windows,) int64
    horizon : int
    fitted_on : str
        As in `Backtest`.
    """

    fitted: Forecaster
    table: Table
    X: Any
    cutoffs: np.ndarray
    horizon: int
    fitted_on: str

    def run(self) -> Backtest:
        """Forecast every window."""
        windows = _windows(self.fitted, self.table, self.X, self.cutoffs, self.horizon)
        spec = self.fitted.model_.spec
        return Backtest(self.table, self.cutoffs, windows, spec.levels, spec.season_length, self.fitted_on)


def prepare_trial(
    forecaster: Forecaster, y: Any, X: Any, *, horizon: int | None, n_windows: int, step: int | None
) -> Trial:
    """Choose the cutoffs; fit a clone on what precedes the first if the forecaster is not fitted, or knows more."""
    table, cutoffs, steps = _plan(forecaster, y, X, horizon, n_windows, step)
    if _trained_before(forecaster, table, cutoffs[0]):
        return Trial(forecaster, table, X, cutoffs, steps, "the whole of fit's data")
    fitted = _fit_before(forecaster, table, y, X, cutoffs[0])
    return Trial(fitted, table, X, cutoffs, steps, "what precedes the first cutoff")


def run_backtest(
    forecaster: Forecaster, y: Any, X: Any, *, horizon: int | None, n_windows: int, step: int | None, refit: bool
) -> Backtest:
    """See `Forecaster.backtest`."""
    if not refit:
        return prepare_trial(forecaster, y, X, horizon=horizon, n_windows=n_windows, step=step).run()
    table, cutoffs, steps = _plan(forecaster, y, X, horizon, n_windows, step)
    parts = []
    for cutoff in cutoffs:
        fitted = _fit_before(forecaster, table, y, X, cutoff)
        trial = Trial(fitted, table, X, cutoffs[cutoffs == cutoff], steps, "what precedes each cutoff")
        parts.append(trial.run())
    return replace(parts[-1], cutoffs=cutoffs, windows=Windows.joined([part.windows for part in parts]))


def _plan(
    forecaster: Forecaster, y: Any, X: Any, horizon: int | None, n_windows: int, step: int | None
) -> tuple[Table, np.ndarray, int]:
    """The data, the cutoffs and the steps ahead."""
    forecaster._checked_stack()
    steps = forecaster.horizon if horizon is None else horizon
    if steps > forecaster.horizon:
        raise ConfigError(f"horizon={steps} is longer than the forecaster's, {forecaster.horizon}")
    table = _read(forecaster, y, X)
    return table, choose_cutoffs(len(table.timeline), steps, n_windows, step), steps


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
    # the folder of the checkpoints belongs to the forecaster's own fit
    training = replace(forecaster.training, checkpoint_dir=None)
    return clone(forecaster).set_params(training=training).fit(past, past_x, freq=table.timeline.freq)


def _before(data: Any, table: Table, cutoff: int) -> Any:
    if isinstance(data, pd.Series | pd.DataFrame):
        return data[data.index < table.timeline.index[cutoff]]
    if is_xarray(data):
        time = find_time(data, "y")
        return data.isel({time: np.asarray(time_index(data, time) < table.timeline.index[cutoff])})
    return data[:cutoff]


def _windows(fitted: Forecaster, table: Table, X: Any, cutoffs: np.ndarray, horizon: int) -> Windows:
    model, rows = fitted.model_, len(table.timeline)
    x = np.zeros((rows, 0))
    if model.spec.covariates:
        x = read_covariates(X, table.timeline, columns=model.spec.covariates, inserted=table.inserted).values
    return forecast_windows(model, known_panel(model, Known(table, x)), cutoffs, horizon)
