"""Lightning callbacks: the curve, a time budget, errors on the validation part."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from tsssm.network import ForecastNetwork
from tsssm.progress import Progress
from tsssm.training.judgement import Judgement

__all__ = ["History", "TimeBudget", "Validation"]


class History(Callback):
    """Keep the training curve and tell the progress bar.

    Attributes
    ----------
    curve : dict of list
        ``step``, ``loss`` and ``learning_rate`` of each step, those before a resume included.
    """

    def __init__(self, progress: Progress, before: dict[str, np.ndarray] | None = None):
        self.progress = progress
        self.curve: dict[str, list[float]] = {"step": [], "loss": [], "learning_rate": []}
        for name, values in (before or {}).items():
            self.curve[name] = values.tolist()

    def on_train_batch_start(self, trainer: lightning.Trainer, module, batch, batch_index: int) -> None:
        """Note the learning rate that this step is taken with."""
        self.curve["learning_rate"].append(float(trainer.optimizers[0].param_groups[0]["lr"]))

    def on_train_batch_end(self, trainer: lightning.Trainer, module, outputs, batch, batch_index: int) -> None:
        """Note the loss."""
        loss = float(outputs["loss"])
        self.curve["step"].append(module.step)
        self.curve["loss"].append(loss)
        self.progress.advance(module.step, loss=loss)


class TimeBudget(Callback):
    """Shorten the schedule to what fits into `seconds`, so that the learning rate still falls to zero.

    The length is worked out anew after each step from the mean time of the steps so far (the first, which compiles
    and warms up, is not counted) and never grows again.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._begin = self._second_step = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, module) -> None:
        """Start the clock."""
        self._begin = time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, module, outputs, batch, batch_index: int) -> None:
        """Fit the schedule to the time left; stop at its end."""
        now, taken, step = time.monotonic(), trainer.global_step, module.step
        if taken <= 1:
            self._second_step = now
        else:
            per_step = (now - self._second_step) / (taken - 1)
            fits = step + int((self.seconds - (now - self._begin)) / max(per_step, 1e-6))
            length = max(step, min(module.schedule.length, fits))
            if length < module.schedule.length:
                module.schedule = module.schedule.shortened(length)
        if step >= module.schedule.length or now - self._begin > self.seconds:
            trainer.should_stop = True


class Validation(Callback):
    """Judge the network every `every` steps, for callbacks that stop or prune by ``validation_loss``.

    The judge sees a copy on the CPU, in evaluation mode; the error is `trainer.callback_metrics["validation_loss"]`
    when the other callbacks' `on_validation_end` runs.
    """

    def __init__(self, every: int, judge: Callable[[ForecastNetwork], Judgement]):
        self.every, self.judge = every, judge

    def on_train_batch_end(self, trainer: lightning.Trainer, module, outputs, batch, batch_index: int) -> None:
        """Judge, where it is time to."""
        if module.step % self.every:
            return
        network = copy.deepcopy(module.network).cpu().eval()
        with torch.no_grad():
            trainer.callback_metrics["validation_loss"] = torch.tensor(self.judge(network).error)
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            callback.on_validation_end(trainer, module)
