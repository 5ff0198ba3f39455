"""Decay attention in plain torch, by products of small matrices; any device and floating dtype."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..segments import run_segments

__all__ = ["attend_chunked"]

BY_HEAD, BY_KEY = 32, 16  # steps of a chunk: with a decay for each key, pairs of steps have weights for each key
NUMBERS = 2**22  # of the largest tensor in a segment


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
    values = v.shape[-1]
    if sums is not None:  # one more value
        v, state = torch.cat([v, torch.ones_like(v[..., :1])], -1), torch.cat([state, sums.unsqueeze(-1)], -1)
    by_key = log_decay is not None and log_decay.ndim == 4
    chunk = BY_KEY if by_key else BY_HEAD
    numbers_of_step = len(q) * q.shape[2] * chunk * (q.shape[3] if by_key else 1)
    steps = max(1, NUMBERS // (numbers_of_step * chunk)) * chunk

    def attend(q, k, v, log_decay, resets, state):
        return _attend(q, k, v, log_decay, resets, state, chunk)

    y, state = run_segments(attend, (q, k, v, log_decay, resets), (state,), steps)
    if sums is None:
        return y, None, state, None
    return y[..., :values], y[..., values], state[..., :values], state[..., values]


def _attend(q, k, v, log_decay, resets, state, chunk) -> tuple[Tensor, Tensor]:
    """All chunks of a segment at once, but for the states between them."""
    length = q.shape[1]
    q, k, v = (_in_chunks(x, chunk) for x in (q, k, v))  # (batch, chunks, heads, chunk, ...)
    earlier = torch.ones(chunk, chunk, dtype=torch.bool, device=q.device).tril()
    whole = None
    if resets is not None:
        sequence = _in_chunks(resets.unsqueeze(-1), chunk).cumsum(-1)  # which sequence of the chunk, (b, n, 1, c)
        earlier = earlier & (sequence.unsqueeze(-1) == sequence.unsqueeze(-2))
        whole = sequence == 0  # steps that the state before the chunk reaches
        last = sequence == sequence[..., -1:]  # steps that reach the state after it
    if log_decay is None:
        weights, into, out_of, less_one = q @ k.mT, q, k, None
    else:
        log = log_decay if log_decay.ndim == 4 else log_decay.unsqueeze(-1)
        total = _in_chunks(log, chunk).double().cumsum(-2)  # (b, n, h, c, keys or 1)
        # a step to itself is left out of differences: the gradients of a number less itself would bury smaller ones
        itself = torch.eye(chunk, dtype=torch.bool, device=q.device).unsqueeze(-1)
        pair = (total.unsqueeze(-2) - total.unsqueeze(-3)).to(q.dtype)  # (b, n, h, c, c, keys or 1)
        decays = pair.masked_fill(~earlier.unsqueeze(-1) | itself, -torch.inf).exp() + itself
        if log.shape[-1] == 1:
            weights = (q @ k.mT) * decays.squeeze(-1)
        else:
            weights = torch.einsum("...ik,...jk,...ijk->...ij", q, k, decays)
        into = q * total.to(q.dtype).exp()
        out_of = k * (total[..., -1:, :] - total).to(q.dtype).masked_fill(itself[-1], 0.0).exp()
        less_one = total[..., -1, :].to(q.dtype).expm1().unsqueeze(-1)  # (b, n, h, keys or 1, 1)
    weights = weights.masked_fill(~earlier, 0.0)
    if whole is not None:
        into, out_of = (torch.where(steps.unsqueeze(-1), x, 0.0) for steps, x in ((whole, into), (last, out_of)))
    added = out_of.mT @ v
    before = []
    for n in range(added.shape[1]):
        before.append(state)
        kept = state
        if whole is not None:
            kept = torch.where(whole[:, n, :, -1, None, None], kept, 0.0)
        # a decay close to 1 is not rounded before it meets the state
        state = kept + added[:, n] if less_one is None else kept + (less_one[:, n] * kept + added[:, n])
    y = weights @ v + into @ torch.stack(before, dim=1)
    return y.transpose(2, 3).flatten(1, 2)[:, -length:], state


def _in_chunks(x: Tensor, chunk: int) -> Tensor:
    """(batch, length, heads, ...) -> (batch, chunks, heads, chunk, ...), in front filled up with steps of nothing."""
    missing = -x.shape[1] % chunk
    if missing:
        x = pad(x, (0, 0) * (x.ndim - 2) + (missing, 0))
    return x.unflatten(1, (-1, chunk)).transpose(2, 3)
