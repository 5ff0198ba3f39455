"""Window attention in plain torch, block by block; any device and floating dtype."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from .rotation import turned, turns_at

__all__ = ["attend_chunked"]

SMALLEST_BLOCK = 16  # queries that share a block of keys; fewer make more calls than work


def attend_chunked(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    past_keys: Tensor | None,
    past_values: Tensor | None,
    position: Tensor | None,
    window: int,
    rotary_base: float | None,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """Outputs and turned keys, see `window_attention_composed`.

    Queries are cut into blocks, each with the keys that it can see, so that scores take length times window, never
    length times length.
    """
    length, shared = q.shape[1], q.shape[2] // k.shape[2]
    if rotary_base is not None:
        at = torch.arange(length, device=q.device) if position is None else position
        turns = turns_at(at, rotary_base, q.shape[-1], q.dtype)
        q, k = turned(q, turns), turned(k, turns)
    turned_keys = k
    if past_keys is not None and past_values is not None:
        k, v = torch.cat([past_keys, k], dim=1), torch.cat([past_values, v], dim=1)
    if shared > 1:
        k, v = k.repeat_interleave(shared, dim=2), v.repeat_interleave(shared, dim=2)
    if position is None and length <= window:
        return _attend(q, k, v, scale, is_causal=True), turned_keys

    size, before = min(max(window, SMALLEST_BLOCK), length), window - 1
    beyond = -length % size  # rows that fill the last block
    older = k.shape[1] - length
    k, v = (_windows(pad(x, (0, 0, 0, 0, before - older, beyond)), size, before) for x in (k, v))
    q = pad(q, (0, 0, 0, 0, 0, beyond)).unflatten(1, (-1, size)).flatten(0, 1)  # (B, L) -> (B * blocks, size)
    if position is None:
        position = torch.arange(length, device=q.device).expand(len(turned_keys), -1)
    mask = _mask((position + 1).clamp(max=window), size, before, beyond)
    y = _attend(q, k, v, scale, attn_mask=mask)
    return y.unflatten(0, (-1, (length + beyond) // size)).flatten(1, 2)[:, :length], turned_keys


def _windows(x: Tensor, size: int, before: int) -> Tensor:
    """The keys of each block, (B, before + blocks * size, H, D) -> (B * blocks, before + size, H, D)."""
    return x.unfold(1, before + size, size).movedim(-1, 2).flatten(0, 1)


def _mask(reach: Tensor, size: int, before: int, beyond: int) -> Tensor:
    """Which keys each query of a block sees, always its own among them: (B * blocks, 1, size, before + size) bool.

    `reach`, (B, L), is how many steps a query sees, itself included.
    """
    reach = pad(reach, (0, beyond), value=1).unflatten(1, (-1, size))  # (B, blocks, size)
    keys = torch.arange(before + size, device=reach.device)
    back = before + keys[:size, None] - keys  # (size, before + size): how far a key lies before a query
    seen = (back >= 0) & (back < reach[..., None])
    return seen.flatten(0, 1).unsqueeze(1)


def _attend(q: Tensor, k: Tensor, v: Tensor, scale: float, **mask) -> Tensor:
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v, scale=scale, **mask).transpose(1, 2)
