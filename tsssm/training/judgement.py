"""The error of a fit on the validation part, and whether it is clearly lower than another's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Judgement"]


@dataclass(frozen=True, eq=False)
class Judgement:
    """An error on the validation part, by the stretches of time that it comes from.

    Attributes
    ----------
    contributions : ndarray, (n_stretches,)
        They add up to the error. Stretches are as long as the horizon, so that their forecasts hardly overlap.
    """

    contributions: np.ndarray

    @classmethod
    def of_failure(cls) -> Judgement:
        """That of a training that diverged: worse than any."""
        return cls(np.array([math.inf]))

    @property
    def error(self) -> float:
        """The error as one number."""
        return float(self.contributions.sum())

    def clearly_lower_than(self, other: Judgement) -> bool:
        """Whether the error is lower by more than one standard error of the difference, judged by the stretches.

        The one-standard-error rule of Breiman et al. (1984, Classification and Regression Trees, section 3.4.3): a
        difference that is within the noise of the validation part is no reason to leave what is tried first. With a
        single stretch nothing is known of the noise, and nothing is clear.
        """
        if not (math.isfinite(self.error) and math.isfinite(other.error)):
            return math.isfinite(self.error)
        gain = other.contributions - self.contributions
        n = len(gain)
        return n > 1 and float(gain.sum()) > math.sqrt(n) * float(gain.std(ddof=1))
