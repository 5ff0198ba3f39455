"""Search for the settings of a forecaster."""

from __future__ import annotations

from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from tsssm.data import read_covariates, read_table
from tsssm.errors import ConfigError
from tsssm.forecasters import Forecaster
from tsssm.tuning.default_space import space_of_table
from tsssm.tuning.metric import read_metric
from tsssm.tuning.result import TuningResult, trials_frame
from tsssm.tuning.space import read_space

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from tsssm.tuning.search import Search

__all__ = ["tune"]


def tune(
    model: Forecaster,
    y: Any,
    X: Any = None,
    *,
    space: Any = None,
    n_trials: int = 20,
    time_budget: float | None = None,
    storage: str | PathLike | BaseStorage | None = None,
    study_name: str | None = None,
    metric: Any = "mase",
    pruner: Any = "auto",
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
    space : dict or callable, optional
        Setting -> ``(low, high)``, ``(low, high, "log")``, a list of choices or an Optuna distribution; whole numbers
        give whole numbers. Settings of `Training` are named as ``training__weight_decay``. Or a function that takes an
        Optuna trial and returns a dict of settings. Default: `tsssm.tuning.default_space`.
    n_trials : int
        Trials in all, those of a resumed search included, whether complete, pruned or failed.
    time_budget : float, optional
        Seconds after which no trial begins; the last one's training is shortened to what fits.
    storage : path, URL or Optuna storage, optional
        Where the search is kept, so that the same call goes on after an end or a crash, and processes can share it. A
        path is a journal file; a URL is that of a database. None: in memory.
    study_name : str, optional
        Tells searches in one storage apart. Default: "tsssm".
    metric : {"mase", "mae"} or callable
        Error on the validation part; or a function that takes a fitted forecaster and returns a number, the smaller the
        better.
    pruner : "auto", Optuna pruner or None
        Ends trials whose validation loss falls behind: each reports its MASE at every fifth of its schedule. "auto":
        the median rule, after five trials and two fifths of a schedule; no pruning where `metric` is a function. None:
        no pruning.

    Returns
    -------
    TuningResult
        ``best_model`` (fitted), ``best_params``, ``study``, ``trials``; after Ctrl-C the best so far.

    Raises
    ------
    ConfigError
        Invalid settings or space; a study of another search; every trial failed (the first reason is given).
    DataError
        The data cannot be used, or leave no validation part.
    KeyboardInterrupt
        After Ctrl-C before any trial was complete.

    Notes
    -----
    A trial that fails is recorded with its reason and the search goes on. A trial that Ctrl-C or the end of its process
    interrupted does not count, and its settings are tried again. Trials keep no checkpoints. The best model is that of
    its trial; one of an earlier call or another process is fitted again. The same seed, data and versions repeat the
    search, resumed or not; two processes on one storage or a time budget do not.

    References
    ----------
    Akiba et al. 2019, Optuna: A Next-generation Hyperparameter Optimization Framework.

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
    from tsssm.tuning.pruning import choose_pruner
    from tsssm.tuning.search import Search
    from tsssm.tuning.storage import identity, open_study, quiet_optuna

    _check(model, n_trials, time_budget)
    table = read_table(y, freq=freq, gaps=model.gaps)
    covariates = None
    if X is not None:
        covariates = read_covariates(X, table.timeline, inserted=table.inserted, keep_beyond=True).values
    ranges = read_space(space_of_table(model, table) if space is None else space, model)
    score = read_metric(metric)
    of_users = callable(metric) and isinstance(pruner, str) and pruner == "auto"
    chosen_pruner = choose_pruner(None if of_users else pruner)
    with quiet_optuna():
        study = open_study(
            storage,
            study_name,
            identity(model, table, covariates, ranges.describe(), score.name),
            seed=int(model.random_state),
            pruner=chosen_pruner,
        )
        search = Search(model, (y, X, freq), ranges, score, study)
        _prepare(search)
        interrupted = search.run(int(n_trials), time_budget)
        return _result(search, interrupted)


def _check(model: Any, n_trials: Any, time_budget: Any) -> None:
    if not isinstance(model, Forecaster):
        raise ConfigError(f"model must be a forecaster, such as MambaForecaster(horizon=24); got {model!r}")
    model._checked_mixer()
    if not isinstance(n_trials, Integral) or isinstance(n_trials, bool) or n_trials < 1:
        raise ConfigError(f"n_trials must be an integer of at least 1; got {n_trials!r}")
    is_number = isinstance(time_budget, Real) and not isinstance(time_budget, bool)
    if time_budget is not None and not (is_number and 0 < time_budget < np.inf):
        raise ConfigError(f"time_budget (seconds) must be a number above 0; got {time_budget!r}")


def _prepare(search: Search) -> None:
    """See that no trial is left behind by a process that is gone, and that the model as given is tried."""
    from tsssm.tuning.ledger import counted, enqueue_given, release_stale

    stale, before = release_stale(search.study), len(counted(search.study))
    enqueue_given(search.study, search.space.expressible(search.space.own(search.model)))
    if search.model.verbose and (stale or before):
        left = f"; trials {stale} were left behind by a process that ended and are tried again" if stale else ""
        print(f"tune: the storage holds {before} trials of this search{left}")


def _result(search: Search, interrupted: bool) -> TuningResult:
    from tsssm.tuning.search import best_trial

    best, own = best_trial(search.study), search.space.own(search.model)
    frame = trials_frame(search.study, own)
    if best is None:
        if interrupted:
            raise KeyboardInterrupt
        raise ConfigError(_no_result(frame)) from search.first_error
    if interrupted and search.model.verbose:
        complete = int((frame["state"] == "complete").sum())
        print(f"tune: Ctrl-C; this is the best of {complete} complete trials")
    return TuningResult(
        search.best_model(),
        own | search.settings(best) if "given" in best.user_attrs else search.settings(best),
        search.study,
        frame,
        search.metric.name,
        interrupted,
    )


def _no_result(frame) -> str:
    failures = frame["failure"].dropna()
    if not len(failures):
        return "no trial is complete, and no further one may begin. Raise n_trials."
    return f"none of {len(frame)} trials is complete. The first failure: {failures.iloc[0]}"
