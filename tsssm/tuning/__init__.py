"""Search for settings with Optuna, which is imported when a search begins."""

from tsssm.tuning.default_space import default_space
from tsssm.tuning.result import TuningResult
from tsssm.tuning.tune import tune

__all__ = ["TuningResult", "default_space", "tune"]
