"""An orderly stop when the process is asked to end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

import lightning
from lightning.pytorch.callbacks import Callback

__all__ = ["Interrupt"]


class Interrupt(Callback):
    """Stop in order on Ctrl-C, and on SIGTERM if asked to: the step under way is finished, then training ends.

    Lightning turns a KeyboardInterrupt inside `fit` into SystemExit; so signals are taken here, and the caller acts
    when `received` is set. A second signal acts as it did before.

    Parameters
    ----------
    terminate : bool
        Take SIGTERM as well: there are checkpoints to write.

    Attributes
    ----------
    received : signal.Signals or None
        What ended the training.
    """

    def __init__(self, terminate: bool = False):
        self.signals = (signal.SIGINT, signal.SIGTERM) if terminate else (signal.SIGINT,)
        self.received: signal.Signals | None = None
        self._previous: dict = {}

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals over, and give them back (Python allows that in the main thread only)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        for number in self.signals:
            # None: set from outside Python
            fallback = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            self._previous[number] = signal.getsignal(number) or fallback
        self._take()
        try:
            yield
        finally:  # Lightning puts back the handler that it found, which was ours
            for number, handler in self._previous.items():
                signal.signal(number, handler)

    def on_train_start(self, trainer: lightning.Trainer, module) -> None:
        """Take the signals again: Lightning has put a handler of its own for SIGTERM."""
        if self._previous:
            self._take()

    def on_train_batch_end(self, trainer: lightning.Trainer, module, outputs, batch, batch_index: int) -> None:
        """Stop if asked to."""
        if self.received is not None:
            trainer.should_stop = True

    def _take(self) -> None:
        for number in self._previous:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame) -> None:
        self.received = signal.Signals(number)
        signal.signal(number, self._previous[number])
