"""The state of window attention."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["WindowState"]


class WindowState(NamedTuple):
    """State of `window_attention`: a ring of the last steps.

    Parameters
    ----------
    keys : Tensor, shape (batch, window, kv_heads, width)
        Keys, turned where the operator turns them; the step at position p of its sequence lies in slot ``p % window``.
        Slots that no step has filled are never read.
    values : Tensor, shape (batch, window, kv_heads, values)
        Values, in the same slots.
    position : Tensor of int64, shape (batch,)
        Steps since the sequence began.

    Examples
    --------
    >>> import torch
    >>> empty = torch.zeros(2, 30, 4, 16)
    >>> state = WindowState(empty, empty, torch.zeros(2, dtype=torch.int64))
    """

    keys: Tensor
    values: Tensor
    position: Tensor
