"""Search for the settings of a forecaster."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tsssm.data import read_covariates, read_table
from tsssm.errors import ConfigError
from tsssm.forecasters import Forecaster
from tsssm.tuning.default_space import space_of_table
from tsssm.tuning.metric import NAMED, metric_faults, read_metric
from tsssm.tuning.result import TuningResult
from tsssm.tuning.space import read_space, space_faults
from tsssm.tuning.trials import best_trial, ended, trials_frame
from tsssm.tuning.validation_part import check_validation_part

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from tsssm.tuning.search import Search

__all__ = ["tune"]


def tune(
    model: Forecaster,
    y: Any,
    X: Any = None,
    *,
    space: dict[str, Any] | None = None,
    n_trials: int = 20,
    time_budget: float | None = None,
    storage: str | PathLike | BaseStorage | None = None,
    study_name: str | None = None,
    metric: Any = "mase",
    freq: Any = None,
) -> TuningResult:
    """Search for the settings with which a forecaster does best on the validation part.

    Each trial fits a copy of the model on y with some settings changed; the score is the error on the validation part,
    which the fit does not learn from. The first trial is the model as given, so the search returns nothing worse by
    that measure. The search looks at the validation part many times: judge the result on data after y, with
    `backtest`.

    Parameters
    ----------
    model : Forecaster
        Its settings are kept, but for those in the space. Its `random_state` seeds the search; with ``verbose=True``
        there is one line a trial.
    y, X, freq
        As in `Forecaster.fit`. Nothing after y is used.
    space : dict, optional
        Setting -> ``(low, high)``, ``(low, high, "log")`` or a list of choices; whole numbers give whole numbers.
        Layers drawn for a mixer that is a pattern are rounded down to whole patterns, one at least.
        Default: `tsssm.tuning.default_space`, in which a trial draws its learning rate and its number of steps.
        ``"auto"`` of the model stays where the space does not name the setting: each trial then chooses its schedule by
        validation, which takes several times as long and is not pruned.
    n_trials : int
        Trials in all, those of a resumed search included, whether complete, pruned or failed.
    time_budget : float, optional
        Seconds of this call after which no trial begins; one that has begun is not cut short.
    storage : path, URL or Optuna storage, optional
        Where the search is kept, so that the same call goes on after an end or a crash. A path is a journal file; a URL
        is that of a database. None: in memory.
    study_name : str, optional
        Tells searches in one storage apart. Default: "tsssm".
    metric : {"mase", "mae"} or callable
        Error on the validation part; or a function that takes a fitted forecaster and returns a number, the smaller the
        better.

    Returns
    -------
    TuningResult
        ``best_model`` (fitted), ``best_params``, ``study``, ``trials``; after Ctrl-C the best so far.

    Raises
    ------
    ConfigError
        Invalid arguments, all of them in one message; a study of another search; no trial is complete (the reason of
        the first failure is given).
    DataError
        The model as given cannot be fitted on the data, or they leave no validation part.
    KeyboardInterrupt
        After Ctrl-C before any trial was complete.

    Notes
    -----
    Trials that fall behind are pruned: each reports its MASE on the validation part at every fifth of its schedule, and
    ends if that is worse than the median of the complete trials at the same fifth; the rule begins after five complete
    trials and two fifths of a schedule. Nothing is pruned where `metric` is a function.

    A trial that fails is recorded with its reason and the search goes on. One that Ctrl-C or the end of its process cut
    off does not count. Trials keep no checkpoints. The best model is that of its trial; one of an earlier call is
    fitted again. The same seed, data and versions repeat the search, whether it was resumed between trials or not.

    References
    ----------
    Akiba et al. 2019, Optuna: A Next-generation Hyperparameter Optimization Framework. Bergstra et al. 2011, Algorithms
    for Hyper-Parameter Optimization (TPE, the sampler).

    Examples
    --------
    >>> import numpy as np
    >>> from tsssm import MambaForecaster, tune
    >>> y = np.sin(np.arange(200) * 2 * np.pi / 12)
    >>> model = MambaForecaster(6, patch_length=12, max_steps=3, n_layers=1, verbose=False)
    >>> result = tune(model, y, space={"d_model": [8, 16], "dropout": (0.0, 0.4)}, n_trials=3)
    >>> len(result.trials), sorted(result.best_params)
    (3, ['d_model', 'dropout'])
    >>> result.best_model.predict().shape
    (6,)
    """
    from tsssm.tuning.search import Search
    from tsssm.tuning.storage import identity, open_study, quiet_optuna

    if not isinstance(model, Forecaster):
        raise ConfigError(f"model must be a forecaster, such as MambaForecaster(horizon=24); got {model!r}")
    model._checked_stack()
    faults = [*_faults(n_trials, time_budget), *metric_faults(metric)]
    faults += [] if space is None else space_faults(space, model)
    if faults:
        raise ConfigError("invalid search:\n" + "\n".join(f"- {fault}" for fault in faults))
    table = read_table(y, freq=freq, gaps=model.gaps)
    covariates = None
    if X is not None:
        covariates = read_covariates(X, table.timeline, inserted=table.inserted, keep_beyond=True).values
    ranges, score = read_space(space_of_table(model, table) if space is None else space), read_metric(metric)
    if score.name in NAMED:
        check_validation_part(model, table)
    with quiet_optuna():
        study = open_study(storage, study_name, identity(model, table, covariates, ranges, score.name))
        if model.verbose and ended(study):
            print(f"tune: {len(ended(study))} trials of this search are in the storage")
        search = Search(model, (y, X, freq), ranges, score, study)
        interrupted = search.run(int(n_trials), time_budget)
        return _result(search, interrupted)


def _faults(n_trials: Any, time_budget: Any) -> Iterator[str]:
    if not isinstance(n_trials, Integral) or isinstance(n_trials, bool) or n_trials < 1:
        yield f"n_trials must be an integer of at least 1; got {n_trials!r}"
    is_number = isinstance(time_budget, Real) and not isinstance(time_budget, bool)
    if time_budget is not None and not (is_number and 0 < time_budget < np.inf):
        yield f"time_budget (seconds) must be a number above 0; got {time_budget!r}"


def _result(search: Search, interrupted: bool) -> TuningResult:
    best = best_trial(search.study)
    trials = trials_frame(search.study, search.settings)
    if best is None:
        if interrupted:
            raise KeyboardInterrupt
        raise ConfigError(_no_result(trials)) from search.first_error
    return TuningResult(
        search.best_model(best), search.settings(best), search.study, trials, search.metric.name, interrupted
    )


def _no_result(trials: pd.DataFrame) -> str:
    failures = trials["failure"].dropna()
    reason = f"The first failure: {failures.iloc[0]}" if len(failures) else "Raise n_trials."
    return f"none of {len(trials)} trials is complete. {reason}"
