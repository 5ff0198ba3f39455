"""The definition of the long convolution: a loop over time steps."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["advance", "long_convolution_reference"]


def long_convolution_reference(
    u: Tensor, kernel: Tensor, skip: Tensor | None, state: Tensor | None, resets: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Convolve step by step; arguments as in `long_convolution`, all of one floating dtype."""
    if state is None:
        state = u.new_zeros(len(u), len(kernel) - 1, u.shape[2])
    outputs = []
    for t in range(u.shape[1]):
        if resets is not None:
            state = torch.where(resets[:, t, None, None], 0.0, state)
        y, state = advance(state, u[:, t], kernel, skip)
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def advance(state: Tensor, u: Tensor, kernel: Tensor, skip: Tensor | None) -> tuple[Tensor, Tensor]:
    """Output (batch, channels) and state of one step."""
    inputs = torch.cat([state, u.unsqueeze(1)], dim=1)  # the last ones, as many as there are taps
    y = (inputs * kernel.flip(0)).sum(1)
    return (y if skip is None else y + skip * u), inputs[:, 1:]
