"""The definition of the delta rule: a loop over time steps."""

from __future__ import annotations

import torch
from torch import Tensor

from ..over_time import over_time

__all__ = ["advance", "delta_rule_reference"]


def delta_rule_reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor,
    b: Tensor,
    log_decay: Tensor | None,
    *,
    initial_state: Tensor,
    resets: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence step by step; arguments as in `delta_rule`, all of one floating dtype, none left out."""
    state = initial_state
    outputs = []
    for *inputs, reset in over_time(q, k, v, a, b, log_decay, resets):
        if reset is not None:
            state = torch.where(reset[:, None, None, None], 0.0, state)
        y, state = advance(state, *inputs)
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def advance(
    state: Tensor, q: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor, log_decay: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Output and state of one step; inputs as in `delta_rule`, without the axis of length."""
    read = (state * a.unsqueeze(-1)).sum(-2)  # before the decay
    if log_decay is not None:
        decay = log_decay.exp() if log_decay.ndim == 3 else log_decay.exp().unsqueeze(-1)
        state = decay.unsqueeze(-1) * state
    state = state + b.unsqueeze(-1) * read.unsqueeze(-2) + k.unsqueeze(-1) * v.unsqueeze(-2)
    return (state * q.unsqueeze(-1)).sum(-2), state
