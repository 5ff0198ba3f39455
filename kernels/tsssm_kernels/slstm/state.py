"""The state of an sLSTM."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["SLSTMState", "rest_state"]


class SLSTMState(NamedTuple):
    """State of `slstm`; before a sequence begins, y, c and n are 0 and m is minus infinity.

    Parameters
    ----------
    y : Tensor, shape (batch, heads, width)
        The last output, which the next step's gates see.
    c : Tensor, shape (batch, heads, width)
        The cell: a weighted sum of what entered, divided by ``exp(m)``.
    n : Tensor, shape (batch, heads, width)
        The normalizer: the sum of the weights, divided by ``exp(m)``.
    m : Tensor, shape (batch, heads, width)
        The stabilizer: logarithm of the largest weight in the sums.

    Examples
    --------
    >>> zeros = torch.zeros(1, 1, 2)
    >>> at_rest = SLSTMState(zeros, zeros, zeros, torch.full_like(zeros, -torch.inf))
    >>> at_rest.m
    tensor([[[-inf, -inf]]])
    """

    y: Tensor
    c: Tensor
    n: Tensor
    m: Tensor


def rest_state(gates: Tensor) -> SLSTMState:
    """The state of a sequence that has not begun, for gates (batch, length, heads, 4, width)."""
    batch, _, heads, _, width = gates.shape
    dtype = torch.float64 if gates.dtype == torch.float64 else torch.float32
    zeros = torch.zeros(batch, heads, width, dtype=dtype, device=gates.device)
    return SLSTMState(zeros, zeros, zeros, torch.full_like(zeros, -torch.inf))
