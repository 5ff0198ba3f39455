"""RWKV's token shift: the token before each."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["tokens_before"]


def tokens_before(x: Tensor, last: Tensor | None, resets: Tensor | None) -> Tensor:
    """The token before each, zero before the first of a sequence.

    Parameters
    ----------
    x : Tensor, shape (batch, length, d_model)
    last : Tensor, shape (batch, d_model), or None
        The token before the first; zero if None.
    resets : Tensor of bool, shape (batch, length), or None
        Tokens that begin a sequence.

    Returns
    -------
    Tensor, shape (batch, length, d_model)

    Examples
    --------
    >>> tokens_before(torch.tensor([[[1.0], [2.0], [3.0]]]), None, None).flatten()
    tensor([0., 1., 2.])
    """
    first = torch.zeros_like(x[:, :1]) if last is None else last.unsqueeze(1)
    before = torch.cat([first, x[:, :-1]], dim=1)
    return before if resets is None else before.masked_fill(resets.unsqueeze(-1), 0.0)
