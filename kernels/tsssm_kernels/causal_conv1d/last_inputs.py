"""The state of a convolution after a sequence: the last inputs, as many as it still needs."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["last_inputs", "steps_since_start"]


def last_inputs(state: Tensor | None, x: Tensor, resets: Tensor | None, count: int) -> Tensor:
    """Of `state` (batch, count, channels), then `x` (batch, length, channels), the last `count`; zeros before a reset.

    Examples
    --------
    >>> x = torch.tensor([1.0, 2.0]).view(1, 2, 1)
    >>> last_inputs(torch.ones(1, 3, 1), x, None, 3).flatten()
    tensor([1., 1., 2.])
    >>> last_inputs(None, x, torch.tensor([[False, True]]), 3).flatten()
    tensor([0., 0., 2.])
    """
    length = x.shape[1]
    if length >= count:
        last = x[:, length - count :].clone()
    else:
        before = x.new_zeros(x.shape[0], count, x.shape[2]) if state is None else state
        last = torch.cat([before[:, length:], x], dim=1)
    if resets is None:
        return last
    back_from_last = torch.arange(count - 1, -1, -1, device=x.device)
    kept = steps_since_start(resets, count + 1)[:, -1:] >= back_from_last
    return torch.where(kept.unsqueeze(-1), last, 0.0)


def steps_since_start(resets: Tensor, unknown: int) -> Tensor:
    """Steps since the sequence began, (batch, length); `unknown` and more where it began before the first step.

    Examples
    --------
    >>> steps_since_start(torch.tensor([[False, True, False]]), 10)
    tensor([[10,  0,  1]])
    """
    index = torch.arange(resets.shape[1], device=resets.device)
    start = torch.where(resets, index, -unknown).cummax(dim=1).values
    return index - start
