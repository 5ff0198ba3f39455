"""Decay attention with all its options, by way of a fast form of ``S_t = exp(g_t) S_{t-1} + k_t v_t'; y_t = S_t' q_t``.

Each option changes what goes into that recurrence or what comes out of it; the reference has them where they belong.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..linear_recurrence import linear_recurrence
from .gate import running_scale
from .rotation import count_positions, turn_state, turned
from .state import DecayState

__all__ = ["decay_attention_composed"]

Attend = Callable[..., tuple[Tensor, Tensor | None, Tensor, Tensor | None]]


def decay_attention_composed(
    attend: Attend,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    *,
    angles: Tensor | None,
    bonus: Tensor | None,
    input_gate: Tensor | None,
    taps: Tensor | None,
    normalizer: str | None,
    eps: float,
    time_gaps: Tensor | None,
    initial_state: DecayState,
    resets: Tensor | None,
) -> tuple[Tensor, DecayState]:
    """Arguments as in `decay_attention`, all of one floating dtype, none left out."""
    memory, key_sum, decay_sum, scale, key, value = initial_state
    log = log_decay if log_decay is None or time_gaps is None else log_decay * _beside(time_gaps, log_decay)
    queries, keys, factor = q, k, log
    own = scales = None
    if taps is not None:
        keys, own, memory, key_sum = _two_taps(q, k, taps, initial_state, resets)
        key, value = k[:, -1].to(memory.dtype), v[:, -1].to(memory.dtype)
    if input_gate is not None:
        keys, factor, scales = _gated(k, log, input_gate, scale, resets)
        scale = scales[:, -1]
    if angles is not None:
        positions = count_positions(q.shape[1], time_gaps, q.device)
        queries, keys = turned(q, angles, positions), turned(keys, angles, positions)
    if bonus is not None:  # the state is read one step earlier: by the query of the step after
        queries = torch.cat([q[:, 1:], torch.zeros_like(q[:, :1])], dim=1)

    y, weight, after, after_sum = attend(queries, keys, v, factor, memory, key_sum, resets)

    if angles is not None:
        after = turn_state(after, angles, positions[..., -1])
        if after_sum is not None:
            after_sum = turn_state(after_sum.unsqueeze(-1), angles, positions[..., -1]).squeeze(-1)
    if bonus is not None:
        first = (memory * q[:, 0].unsqueeze(-1)).sum(-2).unsqueeze(1)
        y = torch.cat([first, y[:, :-1]], dim=1)
        if resets is not None:
            y = torch.where(_beside(resets, y), 0.0, y)
        y = y + (q * bonus * k).sum(-1, keepdim=True) * v
    if own is not None:
        y = y - own.unsqueeze(-1) * v
        weight = None if weight is None else weight - own
    if decay_sum is not None:
        sums = _decay_sums(q, log, decay_sum, resets)
        y, decay_sum = y / sums.unsqueeze(-1), sums[:, -1]
    elif weight is not None:
        if normalizer == "bounded":
            weight = torch.maximum(weight.abs(), torch.ones_like(weight) if scales is None else (-scales).exp())
        y = y / (weight + eps).unsqueeze(-1)
    return y, DecayState(after, after_sum, decay_sum, scale, key, value)


def _gated(
    k: Tensor, log_decay: Tensor | None, input_gate: Tensor, scale: Tensor, resets: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Keys and log-decays of a state that is kept divided by ``exp(scale)``, and the scales."""
    scales = running_scale(log_decay, input_gate, scale, resets)
    before = torch.cat([scale.unsqueeze(1), scales[:, :-1]], dim=1)
    if resets is not None:
        before = torch.where(resets.unsqueeze(-1), 0.0, before)
    factor = before - scales if log_decay is None else log_decay + before - scales
    return (input_gate - scales).exp().unsqueeze(-1) * k, factor, scales


def _decay_sums(q: Tensor, log_decay: Tensor | None, initial: Tensor, resets: Tensor | None) -> Tensor:
    """Decayed numbers of steps, (batch, length, heads)."""
    decays = torch.ones_like(q[..., 0], dtype=initial.dtype) if log_decay is None else log_decay.to(initial.dtype).exp()
    if resets is not None:
        decays = torch.where(resets.unsqueeze(-1), 0.0, decays)
    return linear_recurrence(decays, torch.ones_like(decays), initial)


def _two_taps(
    q: Tensor, k: Tensor, taps: Tensor, state: DecayState, resets: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Both taps with one product of key and value a step: what the next step adds of this one is added at once.

    It is one step too early for this step's output, so it is taken off there: keys, what to take off (as a weight of
    the value), and the state with what the first step adds of the last one before it.
    """
    current, previous = taps.unbind(-1)  # (batch, length, heads)
    if resets is not None:
        previous = torch.where(resets.unsqueeze(-1), 0.0, previous)
    ahead = torch.cat([previous[:, 1:], torch.zeros_like(previous[:, :1])], dim=1)
    added = previous[:, 0, :, None] * state.key
    memory = state.memory + added.unsqueeze(-1) * state.value.unsqueeze(-2)
    key_sum = None if state.key_sum is None else state.key_sum + added
    return (current + ahead).unsqueeze(-1) * k, ahead * (q * k).sum(-1), memory, key_sum


def _beside(of_steps: Tensor, x: Tensor) -> Tensor:
    """(batch, length) with as many axes as `x`."""
    return of_steps.reshape(*of_steps.shape, *[1] * (x.ndim - 2))
