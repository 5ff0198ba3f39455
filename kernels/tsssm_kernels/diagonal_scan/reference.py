"""The definition of the diagonal scan: a loop over time steps."""

from __future__ import annotations

import torch
from torch import Tensor

from ..over_time import over_time

__all__ = ["advance", "diagonal_scan_reference"]


def diagonal_scan_reference(
    u: Tensor,
    log_A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    time_gaps: Tensor | None,
    state: Tensor,
    resets: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence step by step; arguments as in `diagonal_scan`, all of one precision, none left out."""
    outputs = []
    for u_t, gap, reset in over_time(u, time_gaps, resets):
        if reset is not None:
            state = torch.where(reset[:, None, None], 0.0, state)
        y, state = advance(u_t, log_A, B, C, D, gap, state)
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def advance(
    u: Tensor, log_A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, time_gap: Tensor | None, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Output and state after one step; u (batch, channels), time_gap (batch,)."""
    exponent = log_A if time_gap is None else log_A * time_gap[:, None, None]
    state = exponent.exp() * state + B * u.unsqueeze(-1)
    y = 2 * (C * state).real.sum(-1)
    return (y if D is None else y + D * u), state
