"""Training with Lightning, which is imported when one of its parts is first used."""

from tsssm.lazy import lazy_names
from tsssm.training.schedule import Schedule, TrainingResult
from tsssm.training.settings import Training

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ForecastModule": "tsssm.training.module",
        "WindowDataModule": "tsssm.training.datamodule",
        "train_network": "tsssm.training.fit",
    },
)

__all__ = [
    "ForecastModule",
    "Schedule",
    "Training",
    "TrainingResult",
    "WindowDataModule",
    "train_network",
]
