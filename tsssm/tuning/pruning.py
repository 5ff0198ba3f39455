"""End a trial early when others were better at the same point of their schedules."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import Trial

__all__ = ["Report", "median_rule"]

PARTS = 5  # of a schedule: after each, the validation loss is told
_BEGINS_AFTER_TRIALS, _BEGINS_AFTER_PARTS = 5, 2


def median_rule() -> BasePruner:
    """Prune what is worse than the median of the complete trials; from the sixth trial and the second fifth on."""
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=_BEGINS_AFTER_TRIALS, n_warmup_steps=_BEGINS_AFTER_PARTS)


class Report:
    """Tell a trial the validation loss at each fifth of its schedule, and ask whether to go on.

    Optuna compares trials at equal "steps". Here these are fifths of a schedule and not training steps: the learning
    rate falls along the schedule, so a long one is behind a short one after as many steps, and ahead of it in the end.

    Parameters
    ----------
    trial : Trial
    max_steps : int
        Length of the schedule.

    Attributes
    ----------
    every : int
        Training steps of a part, for `Training(validate_every=)`.
    pruned : bool
        The trial is to end.
    """

    def __init__(self, trial: Trial, max_steps: int):
        self.trial = trial
        self.every = max(1, max_steps // PARTS)
        self.pruned = False

    def __call__(self, step: int, loss: float) -> bool:
        """Whether to stop."""
        part = step // self.every
        if part <= PARTS and math.isfinite(loss):
            self.trial.report(loss, part)
            self.pruned = part < PARTS and self.trial.should_prune()
        return self.pruned
