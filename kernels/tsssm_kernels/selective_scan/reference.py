"""The definition of the selective scan: a loop over time steps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import silu, softplus

from ..over_time import over_time

__all__ = ["selective_scan_reference"]


def selective_scan_reference(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    *,
    time_gaps: Tensor | None = None,
    initial_state: Tensor | None = None,
    resets: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence step by step; arguments as in `selective_scan`, all of one floating dtype."""
    if delta_bias is not None:
        delta = delta + delta_bias
    if delta_softplus:
        delta = softplus(delta)
    decay_time = delta if time_gaps is None else delta * time_gaps.unsqueeze(-1)
    state = u.new_zeros(u.shape[0], *A.shape) if initial_state is None else initial_state
    outputs = []
    for u_t, delta_t, decay_time_t, B_t, C_t, reset in over_time(u, delta, decay_time, B, C, resets):
        if reset is not None:
            state = torch.where(reset[:, None, None], 0.0, state)
        decay = torch.exp(decay_time_t.unsqueeze(-1) * A)  # (batch, channels, state)
        state = decay * state + (delta_t * u_t).unsqueeze(-1) * B_t.unsqueeze(1)
        outputs.append((state * C_t.unsqueeze(1)).sum(-1))
    y = torch.stack(outputs, dim=1)
    if D is not None:
        y = y + D * u
    if z is not None:
        y = y * silu(z)
    return y, state
