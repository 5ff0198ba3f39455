"""The definition of the causal convolution: a loop over time steps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import silu

__all__ = ["advance", "causal_conv1d_reference"]


def causal_conv1d_reference(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, state: Tensor | None, resets: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Convolve step by step; arguments as in `causal_conv1d`, all of one floating dtype."""
    if state is None:
        state = x.new_zeros(x.shape[0], len(weight) - 1, x.shape[2])
    outputs = []
    for t in range(x.shape[1]):
        if resets is not None:
            state = torch.where(resets[:, t, None, None], 0.0, state)
        y, state = advance(state, x[:, t], weight, bias, activation)
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def advance(
    state: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None
) -> tuple[Tensor, Tensor]:
    """Output (batch, channels) and state of one step."""
    inputs = torch.cat([state, x.unsqueeze(1)], dim=1)  # the last ones, as many as there are taps
    y = (inputs * weight).sum(1)
    if bias is not None:
        y = y + bias
    return y if activation is None else silu(y), inputs[:, 1:]
