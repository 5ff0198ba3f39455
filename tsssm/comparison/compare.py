"""Compare forecasters on the same windows."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tsssm.comparison.comparison import Comparison
from tsssm.comparison.significance import DieboldMariano, diebold_mariano
from tsssm.comparison.window_loss import check_metrics, overall_errors, window_losses
from tsssm.errors import ConfigError
from tsssm.forecasters.backtest import Backtest
from tsssm.forecasters.evaluate import Trial, prepare_trial
from tsssm.forecasters.forecaster import Forecaster
from tsssm.forecasters.parameters import parameter_counts
from tsssm.forecasters.settings import check_settings

__all__ = ["compare"]


def compare(
    models: Sequence[Forecaster] | Mapping[str, Forecaster],
    y: Any,
    X: Any = None,
    *,
    horizon: int | None = None,
    n_windows: int = 8,
    step: int | None = None,
    metrics: Sequence[str] = ("mae", "mse", "mase"),
) -> Comparison:
    """Backtest forecasters on the same windows and test whether they differ.

    A forecaster that is not fitted (or was fitted on data that are to be scored) is cloned and fitted on what precedes
    the first window, so that all learn from the same data; the ones given are left as they are.

    Parameters
    ----------
    models : sequence of Forecaster, or mapping of name to Forecaster
        The first is the reference. Names of a sequence are those of the classes.
    y, X : optional
        As in `Forecaster.fit`; X covers y.
    horizon : int, optional
        Steps ahead; default: the forecasters' own, which must then be the same.
    n_windows : int
        Windows; the last one ends with y.
    step : int, optional
        Rows from one window to the next; default: the horizon, with which windows do not overlap.
    metrics : sequence of {"mae", "mse", "rmse", "mase", "smape"}
        Errors of the table. The first is the loss of the test (the squared error for "rmse"): averaged over series
        and steps, it gives one loss a window.

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigError
        Settings of the comparison or of a forecaster.
    DataError
        Data that cannot be used, or too few rows for the windows.

    Notes
    -----
    The test is that of Diebold and Mariano with the correction of Harvey, Leybourne and Newbold, see
    `tsssm.comparison.diebold_mariano`. It says whether these two fits differ on windows like these; it does not know
    of other random seeds, nor how many forecasters were tried.

    Examples
    --------
    >>> import numpy as np
    >>> from tsssm import LinearForecaster, SeasonalNaive, compare
    >>> noise = np.random.default_rng(0).normal(size=300)
    >>> y = np.sin(np.arange(300) * 2 * np.pi / 12) + 0.3 * noise
    >>> result = compare(
    ...     {"linear": LinearForecaster(6, verbose=False), "naive": SeasonalNaive(6, season_length=12, verbose=False)},
    ...     y, n_windows=10)
    >>> result.table["mae"].round(2).to_dict()
    {'linear': 0.25, 'naive': 0.34}
    """
    named, chosen = _named(models), check_metrics(metrics)
    check_settings({} if horizon is None else {"horizon": horizon})
    steps = _common_horizon(named) if horizon is None else horizon
    trials, backtests, seconds = {}, {}, {}
    for name, model in named.items():
        began = time.perf_counter()
        trials[name] = prepare_trial(model, y, X, horizon=steps, n_windows=n_windows, step=step)
        fitted = time.perf_counter()
        backtests[name] = trials[name].run()
        done = time.perf_counter()
        seconds[name] = (math.nan if trials[name].fitted is model else fitted - began, done - fitted)
    reference = next(iter(backtests.values()))
    # one season for all, so that scaled errors can be compared
    backtests = {name: replace(one, season_length=reference.season_length) for name, one in backtests.items()}
    losses = _losses(backtests, chosen[0])
    tests = _tests(losses, math.ceil(steps / (steps if step is None else step)))
    rows = {name: _row(trials[name], backtests[name], chosen, tests.get(name), seconds[name]) for name in named}
    counted = dict.fromkeys(("backbone", "parameters", "state_bytes"), np.int64)
    table = pd.DataFrame.from_dict(rows, orient="index").astype(counted)
    fitted_models = {name: trial.fitted for name, trial in trials.items()}
    return Comparison(table, losses, tests, backtests, fitted_models, _notes(trials, tests))


def _named(models: Sequence[Forecaster] | Mapping[str, Forecaster]) -> dict[str, Forecaster]:
    """Forecasters by name; classes that come twice are numbered."""
    if isinstance(models, Mapping):
        named = {str(name): model for name, model in models.items()}
        if len(named) < len(models):
            raise ConfigError(f"names must differ as text; got {list(models)}")
    else:
        named = {}
        for model in models if isinstance(models, Iterable) else [models]:
            name, number = type(model).__name__, 2
            while name in named:
                name, number = f"{type(model).__name__} {number}", number + 1
            named[name] = model
    wrong = [model for model in named.values() if not isinstance(model, Forecaster)]
    if wrong or not named:
        raise ConfigError(f"models must be one or more forecasters; got {wrong[0] if wrong else models!r}")
    return named


def _common_horizon(named: dict[str, Forecaster]) -> int:
    horizons = {name: model.horizon for name, model in named.items()}
    if len(set(horizons.values())) > 1:
        raise ConfigError(f"the forecasters have different horizons, {horizons}. Pass the horizon to compare at.")
    return next(iter(horizons.values()))


def _losses(backtests: dict[str, Backtest], metric: str) -> pd.DataFrame:
    reference = next(iter(backtests.values()))
    cutoffs = reference.table.timeline.index[reference.cutoffs - 1].rename("cutoff")
    return pd.DataFrame({name: window_losses(one, metric) for name, one in backtests.items()}, index=cutoffs)


def _tests(losses: pd.DataFrame, overlap: int) -> dict[str, DieboldMariano]:
    """Each column but the first against the first."""
    reference, *others = losses.columns
    values = {name: losses[name].to_numpy(dtype=np.float64) for name in losses.columns}
    return {name: diebold_mariano(values[name], values[reference], overlap) for name in others}


def _row(
    trial: Trial,
    backtest: Backtest,
    metrics: tuple[str, ...],
    test: DieboldMariano | None,
    seconds: tuple[float, float],
) -> dict[str, float]:
    errors, counts = overall_errors(backtest, metrics), parameter_counts(trial.fitted)
    row: dict[str, float] = {name: float(errors[name]["both"]) for name in metrics}
    row |= {
        "p_value": math.nan if test is None else test.p_value,
        "backbone": counts.backbone,
        "parameters": counts.total,
        "fit_seconds": seconds[0],
        "predict_seconds": seconds[1],
        "state_bytes": trial.fitted.state_bytes(),
    }
    for part in ("base", "network"):
        row |= {f"{name}_{part}": errors[name].get(part, math.nan) for name in metrics}
    return row


def _notes(trials: dict[str, Trial], tests: dict[str, DieboldMariano]) -> list[str]:
    notes = [f"{name}: {test.note}" for name, test in tests.items() if test.note]
    ends = {name: str(trial.fitted.training_end_) for name, trial in trials.items()}
    if len(set(ends.values())) > 1:
        notes.append(f"the forecasters learned from data until different stamps: {ends}")
    return notes
