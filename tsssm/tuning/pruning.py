"""End a trial early when others were better at the same point of their schedules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import Trial

__all__ = ["PARTS", "Report", "choose_pruner"]

PARTS = 5
_STARTUP, _WARMUP = 5, 2


def choose_pruner(pruner: Any) -> BasePruner:
    """Optuna's pruner: as given, none for None, and for "auto" the median rule, patiently.

    The median rule begins after five trials, and in a trial after two fifths of its schedule.

    Raises
    ------
    ConfigError
        It is no pruner.
    """
    from optuna.pruners import BasePruner, MedianPruner, NopPruner

    from tsssm.errors import ConfigError

    if pruner is None:
        return NopPruner()
    if isinstance(pruner, str) and pruner == "auto":
        return MedianPruner(n_startup_trials=_STARTUP, n_warmup_steps=_WARMUP)
    if not isinstance(pruner, BasePruner):
        raise ConfigError(f'pruner must be "auto", None or an Optuna pruner; got {pruner!r}')
    return pruner


class Report:
    """Tell a trial the validation loss at each fifth of its schedule, and ask whether to go on.

    Optuna compares trials at equal "steps". Here these are fifths of a schedule and not training steps: the learning
    rate falls along the schedule, so a long one is behind a short one after as many steps, and ahead of it in the end.

    Parameters
    ----------
    trial : Trial
    max_steps : int
        Length of the schedule.
    may_prune : bool
        False: tell, but go on whatever the pruner says.

    Attributes
    ----------
    every : int
        Training steps of a part, for `Training(validate_every=)`.
    pruned : bool
        The pruner ended the trial.
    """

    def __init__(self, trial: Trial, max_steps: int, *, may_prune: bool):
        self.trial, self.may_prune = trial, may_prune
        self.every = max(1, max_steps // PARTS)
        self.pruned = False

    def __call__(self, step: int, loss: float) -> bool:
        """Whether to stop."""
        part = step // self.every
        if step % self.every == 0 and part <= PARTS and math.isfinite(loss):
            self.trial.report(loss, part)
            self.pruned = self.may_prune and part < PARTS and self.trial.should_prune()
        return self.pruned
