"""The definition of the selective scan: a loop over time steps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import silu, softplus

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
    for t in range(u.shape[1]):
        if resets is not None:
            state = torch.where(resets[:, t, None, None], 0.0, state)
        decay = torch.exp(decay_time[:, t, :, None] * A)  # (batch, channels, state)
        inputs = (delta[:, t] * u[:, t]).unsqueeze(-1) * B[:, t, None, :]
        state = decay * state + inputs
        outputs.append((state * C[:, t, None, :]).sum(-1))
    y = torch.stack(outputs, dim=1)
    if D is not None:
        y = y + D * u
    if z is not None:
        y = y * silu(z)
    return y, state
