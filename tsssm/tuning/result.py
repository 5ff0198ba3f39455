"""What a search found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from tsssm.forecasters import Forecaster
from tsssm.tuning.trials import STATES

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
        One row a trial: state, score, seconds, training steps, the reason of a failure, whether it is the model as
        given, and a column for each setting. States are "complete", "pruned", "failed" and "unfinished": cut off by
        Ctrl-C or the end of its process, or under way in another.
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
      best      mase ... (trial ...)
      as given  mase ... (trial 0)
      settings  learning_rate=...
      time      ... s of trials
    """

    best_model: Forecaster
    best_params: dict[str, Any]
    study: Study
    trials: pd.DataFrame
    metric: str
    interrupted: bool = False

    def summary(self) -> str:
        """The search in a few lines of text."""
        states = self.trials["state"].value_counts()
        counts = ", ".join(f"{states[state]} {state}" for state in STATES if state in states)
        lines = [f"TuningResult of {type(self.best_model).__name__}: {len(self.trials)} trials, {counts}"]
        complete = self.trials[self.trials["state"] == "complete"]
        lines.append(f"  best      {self._score(complete['score'].astype(float).idxmin())}")
        lines += [f"  as given  {self._score(number)}" for number in complete.index[complete["given"]][:1]]
        lines.append(f"  settings  {', '.join(f'{k}={_short(v)}' for k, v in self.best_params.items())}")
        lines.append(f"  time      {self.trials['seconds'].sum():.0f} s of trials")
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

    def _score(self, number: Any) -> str:
        return f"{self.metric} {self.trials['score'][number]:.4g} (trial {number})"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
