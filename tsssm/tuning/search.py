"""Run trials, one after another, and keep the best model."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tsssm.errors import DataError
from tsssm.forecasters import Forecaster
from tsssm.tuning.ledger import GIVEN, abandon, claim, counted
from tsssm.tuning.metric import Metric
from tsssm.tuning.pruning import Report
from tsssm.tuning.space import Ranges, SpaceFunction, configured

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

__all__ = ["Search", "best_trial"]

_LEAST_SECONDS = 1.0


@dataclass
class Search:
    """What is searched, and the best of it so far.

    Attributes
    ----------
    model : Forecaster
        As given.
    data : tuple
        y, X and the frequency, for `fit`.
    space : Ranges or SpaceFunction
    metric : Metric
    study : Study
    best : tuple or None
        Number and fitted model of the best trial of this process.
    first_error : Exception or None
        Of the first trial of this process that failed.
    """

    model: Forecaster
    data: tuple[Any, Any, Any]
    space: Ranges | SpaceFunction
    metric: Metric
    study: Study
    best: tuple[int, float, Forecaster] | None = None
    first_error: Exception | None = field(default=None, repr=False)

    def run(self, n_trials: int, seconds: float | None) -> bool:
        """Run trials until `n_trials` of the study count or the time is over; whether Ctrl-C ended it.

        One trial at least is run where none is complete.
        """
        end = None if seconds is None else time.monotonic() + seconds
        try:
            while len(counted(self.study)) < n_trials:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0 and best_trial(self.study) is not None:
                    break
                self.run_trial(n_trials, left)
        except KeyboardInterrupt:
            return True
        return False

    def run_trial(self, n_trials: int, seconds: float | None) -> None:
        """Run one trial; what goes wrong in its fit is recorded with it.

        Raises
        ------
        KeyboardInterrupt
            The trial was interrupted, and is enqueued again.
        DataError
            The model as given cannot be fitted on the data: neither could any other.
        """
        from optuna.exceptions import TrialPruned
        from optuna.trial import TrialState

        trial = self.study.ask()
        claim(trial)
        try:
            settings = self.settings(trial)
            candidate = configured(self.model, settings)
            trial.set_user_attr("settings", {name: _plain(value) for name, value in settings.items()})
            score = self._fit(trial, candidate, seconds)
        except TrialPruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        except _FailedTrialError as failed:
            error = failed.error
            if isinstance(error, DataError) and GIVEN in trial.user_attrs:
                abandon(self.study, trial, str(error), again=False)
                raise error from None
            self.first_error = self.first_error or error
            trial.set_user_attr("failure", f"{type(error).__name__}: {error}")
            self.study.tell(trial, state=TrialState.FAIL)
        except BaseException as error:
            abandon(self.study, trial, type(error).__name__, again=isinstance(error, KeyboardInterrupt))
            raise
        else:
            self.study.tell(trial, score)
            if self.best is None or score < self.best[1]:
                self.best = trial.number, score, candidate
        self._say(trial.number, n_trials)

    def settings(self, trial: Trial | FrozenTrial) -> dict[str, Any]:
        """The settings that a trial changes; of an ended one, those that it changed."""
        from optuna.trial import FixedTrial, Trial

        names = trial.user_attrs.get(GIVEN)
        space = self.space if names is None else self.space.narrowed(names)
        asked = trial if isinstance(trial, Trial) else FixedTrial(trial.params, trial.number)
        return space.suggest(asked)

    def best_model(self) -> Forecaster:
        """The best trial's model: as it was fitted, or fitted again if another process did."""
        best = best_trial(self.study)
        assert best is not None
        if self.best is not None and self.best[0] == best.number:
            return self.best[2]
        if self.model.verbose:
            print(f"tune: trial {best.number}, the best, was run earlier or elsewhere and is fitted again")
        model = configured(self.model, self.settings(best))
        y, X, freq = self.data
        return model.fit(y, X, freq=freq)

    def _fit(self, trial: Trial, candidate: Forecaster, seconds: float | None) -> float:
        """Fit in place and score; the candidate's settings are as before when it returns."""
        from optuna.exceptions import TrialPruned

        own = {name: getattr(candidate, name) for name in ("training", "time_budget", "verbose")}
        report = self._report(trial, candidate)
        candidate.set_params(
            verbose=False,
            time_budget=_shorter(candidate.time_budget, seconds),
            training=_watched(candidate.training, report),
        )
        y, X, freq = self.data
        try:
            candidate.fit(y, X, freq=freq)
            if report is not None and report.pruned:
                raise TrialPruned
            candidate.set_params(**own)
            return self.metric.score(candidate)
        except TrialPruned:
            raise
        except Exception as error:
            raise _FailedTrialError(error) from error
        finally:
            trial.set_user_attr("steps", len(getattr(candidate, "history_", ())))

    def _report(self, trial: Trial, candidate: Forecaster) -> Report | None:
        """None where the schedule is not known beforehand, there is none, or the metric is the user's own."""
        from optuna.pruners import NopPruner

        steps: int | str = candidate.max_steps
        if isinstance(steps, str) or candidate._checked_mixer() is None or candidate.training.strategy != "auto":
            return None
        if isinstance(self.study.pruner, NopPruner):
            return None
        return Report(trial, steps, may_prune=GIVEN not in trial.user_attrs)

    def _say(self, number: int, n_trials: int) -> None:
        if not self.model.verbose:
            return
        trial, best = self.study.get_trials(deepcopy=False)[number], best_trial(self.study)
        what = trial.user_attrs.get("failure", trial.state.name.lower()).partition("\n")[0]
        if trial.value is not None:
            what = f"{self.metric.name} {trial.value:.4g}"
        settings = ", ".join(f"{name}={_short(value)}" for name, value in trial.params.items())
        told = "" if best is None else f"; best {best.value:.4g} of trial {best.number}"
        seconds = 0.0 if trial.duration is None else trial.duration.total_seconds()
        print(
            f"tune: trial {number} ({len(counted(self.study))} of {n_trials}): {what} in {seconds:.1f} s"
            f"{told} | {settings or 'as given'}"
        )


class _FailedTrialError(Exception):
    """A fit or its score failed."""

    def __init__(self, error: Exception):
        super().__init__(str(error))
        self.error = error


def best_trial(study: Study) -> FrozenTrial | None:
    """The complete trial of the smallest value; the first of equals."""
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return min(complete, key=lambda trial: (trial.value, trial.number), default=None)


def _watched(training: Any, report: Report | None) -> Any:
    """A trial's training: no checkpoints, which all trials would share, and the report as a callback."""
    training = replace(training, checkpoint_dir=None)
    if report is None:
        return training
    from tsssm.training.watch import Watch

    return replace(training, callbacks=(*training.callbacks, Watch(report)), validate_every=report.every)


def _shorter(one: float | None, other: float | None) -> float | None:
    given = [max(seconds, _LEAST_SECONDS) if seconds is other else seconds for seconds in (one, other) if seconds]
    return min(given, default=None)


def _plain(value: Any) -> Any:
    """Storages keep plain Python alone."""
    return value if isinstance(value, bool | int | float | str | None) else repr(value)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
