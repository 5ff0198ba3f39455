"""How much the demonstration does."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "Plan"]


@dataclass(frozen=True)
class Plan:
    """Sizes of a demonstration.

    Attributes
    ----------
    max_steps : int
        Training steps of the Mamba forecaster.
    time_budget : float or None
        Seconds of training at most; fewer steps are taken where they do not fit.
    rows : int or None
        Hours of the series, the last ones; None takes all.
    test_share : float
        Share of the hours at the end that no forecaster is fitted on.
    windows : int or None
        Forecasts to score; None makes as many as fit into the test part.
    stream_hours : int
        Observations to stream.
    """

    max_steps: int
    time_budget: float | None = None
    rows: int | None = None
    test_share: float = 0.2
    windows: int | None = None
    stream_hours: int = 200


FULL = Plan(max_steps=1500)
QUICK = Plan(max_steps=30, time_budget=12.0, rows=10_000, windows=40, stream_hours=50)
