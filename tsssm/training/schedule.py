"""How long and how fast to train, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Schedule", "TrainingResult"]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Parameters
    ----------
    max_steps : int
    learning_rate : float
    time_budget : float or None
        Seconds; the schedule is shortened to what fits.
    """

    max_steps: int
    learning_rate: float
    time_budget: float | None = None


@dataclass(frozen=True)
class TrainingResult:
    """The training curve (step, loss, learning rate of each step), and whether Ctrl-C ended it."""

    curve: dict[str, np.ndarray]
    interrupted: bool
