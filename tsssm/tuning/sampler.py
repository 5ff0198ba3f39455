"""Sample settings so that a resumed search draws what one without a break would have drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

__all__ = ["RepeatableSampler"]


class RepeatableSampler(BaseSampler):
    """Optuna's TPE, seeded anew for each trial by seed and trial number.

    One TPE sampler with one seed would begin a resumed search, or a second process on the same storage, with the very
    draws that the first one began with.

    Parameters
    ----------
    seed : int
        From 0 on.

    References
    ----------
    Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self._sampler: BaseSampler = TPESampler(seed=0)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Seed for this trial."""
        seed = int(np.random.SeedSequence([self.seed, trial.number]).generate_state(1)[0])
        self._sampler = TPESampler(seed=seed)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As TPE does."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As TPE does."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As TPE does."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """As TPE does."""
        self._sampler.after_trial(study, trial, state, values)
