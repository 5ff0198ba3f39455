"""Run trials, one after another, and keep the best model."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tsssm.errors import DataError
from tsssm.forecasters import Forecaster
from tsssm.training import Training
from tsssm.tuning.metric import NAMED, Metric
from tsssm.tuning.pruning import Report
from tsssm.tuning.space import Space, candidate_of, fitting_settings
from tsssm.tuning.trials import CUT_OFF, FAILURE, GIVEN, STEPS, best_trial, ended

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

__all__ = ["Search"]


@dataclass
class Search:
    """What is searched, and the best of it so far.

    Attributes
    ----------
    model : Forecaster
        As given.
    data : tuple
        y, X and the frequency, for `fit`.
    space : Space
    metric : Metric
    study : Study
    first_error : Exception or None
        Of the first trial of this process that failed.
    """

    model: Forecaster
    data: tuple[Any, Any, Any]
    space: Space
    metric: Metric
    study: Study
    first_error: Exception | None = field(default=None, repr=False)
    _best: tuple[int, float, Forecaster] | None = None  # number, score and model of this process's best trial

    def run(self, n_trials: int, seconds: float | None) -> bool:
        """Run trials until `n_trials` of the study have ended or the time is over; whether Ctrl-C ended it.

        The time does not end a search before a trial is complete.
        """
        end = float("inf") if seconds is None else time.monotonic() + seconds
        try:
            while len(ended(self.study)) < n_trials:
                if time.monotonic() >= end and best_trial(self.study) is not None:
                    break
                self._run_trial(n_trials)
        except KeyboardInterrupt:
            return True
        return False

    def settings(self, trial: Trial | FrozenTrial) -> dict[str, Any]:
        """The settings of a trial, the model's own ones if it is that of the model as given."""
        if GIVEN in trial.user_attrs:
            return self.space.own(self.model)
        return fitting_settings(self.model, self.space.settings(trial.params))

    def best_model(self, best: FrozenTrial) -> Forecaster:
        """The best trial's model: as it was fitted, or fitted again if another process did."""
        if self._best is not None and self._best[0] == best.number:
            return self._best[2]
        if self.model.verbose:
            print(f"tune: trial {best.number}, the best, was run earlier or elsewhere and is fitted again")
        y, X, freq = self.data
        return candidate_of(self.model, self.settings(best)).fit(y, X, freq=freq)

    def _run_trial(self, n_trials: int) -> None:
        """Run one trial; what goes wrong in its fit is recorded with it.

        Raises
        ------
        KeyboardInterrupt
            The trial is cut off and does not count.
        DataError
            The model as given cannot be fitted on the data: neither could any other.
        """
        from optuna.trial import TrialState

        trial = self._ask()
        try:
            candidate = candidate_of(self.model, self.settings(trial))
            score = self._fit(trial, candidate)
        except Exception as error:
            if isinstance(error, DataError) and GIVEN in trial.user_attrs:
                self._cut_off(trial)
                raise
            self.first_error = self.first_error or error
            trial.set_user_attr(FAILURE, f"{type(error).__name__}: {error}")
            self.study.tell(trial, state=TrialState.FAIL)
        except BaseException:
            self._cut_off(trial)
            raise
        else:
            self.study.tell(trial, score, state=TrialState.PRUNED if score is None else None)
            if score is not None and (self._best is None or score < self._best[1]):
                self._best = trial.number, score, candidate
        if self.model.verbose:
            print(self._line(trial.number, n_trials))

    def _ask(self) -> Trial:
        """A new trial: the model as given if that has not been tried yet, else what TPE proposes.

        The sampler is seeded anew for each trial, so that a resumed search draws what one without a break would have
        drawn, and a second process on the same storage something else.
        """
        from optuna.samplers import TPESampler

        trials = self.study.get_trials(deepcopy=False)
        seed = np.random.SeedSequence([int(self.model.random_state), len(trials)])
        self.study.sampler = TPESampler(seed=int(seed.generate_state(1)[0]))
        if any(GIVEN in trial.user_attrs for trial in ended(self.study)):
            return self.study.ask(dict(self.space.distributions))
        known = self.space.params(self.space.own(self.model))  # TPE learns from these
        self.study.enqueue_trial(known, user_attrs={GIVEN: True})
        return self.study.ask({name: self.space.distributions[name] for name in known})

    def _cut_off(self, trial: Trial) -> None:
        from optuna.trial import TrialState

        trial.set_user_attr(CUT_OFF, True)
        self.study.tell(trial, state=TrialState.FAIL)

    def _fit(self, trial: Trial, candidate: Forecaster) -> float | None:
        """Fit in place and score, None if pruned; the candidate's settings are as before when it returns."""
        report = self._report(trial, candidate)
        own = {"training": candidate.training, "verbose": candidate.verbose}
        candidate.set_params(training=_watched(candidate.training, report), verbose=False)
        y, X, freq = self.data
        try:
            candidate.fit(y, X, freq=freq)
        finally:
            candidate.set_params(**own)
            trial.set_user_attr(STEPS, len(getattr(candidate, "history_", ())))
        return None if report is not None and report.pruned else self.metric.score(candidate)

    def _report(self, trial: Trial, candidate: Forecaster) -> Report | None:
        """None where there is no schedule, it is not known beforehand, or the metric is the user's own."""
        steps: int | str = candidate.max_steps
        known = not isinstance(steps, str) and candidate.training.strategy == "auto"
        if not known or candidate._checked_stack() is None or self.metric.name not in NAMED:
            return None
        return Report(trial, int(steps))

    def _line(self, number: int, n_trials: int) -> str:
        trial, best = self.study.get_trials(deepcopy=False)[number], best_trial(self.study)
        what = str(trial.user_attrs.get(FAILURE, "pruned")).partition("\n")[0]
        if trial.value is not None and best is not None and trial.state.name == "COMPLETE":
            what = f"{self.metric.name} {trial.value:.4g}" + (" (best)" if trial.number == best.number else "")
        seconds = 0.0 if trial.duration is None else trial.duration.total_seconds()
        settings = ", ".join(f"{name}={_short(value)}" for name, value in self.settings(trial).items())
        return f"tune: trial {number} ({len(ended(self.study))} of {n_trials}), {settings}: {what}, {seconds:.1f} s"


def _watched(training: Training, report: Report | None) -> Training:
    """A trial's training: no checkpoints, which all trials would share, and the report as a callback."""
    training = replace(training, checkpoint_dir=None)
    if report is None:
        return training
    from tsssm.training.watch import Watch

    return replace(training, callbacks=(*training.callbacks, Watch(report)), validate_every=report.every)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
