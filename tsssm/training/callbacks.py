"""Lightning callbacks: progress, a time budget, and an orderly stop on Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

import lightning
from lightning.pytorch.callbacks import Callback

from tsssm.progress import Progress

__all__ = ["History", "Interrupt", "TimeBudget"]


class History(Callback):
    """Keep the training curve and tell the progress bar.

    Attributes
    ----------
    curve : dict of list
        ``step``, ``loss`` and ``learning_rate`` of each step.
    """

    def __init__(self, progress: Progress):
        self.progress = progress
        self.curve: dict[str, list[float]] = {"step": [], "loss": [], "learning_rate": []}

    def on_train_batch_start(self, trainer: lightning.Trainer, module, batch, batch_index: int) -> None:
        """Note the learning rate that this step is taken with."""
        self.curve["learning_rate"].append(float(trainer.optimizers[0].param_groups[0]["lr"]))

    def on_train_batch_end(self, trainer: lightning.Trainer, module, outputs, batch, batch_index: int) -> None:
        """Note the loss."""
        loss = float(outputs["loss"])
        self.curve["step"].append(trainer.global_step)
        self.curve["loss"].append(loss)
        self.progress.advance(trainer.global_step, loss=loss)


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
        now, step = time.monotonic(), trainer.global_step
        if step <= 1:
            self._second_step = now
        else:
            per_step = (now - self._second_step) / (step - 1)
            fits = step + int((self.seconds - (now - self._begin)) / max(per_step, 1e-6))
            module.schedule_length = max(step, min(module.schedule_length, fits))
        if step >= module.schedule_length or now - self._begin > self.seconds:
            trainer.should_stop = True


class Interrupt(Callback):
    """Stop in order on Ctrl-C: the step under way is finished, then training ends.

    Lightning turns a KeyboardInterrupt inside `fit` into SystemExit; so SIGINT is taken here, and the caller raises
    KeyboardInterrupt when `interrupted` is set. A second Ctrl-C acts as it did before.
    """

    def __init__(self):
        self.interrupted = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGINT over, and give it back (Python allows that in the main thread only)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.getsignal(signal.SIGINT) or signal.default_int_handler  # None: set from outside Python

        def on_signal(number, frame) -> None:
            self.interrupted = True
            signal.signal(signal.SIGINT, previous)

        signal.signal(signal.SIGINT, on_signal)
        try:
            yield
        finally:  # Lightning puts back the handler that it found, which was ours
            signal.signal(signal.SIGINT, previous)

    def on_train_batch_end(self, trainer: lightning.Trainer, module, outputs, batch, batch_index: int) -> None:
        """Stop if asked to."""
        if self.interrupted:
            trainer.should_stop = True
