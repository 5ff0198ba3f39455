"""Decay attention in plain torch, by products of small matrices; any device and floating dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from ..decay_chunks import DecayChunks, chunk_length, in_chunks, segment_length
from ..segments import run_segments
from .ones import with_ones

__all__ = ["attend_chunked"]


def attend_chunked(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    state: Tensor,
    sums: Tensor | None,
    resets: Tensor | None,
) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
    """``S_t = exp(log_decay_t) S_{t-1} + k_t v_t'``, ``y_t = S_t' q_t``; with `sums` also for a value that is 1.

    Returns outputs, their weights (batch, length, heads) or None, the final state and the final sums or None.
    """
    steps = segment_length(q, log_decay)

    def attend(v: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        y, state = run_segments(_attend, (q, k, v, log_decay, resets), (state,), steps)
        return y, state

    return with_ones(attend, v, state, sums)


def _attend(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None, resets: Tensor | None, state: Tensor
) -> tuple[Tensor, Tensor]:
    """All chunks of a segment at once, but for the states between them."""
    length, chunk = q.shape[1], chunk_length(log_decay)
    decays = DecayChunks(log_decay, resets, q, chunk)
    q, k, v = (in_chunks(x, chunk) for x in (q, k, v))  # (batch, chunks, heads, chunk, ...)
    added = decays.out_of(k).mT @ v
    before = []
    for n in range(added.shape[1]):
        before.append(state)
        state = decays.carry(state, n, added[:, n])
    y = decays.weights(q, k) @ v + decays.into(q) @ torch.stack(before, dim=1)
    return y.transpose(2, 3).flatten(1, 2)[:, -length:], state
