"""A Lightning callback that keeps the states from which a training goes on."""

from __future__ import annotations

import lightning
import numpy as np
from lightning.pytorch.callbacks import Callback

from tsssm.network import ForecastNetwork
from tsssm.training.checkpoints import Checkpoints
from tsssm.training.schedule import Schedule
from tsssm.training.state import TrainingState

__all__ = ["Keeper"]


class Keeper(Callback):
    """Keep the state where the learning rate begins to fall and at the end; with checkpoints, also on the way.

    Parameters
    ----------
    curve : dict of list
        The training curve, which grows meanwhile.
    schedule : Schedule
        As planned; a time budget may shorten what is run.
    checkpoints : Checkpoints or None
    part : str
        Under which name checkpoints are kept.
    every : int
        Steps from one checkpoint to the next.
    """

    def __init__(
        self, curve: dict[str, list[float]], schedule: Schedule, checkpoints: Checkpoints | None, part: str, every: int
    ):
        self.curve, self.checkpoints, self.part, self.every = curve, checkpoints, part, every
        self._fall_from = schedule.fall_from if schedule.fall_from > schedule.warmup else None
        self.at_fall = self.saved_at_fall(checkpoints, part)
        self._last: TrainingState | None = None

    @staticmethod
    def saved_at_fall(checkpoints: Checkpoints | None, part: str) -> TrainingState | None:
        """The checkpoint of where this part's learning rate began to fall."""
        return None if checkpoints is None else checkpoints.load(f"{part}.at-fall")

    def on_train_batch_end(self, trainer: lightning.Trainer, module, outputs, batch, batch_index: int) -> None:
        """Keep the state, where it is time to."""
        if module.step == self._fall_from:
            self.at_fall = self._state(trainer, module)
            self._save(trainer, f"{self.part}.at-fall", self.at_fall)
        if self.checkpoints is not None and module.step % self.every == 0:
            self._save(trainer, self.part, self._state(trainer, module))

    def on_train_end(self, trainer: lightning.Trainer, module) -> None:
        """Keep the last state."""
        self._last = self._state(trainer, module)
        self._save(trainer, self.part, self._last)

    def ended(self, network: ForecastNetwork) -> TrainingState:
        """The last state; where processes of a strategy's own trained the network, nothing but its weights."""
        return self._last or TrainingState(0, network.state_dict(), {}, {n: np.array(v) for n, v in self.curve.items()})

    def _state(self, trainer: lightning.Trainer, module) -> TrainingState:
        return TrainingState.of(module.step, module.network, trainer.optimizers[0], self.curve)

    def _save(self, trainer: lightning.Trainer, part: str, state: TrainingState) -> None:
        if self.checkpoints is not None and trainer.is_global_zero:
            self.checkpoints.save(part, state)
