"""Training with Lightning, which is imported when one of its parts is first used."""

from tsssm.lazy import lazy_names
from tsssm.training.schedule import Schedule
from tsssm.training.settings import Training

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ForecastModule": "tsssm.training.module",
        "Checkpoints": "tsssm.training.checkpoints",
        "TrainingTask": "tsssm.training.fit",
        "WindowDataModule": "tsssm.training.datamodule",
        "search_schedule": "tsssm.training.search",
        "train_network": "tsssm.training.fit",
    },
)

__all__ = [
    "Checkpoints",
    "ForecastModule",
    "Schedule",
    "Training",
    "TrainingTask",
    "WindowDataModule",
    "search_schedule",
    "train_network",
]
