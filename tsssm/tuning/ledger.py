"""Which trials of a study count, which are under way, and which were left behind by a process that is gone."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

__all__ = ["abandon", "abandoned", "claim", "counted", "enqueue_given", "release_stale"]

_ABANDONED, _PROCESS, GIVEN = "abandoned ", "process", "given"
_TOKEN = uuid.uuid4().hex  # tells this process from an earlier one of the same number
_UNCLAIMED = timedelta(seconds=60)


def claim(trial: Trial) -> None:
    """Note that a trial is run by this process."""
    trial.set_user_attr(_PROCESS, [socket.gethostname(), os.getpid(), _TOKEN])


def abandoned(study: Study) -> set[int]:
    """Numbers of trials that ended without a result and do not count."""
    return {int(key.removeprefix(_ABANDONED)) for key in study.user_attrs if key.startswith(_ABANDONED)}


def counted(study: Study) -> list[FrozenTrial]:
    """Trials that have ended (complete, pruned, failed) or are under way in some process."""
    from optuna.trial import TrialState

    left = abandoned(study)
    return [t for t in study.get_trials(deepcopy=False) if t.state != TrialState.WAITING and t.number not in left]


def abandon(study: Study, trial: FrozenTrial | Trial, reason: str, *, again: bool = True) -> None:
    """End a trial without a result, and enqueue its settings again."""
    from optuna.trial import TrialState

    study.set_user_attr(f"{_ABANDONED}{trial.number}", reason)
    study.tell(trial.number, state=TrialState.FAIL)
    if again:
        attributes = {GIVEN: trial.user_attrs[GIVEN]} if GIVEN in trial.user_attrs else {}
        study.enqueue_trial(dict(trial.params), user_attrs=attributes)


def release_stale(study: Study) -> list[int]:
    """Abandon the trials of processes of this machine that are gone; their numbers."""
    from optuna.trial import TrialState

    stale = [t for t in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)) if _is_stale(t)]
    for trial in stale:
        abandon(study, trial, "its process ended")
    return [trial.number for trial in stale]


def enqueue_given(study: Study, expressible: dict[str, Any]) -> None:
    """Enqueue the model's own settings, if no trial has run or will run them."""
    left = abandoned(study)
    if not any(GIVEN in t.user_attrs and t.number not in left for t in study.get_trials(deepcopy=False)):
        study.enqueue_trial(expressible, user_attrs={GIVEN: sorted(expressible)})


def _is_stale(trial: FrozenTrial) -> bool:
    if _PROCESS not in trial.user_attrs:
        return trial.datetime_start is None or datetime.now() - trial.datetime_start > _UNCLAIMED
    host, process, token = trial.user_attrs[_PROCESS]
    if host != socket.gethostname():
        return False  # nothing is known of other machines
    return token != _TOKEN if process == os.getpid() else not _is_alive(process)


def _is_alive(process: int) -> bool:
    if sys.platform == "win32":  # there, signal 0 is Ctrl-C
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
