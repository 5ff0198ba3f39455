"""The definition of window attention: a loop over time steps."""

from __future__ import annotations

import torch
from torch import Tensor

from ..over_time import over_time
from .rotation import turned, turns_at
from .state import WindowState

__all__ = ["window_attention_reference"]


def window_attention_reference(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    window: int,
    *,
    rotary_base: float | None,
    scale: float,
    initial_state: WindowState | None,
    resets: Tensor | None,
) -> tuple[Tensor, WindowState]:
    """Attend step by step; arguments as in `window_attention`, all of one floating dtype, none left out."""
    state = _empty(k, v, window) if initial_state is None else initial_state
    outputs = []
    for q_t, k_t, v_t, reset in over_time(q, k, v, resets):
        if reset is not None:
            state = _cleared(state, reset)
        y, state = _advance(state, q_t, k_t, v_t, rotary_base=rotary_base, scale=scale)
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def _advance(
    state: WindowState, q: Tensor, k: Tensor, v: Tensor, *, rotary_base: float | None, scale: float
) -> tuple[Tensor, WindowState]:
    """Output (batch, heads, values) and state of one step; inputs as in `window_attention`, without the length."""
    keys, values, position = state
    heads, kv_heads = q.shape[1], k.shape[1]
    if rotary_base is not None:
        turns = turns_at(position, rotary_base, q.shape[-1], q.dtype)
        q, k = turned(torch.cat([q, k], dim=1), turns).split([heads, kv_heads], dim=1)

    slots = torch.arange(keys.shape[1], device=keys.device)
    own = (slots == (position % len(slots)).unsqueeze(-1))[..., None, None]  # (batch, window, 1, 1)
    keys, values = torch.where(own, k.unsqueeze(1), keys), torch.where(own, v.unsqueeze(1), values)
    empty = slots > position.unsqueeze(-1)  # (batch, window)

    q = q.unflatten(1, (kv_heads, -1))  # (batch, kv_heads, shared, width): neighbouring heads share keys and values
    scores = q @ keys.permute(0, 2, 3, 1) * scale  # (batch, kv_heads, shared, window)
    weights = scores.masked_fill(empty[:, None, None], -torch.inf).softmax(-1)
    y = weights @ values.transpose(1, 2)
    return y.flatten(1, 2), WindowState(keys, values, position + 1)


def _empty(k: Tensor, v: Tensor, window: int) -> WindowState:
    batch, _, heads, width = k.shape
    return WindowState(
        keys=k.new_zeros(batch, window, heads, width),
        values=v.new_zeros(batch, window, heads, v.shape[-1]),
        position=torch.zeros(batch, dtype=torch.int64, device=k.device),
    )


def _cleared(state: WindowState, reset: Tensor) -> WindowState:
    """An empty ring where a sequence begins."""
    keys, values = (torch.where(reset[:, None, None, None], 0.0, ring) for ring in state[:2])
    return WindowState(keys, values, torch.where(reset, 0, state.position))
