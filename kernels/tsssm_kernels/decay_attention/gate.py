"""The running maximum that keeps exponential input gates within what numbers can hold."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["running_scale"]


def running_scale(log_decay: Tensor | None, log_gate: Tensor, initial: Tensor, resets: Tensor | None) -> Tensor:
    """``m_t = max(log_decay_t + m_{t-1}, log_gate_t)``, which is 0 before a reset step.

    Two steps in a row are again such a step, with the sum of the decays: each round joins stretches twice as long.

    Parameters
    ----------
    log_decay : Tensor, shape (batch, length, heads), optional
    log_gate : Tensor, shape (batch, length, heads)
    initial : Tensor, shape (batch, heads)
    resets : Tensor of bool, shape (batch, length), optional

    Returns
    -------
    Tensor, shape (batch, length, heads)

    References
    ----------
    Beck, M. et al. (2024). xLSTM: Extended long short-term memory. arXiv 2405.04517, eq. 15.

    Examples
    --------
    >>> decay, gate = torch.full((1, 3, 1), -1.0), torch.tensor([[[5.0], [0.0], [4.5]]])
    >>> running_scale(decay, gate, torch.zeros(1, 1), None).flatten()
    tensor([5.0000, 4.0000, 4.5000])
    """
    decay = torch.zeros_like(log_gate) if log_decay is None else log_decay
    level = log_gate
    first = torch.maximum(decay[:, 0] + initial, level[:, 0])
    level = torch.cat([first.unsqueeze(1), level[:, 1:]], dim=1)
    if resets is not None:
        begins = resets.unsqueeze(-1)
        level = torch.where(begins, torch.maximum(decay, log_gate), level)  # the scale before is 0
        decay = torch.where(begins, -torch.inf, decay)
    stretch, length = 1, log_gate.shape[1]
    while stretch < length:
        reached = torch.maximum(decay[:, stretch:] + level[:, :-stretch], level[:, stretch:])
        level = torch.cat([level[:, :stretch], reached], dim=1)
        decay = torch.cat([decay[:, :stretch], decay[:, stretch:] + decay[:, :-stretch]], dim=1)
        stretch *= 2
    return level
