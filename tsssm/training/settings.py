"""The rarely changed settings of training, in one frozen group."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

__all__ = ["Training"]


@dataclass(frozen=True)
class Training:
    """Settings of the optimiser and of Lightning's Trainer that are seldom changed.

    Parameters
    ----------
    weight_decay : float
        AdamW's decoupled decay; scan decays, biases and norms are exempt.
    warmup : float
        Share of the schedule in which the learning rate rises; a cosine to zero follows.
    gradient_clip : float
        Largest norm of the gradient.
    precision : str
        "32-true", "bf16-mixed" or "16-mixed", as Lightning names them.
    strategy : str
        "auto", "ddp", "ddp_fork", "ddp_spawn" or "ddp_notebook", as Lightning names them, for several devices.
    callbacks : tuple
        Further Lightning callbacks.
    validate_every : int, optional
        Judge the network after this many steps; Lightning callbacks that stop or prune find the error (MASE of the
        forecast on the validation part) as ``validation_loss``. It does not end training by itself.
    checkpoint_dir : path, optional
        Keep checkpoints here, and go on from them when the same fit (data, settings, random_state) is called again.
        Clones that `backtest`, `compare` and `tune` fit keep none.
    checkpoint_every : int
        Steps from one checkpoint to the next.
    resume : str
        "auto": go on from the checkpoints of the same fit. "never": begin anew, over what is there.

    Examples
    --------
    >>> Training(weight_decay=0.1).weight_decay
    0.1
    """

    weight_decay: float = 0.05
    warmup: float = 0.05
    gradient_clip: float = 1.0
    precision: str = "32-true"
    strategy: str = "auto"
    callbacks: tuple[Any, ...] = ()
    validate_every: int | None = None
    checkpoint_dir: str | PathLike | None = None
    checkpoint_every: int = 100
    resume: str = "auto"
