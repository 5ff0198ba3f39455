"""How long and how fast to train."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

__all__ = ["Schedule"]


@dataclass(frozen=True)
class Schedule:
    """A learning rate that rises linearly, stays, and falls to zero along half a cosine.

    Without a stay it is the usual cosine schedule. With one, schedules of one rate that differ in length share their
    beginning, so that a longer one can branch from where a shorter one began to fall.

    Parameters
    ----------
    learning_rate : float
        The highest.
    length : int
        Steps in all.
    warmup : int
        Steps in which the rate rises, at least 1.
    fall_from : int
        Steps before it falls, at least `warmup`.

    Examples
    --------
    >>> schedule = Schedule(0.1, length=100, warmup=5, fall_from=80)
    >>> [schedule.factor(step) for step in (0, 4, 79)]
    [0.2, 1.0, 1.0]
    >>> round(schedule.factor(90), 3), schedule.factor(100)
    (0.5, 0.0)
    """

    learning_rate: float
    length: int
    warmup: int
    fall_from: int

    @classmethod
    def cosine(cls, length: int, learning_rate: float, warmup: float = 0.05) -> Schedule:
        """Fall as soon as the share `warmup` of the steps is over."""
        rise = max(1, round(warmup * length))
        return cls(learning_rate, length, rise, rise)

    def factor(self, step: int) -> float:
        """Share of the highest rate with which step `step` (from 0) is taken."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.fall_from) / max(1, self.length - self.fall_from)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, max(0.0, done))))

    def shortened(self, length: int) -> Schedule:
        """The same shape over fewer steps."""
        share = length / self.length
        warmup = max(1, round(self.warmup * share))
        return replace(self, length=length, warmup=warmup, fall_from=max(warmup, round(self.fall_from * share)))
