"""Softmax attention of each token to a band of tokens before it, block by block."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

__all__ = ["banded_attention"]

_SMALLEST_BLOCK = 16  # queries that share a block of keys; fewer make more calls than work


def banded_attention(q: Tensor, k: Tensor, v: Tensor, window: int, reach: Tensor | None = None) -> Tensor:
    """Attend to at most the last `window` tokens: ``y_t = sum_j softmax_j(q_t . k_j / sqrt(D)) v_j``.

    Queries are cut into blocks, each with the keys it can see, so that scores take length times window, never length
    times length.

    Axes: B rows, L queries, S keys, H heads, D features of a head.

    Parameters
    ----------
    q : Tensor, (B, L, H, D)
    k, v : Tensor, (B, S, H, D)
        S >= L: the last L keys are those of the queries' own tokens, the ones before them are older.
    window : int
        Tokens seen at most, the token itself included.
    reach : Tensor of int64, (B, L), optional
        Tokens that each query sees, itself included, 1 to `window`; as many as there are unless given.

    Returns
    -------
    Tensor, (B, L, H, D)

    Examples
    --------
    >>> import torch
    >>> q = k = torch.zeros(1, 5, 1, 2)  # equal scores: a mean of the window
    >>> v = torch.arange(5.0)[None, :, None, None].expand(1, 5, 1, 2)
    >>> banded_attention(q, k, v, window=3)[0, :, 0, 0]
    tensor([0.0000, 0.5000, 1.0000, 2.0000, 3.0000])
    """
    n_rows, length, older = len(q), q.shape[1], k.shape[1] - q.shape[1]
    if older == 0 and length <= window and reach is None:
        return _attend(q, k, v, is_causal=True)
    size = min(max(window, _SMALLEST_BLOCK), length)
    beyond = -length % size  # rows that fill the last block
    before = window - 1
    q = pad(q, (0, 0, 0, 0, 0, beyond)).unflatten(1, (-1, size)).flatten(0, 1)  # (B, L) -> (B * blocks, size)
    k, v = (_windows(pad(x, (0, 0, 0, 0, before - older, beyond)), size, before) for x in (k, v))
    if reach is None:
        reach = (older + 1 + torch.arange(length, device=k.device)).clamp(max=window).expand(n_rows, -1)
    mask = _mask(reach, size, before, beyond)
    y = _attend(q, k, v, attn_mask=mask)
    return y.unflatten(0, (-1, (length + beyond) // size)).flatten(1, 2)[:, :length]


def _windows(x: Tensor, size: int, before: int) -> Tensor:
    """The keys of each block, (B, before + blocks * size, H, D) -> (B * blocks, before + size, H, D)."""
    return x.unfold(1, before + size, size).movedim(-1, 2).flatten(0, 1)


def _mask(reach: Tensor, size: int, before: int, beyond: int) -> Tensor:
    """Which keys each query of a block sees, always its own among them: (B * blocks, 1, size, before + size) bool."""
    reach = pad(reach, (0, beyond), value=1).unflatten(1, (-1, size))  # (B, blocks, size)
    keys = torch.arange(before + size, device=reach.device)
    back = before + keys[:size, None] - keys  # (size, before + size): how far a key lies before a query
    seen = (back >= 0) & (back < reach[..., None])
    return seen.flatten(0, 1)[:, None]


def _attend(q: Tensor, k: Tensor, v: Tensor, **mask) -> Tensor:
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v, **mask).transpose(1, 2)
