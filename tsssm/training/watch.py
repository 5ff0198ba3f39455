"""Let a function follow the validation loss and stop training."""

from __future__ import annotations

from collections.abc import Callable

import lightning
from lightning.pytorch.callbacks import Callback

__all__ = ["Watch"]


class Watch(Callback):
    """Tell a function the validation loss each time it is known, and stop in order when the answer is True.

    Needs `Training(validate_every=)`.

    Parameters
    ----------
    tell : callable
        Takes the steps so far and the loss; True stops the training.
    """

    def __init__(self, tell: Callable[[int, float], bool]):
        self.tell = tell

    def on_validation_end(self, trainer: lightning.Trainer, module) -> None:
        """Ask whether to go on."""
        loss = trainer.callback_metrics.get("validation_loss")
        if loss is not None and self.tell(module.step, float(loss)):
            trainer.should_stop = True
