"""Which trials of a study count, which one is best, and all of them as a frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["CUT_OFF", "FAILURE", "GIVEN", "STATES", "STEPS", "best_trial", "ended", "trials_frame"]

GIVEN, CUT_OFF, FAILURE, STEPS = "given", "cut off", "failure", "steps"  # attributes of a trial
STATES = ("complete", "pruned", "failed", "unfinished")


def ended(study: Study) -> list[FrozenTrial]:
    """Trials that count: complete, pruned and failed ones."""
    return [trial for trial in study.get_trials(deepcopy=False) if _state(trial) in STATES[:3]]


def best_trial(study: Study) -> FrozenTrial | None:
    """The complete trial of the smallest value; the first of equals."""
    complete = [trial for trial in ended(study) if _state(trial) == "complete"]
    return min(complete, key=lambda trial: trial.value or 0.0, default=None)


def trials_frame(study: Study, settings: Callable[[FrozenTrial], dict[str, Any]]) -> pd.DataFrame:
    """One row a trial; `settings` gives a trial's."""
    rows = []
    for trial in study.get_trials(deepcopy=False):
        state = _state(trial)
        if state is None:
            continue
        rows.append(
            {
                "number": trial.number,
                "state": state,
                "score": trial.value if state == "complete" else float("nan"),
                "seconds": float("nan") if trial.duration is None else trial.duration.total_seconds(),
                "steps": trial.user_attrs.get(STEPS),
                "failure": trial.user_attrs.get(FAILURE),
                "given": GIVEN in trial.user_attrs,
                **settings(trial),
            }
        )
    return pd.DataFrame(rows).set_index("number")


def _state(trial: FrozenTrial) -> str | None:
    """One of `STATES`; None of a trial that has not begun."""
    from optuna.trial import TrialState

    if CUT_OFF in trial.user_attrs:
        return "unfinished"
    names = {
        TrialState.COMPLETE: "complete",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
        TrialState.RUNNING: "unfinished",  # in another process, or in one that was killed
    }
    return names.get(trial.state)
