"""Sums of keys, for forms that know sums of products alone: those of one more value, which is 1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["with_ones"]


def with_ones(
    attend: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], v: Tensor, state: Tensor, sums: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
    """Outputs, their weights (batch, length, heads) or None, the final state and the final sums or None.

    Parameters
    ----------
    attend : Callable
        ``attend(v, state)`` gives outputs and the final state.
    v : Tensor, shape (batch, length, heads, values)
    state : Tensor, shape (batch, heads, keys, values)
    sums : Tensor, shape (batch, heads, keys), optional
        Those before the first step; without them there are no weights.

    Examples
    --------
    >>> state = torch.zeros(1, 1, 2, 3)
    >>> _, weights, _, sums = with_ones(lambda v, state: (v, state), torch.zeros(1, 4, 1, 3), state, state[..., 0])
    >>> weights.shape, sums.shape
    (torch.Size([1, 4, 1]), torch.Size([1, 1, 2]))
    """
    if sums is None:
        y, state = attend(v, state)
        return y, None, state, None
    values = v.shape[-1]
    ones, wide = torch.ones_like(v[..., :1]), torch.cat([state, sums.unsqueeze(-1)], -1)
    y, wide = attend(torch.cat([v, ones], -1), wide)
    return y[..., :values], y[..., values], wide[..., :values], wide[..., values]
