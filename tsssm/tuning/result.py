"""What a search found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from tsssm.forecasters import Forecaster

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna.study import Study

__all__ = ["TuningResult"]


@dataclass(frozen=True, repr=False)
class TuningResult:
    """The best model of a search and all its trials; printing it gives a summary.

    Attributes
    ----------
    best_model : Forecaster
        Fitted with the best settings.
    best_params : dict
        The settings of the space, as the best model has them.
    study : optuna.study.Study
        For Optuna's own tools.
    trials : DataFrame
        One row a trial: state ("complete", "pruned", "failed", "interrupted", "running"), score, seconds, training
        steps, the reason of a failure, and a column for each setting.
    metric : str
        Name of the score.
    interrupted : bool
        Ctrl-C ended the search.

    Examples
    --------
    >>> import numpy as np
    >>> from tsssm import MambaForecaster, tune
    >>> y = np.sin(np.arange(200) * 2 * np.pi / 12)
    >>> model = MambaForecaster(6, patch_length=12, max_steps=3, d_model=8, n_layers=1, verbose=False)
    >>> result = tune(model, y, space={"learning_rate": (1e-3, 1e-2, "log")}, n_trials=2)
    >>> result.trials["state"].tolist()
    ['complete', 'complete']
    >>> print(result)
    TuningResult of MambaForecaster: 2 trials, 2 complete
      best     mase ... (trial ...); as given: ... (trial 0)
      settings learning_rate=...
      time     ...
    """

    best_model: Forecaster
    best_params: dict[str, Any]
    study: Study
    trials: pd.DataFrame
    metric: str
    interrupted: bool = False

    def summary(self) -> str:
        """The search in a few lines of text."""
        complete = self.trials[self.trials["state"] == "complete"]
        best = complete.index[int(complete["score"].to_numpy(float).argmin())]
        states = self.trials["state"].value_counts()
        counts = ", ".join(f"{states[state]} {state}" for state in STATES if state in states)
        head = f"TuningResult of {type(self.best_model).__name__}: {len(self.trials)} trials, {counts}"
        score = f"{self.metric} {complete['score'][best]:.4g} (trial {best})"
        given = complete[complete["given"]]
        if len(given):
            score += f"; as given: {given['score'].iloc[0]:.4g} (trial {given.index[0]})"
        settings = ", ".join(f"{name}={_short(value)}" for name, value in self.best_params.items()) or "as given"
        seconds = f"{self.trials['seconds'].sum():.0f} s of trials"
        lines = [head, f"  best     {score}", f"  settings {settings}", f"  time     {seconds}"]
        return "\n".join([*lines, *(["  Ctrl-C ended the search early"] if self.interrupted else [])])

    __repr__ = summary

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the score of each trial and the best so far.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; None makes a new figure.
        """
        from tsssm.plotting import plot_trials

        return plot_trials(self.trials, metric=self.metric, ax=ax)


STATES = ("complete", "pruned", "failed", "interrupted", "running")


def trials_frame(study: Study, own: dict[str, Any]) -> pd.DataFrame:
    """The trials of a study as a frame.

    Parameters
    ----------
    study : Study
    own : dict
        The given model's own values of the settings, which the trial of the model as given has.
    """
    from optuna.trial import TrialState

    from tsssm.tuning.ledger import GIVEN, abandoned

    left, rows = abandoned(study), []
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.WAITING:
            continue
        state = "failed" if trial.state == TrialState.FAIL else trial.state.name.lower()
        given = GIVEN in trial.user_attrs
        rows.append(
            {
                "number": trial.number,
                "state": "interrupted" if trial.number in left else state,
                "score": float("nan") if trial.value is None or state != "complete" else trial.value,
                "seconds": float("nan") if trial.duration is None else trial.duration.total_seconds(),
                "steps": trial.user_attrs.get("steps"),
                "failure": trial.user_attrs.get("failure"),
                "given": given,
                **(own if given else {}),
                **trial.user_attrs.get("settings", trial.params),
            }
        )
    return pd.DataFrame(rows).set_index("number")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
