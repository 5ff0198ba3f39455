"""The causal convolution in plain torch, tap by tap; any device and floating dtype."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import silu

from .last_inputs import last_inputs, steps_since_start

__all__ = ["causal_conv1d_chunked"]


def causal_conv1d_chunked(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, state: Tensor | None, resets: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Convolve whole sequences, shifted by each tap; arguments as in `causal_conv1d`, all of one floating dtype."""
    width, length = weight.shape[0], x.shape[1]
    if state is None:
        state = x.new_zeros(x.shape[0], width - 1, x.shape[2])
    padded = torch.cat([state, x], dim=1)
    age = None if resets is None else steps_since_start(resets, width)
    y = x * weight[-1]
    if bias is not None:
        y = y + bias
    for back in range(1, width):
        start = width - 1 - back
        earlier = padded[:, start : start + length]  # the input `back` steps ago
        if age is not None:
            earlier = torch.where((age >= back).unsqueeze(-1), earlier, 0.0)
        y = torch.addcmul(y, earlier, weight[start])
    return y if activation is None else silu(y), last_inputs(state, x, resets, width - 1)
