"""The definition of decay attention: a loop over time steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..over_time import over_time
from .state import DecayState

__all__ = ["advance", "decay_attention_reference"]


def decay_attention_reference(
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
    """Run the recurrence step by step; arguments as in `decay_attention`, all of one floating dtype, none left out."""
    state = initial_state
    outputs = []
    sequences = (q, k, v, log_decay, input_gate, taps, time_gaps, resets)
    for q_t, k_t, v_t, decay, gate, weights, gap, reset in over_time(*sequences):
        if reset is not None:
            state = _cleared(state, reset)
        inputs = (q_t, k_t, v_t, decay, gate, weights, angles, bonus)
        y, state = advance(state, *inputs, normalizer=normalizer, eps=eps, time_gap=gap)
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def advance(
    state: DecayState,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    input_gate: Tensor | None,
    taps: Tensor | None,
    angles: Tensor | None,
    bonus: Tensor | None,
    *,
    normalizer: str | None,
    eps: float,
    time_gap: Tensor | None,
) -> tuple[Tensor, DecayState]:
    """Output (batch, heads, values) and state of one step; inputs as in `decay_attention`, without the length."""
    memory, key_sum, decay_sum, scale, key, value = state
    y = _read(memory + _outer(bonus * k, v), q) if bonus is not None else None
    if taps is not None:
        previous, current = taps[..., 1, None], taps[..., 0, None]
        memory = memory + _outer(previous * key, value)
        key_sum = None if key_sum is None else key_sum + previous * key
        key, value, k = k, v, current * k

    log = memory.new_zeros(()) if log_decay is None else log_decay
    log = log if time_gap is None else log * time_gap.view(-1, *[1] * (log.ndim - 1))
    if input_gate is not None:
        before, scale = log + scale, torch.maximum(log + scale, input_gate)
        log, k = before - scale, (input_gate - scale).exp().unsqueeze(-1) * k
    decay = log.exp()
    decay_sum = None if decay_sum is None else decay * decay_sum + 1
    decay = decay if decay.ndim == 3 else decay.unsqueeze(-1)  # one for each key, or for all
    turn = None if angles is None else angles if time_gap is None else angles * time_gap[:, None, None]
    memory = _turned(decay.unsqueeze(-1) * memory, turn) + _outer(k, v)
    if key_sum is not None:
        key_sum = _turned((decay * key_sum).unsqueeze(-1), turn).squeeze(-1) + k

    if y is None:
        y = _read(memory, q)
    if decay_sum is not None:
        y = y / decay_sum[..., None]
    elif normalizer is not None:
        weight = (q * key_sum).sum(-1, keepdim=True)
        if normalizer == "bounded":
            least = torch.ones_like(weight) if scale is None else (-scale).exp().unsqueeze(-1)
            weight = torch.maximum(weight.abs(), least)
        y = y / (weight + eps)
    return y, DecayState(memory, key_sum, decay_sum, scale, key, value)


def _outer(k: Tensor, v: Tensor) -> Tensor:
    return k.unsqueeze(-1) * v.unsqueeze(-2)


def _read(memory: Tensor, q: Tensor) -> Tensor:
    return (memory * q.unsqueeze(-1)).sum(-2)


def _turned(memory: Tensor, turn: Tensor | None) -> Tensor:
    """Rotate the first pairs of keys, (i, pairs + i), by minus the angles (..., heads, pairs)."""
    if turn is None:
        return memory
    pairs = turn.shape[-1]
    cos, sin = turn.cos().unsqueeze(-1), turn.sin().unsqueeze(-1)
    first, second, rest = memory[..., :pairs, :], memory[..., pairs : 2 * pairs, :], memory[..., 2 * pairs :, :]
    return torch.cat([cos * first + sin * second, cos * second - sin * first, rest], dim=-2)


def _cleared(state: DecayState, reset: Tensor) -> DecayState:
    """Zero where a sequence begins."""

    def cleared(part: Any) -> Any:
        return None if part is None else torch.where(reset.view(-1, *[1] * (part.ndim - 1)), 0.0, part)

    return DecayState(*map(cleared, state))
