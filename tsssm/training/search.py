"""Let the validation part choose how long and how fast to train, without training every candidate from the start."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from tsssm.training.fit import TrainingResult, TrainingTask, train_network
from tsssm.training.judgement import Judgement
from tsssm.training.schedule import Schedule
from tsssm.training.state import TrainingState

__all__ = ["Candidate", "SearchResult", "search_schedule"]

FALL = 0.2  # share of a schedule in which its learning rate falls


@dataclass(frozen=True)
class Candidate:
    """A schedule that was tried, and its error on the validation part."""

    learning_rate: float
    steps: int
    error: float


@dataclass(frozen=True)
class SearchResult:
    """The state that was chosen, all schedules that were tried, and the signal that ended the search."""

    state: TrainingState
    chosen: Candidate
    tried: list[Candidate]
    received: signal.Signals | None


def search_schedule(
    task: TrainingTask,
    rates: Sequence[float],
    lengths: Sequence[int],
    *,
    warmup: float = 0.05,
    seconds: float | None = None,
) -> SearchResult:
    """Train along several schedules; the task's network ends with the weights of the one that was chosen.

    Each rate is tried at the first length, and the first is left only for one whose error is clearly lower
    (`Judgement.clearly_lower_than`). The chosen one goes on: a longer schedule branches off where the shorter one began
    to fall, so that no step at the high rate is taken twice, and the search ends at the first that is not clearly
    better.

    Parameters
    ----------
    task : TrainingTask
    rates : sequence of float
    lengths : sequence of int
        Increasing.
    warmup : float
        Share of the first length in which the rate rises.
    seconds : float, optional
        The first schedule that is trained is shortened to what fits; no other is begun that would not end in time.

    References
    ----------
    Hu et al. 2024, MiniCPM, arXiv 2404.06395, section 4 (warm-up, stable, decay); Hägele et al. 2024, Scaling Laws and
    Compute-Optimal Training Beyond Fixed Training Durations, arXiv 2405.18392.
    """
    clock, rise = _Clock(seconds), max(1, round(warmup * lengths[0]))
    first = TrainingState.of(0, task.network, None, {})
    tried: list[_Tried] = []

    def better(one: _Tried, other: _Tried) -> bool:
        return one.judgement.clearly_lower_than(other.judgement)

    def attempt(rate: float, length: int, start: TrainingState) -> bool:
        """Train along one schedule; False if the search ends here."""
        if tried and not clock.affords(length - start.step):
            return False
        schedule = Schedule(rate, length, rise, round((1.0 - FALL) * length))
        part = f"rate-{rate:g}.steps-{length}"
        result = train_network(task, schedule, part=part, start=start, seconds=clock.left())
        clock.took(result.taken)
        judgement = task.judge(task.network) if result.state.is_finite() else Judgement.of_failure()
        tried.append(_Tried(Candidate(rate, result.state.step, judgement.error), judgement, result))
        return result.received is None and result.state.step == length

    goes_on = all(attempt(rate, lengths[0], first) for rate in rates)
    best = reduce(lambda kept, one: one if better(one, kept) else kept, tried)
    for length in lengths[1:]:
        if not goes_on or best.result.at_fall is None:
            break
        goes_on = attempt(best.candidate.learning_rate, length, best.result.at_fall)
        if not better(tried[-1], best):
            break
        best = tried[-1]
    task.network.load_state_dict(best.result.state.weights)
    return SearchResult(best.result.state, best.candidate, [one.candidate for one in tried], tried[-1].result.received)


@dataclass(frozen=True)
class _Tried:
    candidate: Candidate
    judgement: Judgement
    result: TrainingResult


class _Clock:
    """How long a step takes, and whether more of them fit into the time."""

    def __init__(self, seconds: float | None):
        self.seconds, self._begin, self._steps = seconds, time.monotonic(), 0

    def took(self, steps: int) -> None:
        self._steps += steps

    def left(self) -> float | None:
        """The seconds that bound a schedule of which nobody knows how long it takes: no step has been taken yet."""
        if self.seconds is None or self._steps:
            return None
        return self.seconds - self._gone()

    def affords(self, steps: int) -> bool:
        if self.seconds is None:
            return True
        per_step = self._gone() / self._steps if self._steps else 0.0
        return self._gone() + per_step * steps <= self.seconds

    def _gone(self) -> float:
        return time.monotonic() - self._begin
