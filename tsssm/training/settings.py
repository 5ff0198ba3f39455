"""The rarely changed settings of training, in one frozen group."""

from __future__ import annotations

from dataclasses import dataclass
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
    checkpoint_dir, checkpoint_every, resume
        Checkpoints come with a later version; anything but the defaults is refused.

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
    checkpoint_dir: str | None = None
    checkpoint_every: int | None = None
    resume: str = "auto"
