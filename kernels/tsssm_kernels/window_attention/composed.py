"""Window attention by way of a fast form for a whole sequence: positions, and the ring before and after it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from .state import WindowState

__all__ = ["window_attention_composed"]

Attend = Callable[..., tuple[Tensor, Tensor]]


def window_attention_composed(
    attend: Attend,
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
    """Arguments as in `window_attention`, all of one floating dtype, none left out.

    `attend` takes q, k, v, the keys and values of the window before them (oldest first, or None), the position of each
    step, (batch, length) or None for 0, 1, 2 .., the window, the base of the rotary positions or None, and the scale.
    It gives the output and the turned keys.
    """
    if initial_state is None and resets is None:
        y, keys = attend(q, k, v, None, None, None, window, rotary_base, scale)
        return y, _fresh_ring(keys, v, window)
    if initial_state is None:
        position = _positions(torch.zeros(len(q), dtype=torch.int64, device=q.device), q.shape[1], resets)
        y, keys = attend(q, k, v, None, None, position, window, rotary_base, scale)
        return y, _ring(keys, v, window, position[:, -1] + 1, resets, begun=False)
    start = initial_state.position
    position = _positions(start, q.shape[1], resets)
    past_keys, past_values = _oldest_first(initial_state.keys, start), _oldest_first(initial_state.values, start)
    y, keys = attend(q, k, v, past_keys, past_values, position, window, rotary_base, scale)
    keys, v = torch.cat([past_keys, keys[:, -window:]], dim=1), torch.cat([past_values, v[:, -window:]], dim=1)
    return y, _ring(keys, v, window, position[:, -1] + 1, resets, begun=True)


def _positions(start: Tensor, length: int, resets: Tensor | None) -> Tensor:
    """Position of each step since its sequence began, (batch, length) int64."""
    index = torch.arange(length, device=start.device)
    running = start[:, None] + index
    if resets is None:
        return running
    last_reset = torch.where(resets, index, -1).cummax(1).values
    return torch.where(last_reset >= 0, index - last_reset, running)


def _oldest_first(ring: Tensor, position: Tensor) -> Tensor:
    """The slots of a ring as the steps before `position`."""
    window = ring.shape[1]
    return _take(ring, (position[:, None] + torch.arange(window, device=ring.device)) % window)


def _fresh_ring(keys: Tensor, values: Tensor, window: int) -> WindowState:
    """The state after sequences that began with the keys' first."""
    length = keys.shape[1]

    def ring(x: Tensor) -> Tensor:
        if length < window:
            return pad(x, (0, 0, 0, 0, 0, window - length))
        return x[:, -window:].roll(length % window, dims=1)

    position = torch.full((len(keys),), length, dtype=torch.int64, device=keys.device)
    return WindowState(ring(keys), ring(values), position)


def _ring(
    keys: Tensor, values: Tensor, window: int, position: Tensor, resets: Tensor | None, *, begun: bool
) -> WindowState:
    """The state after steps of which the last are given; those of a window before the call among them if `begun`."""
    slots = torch.arange(window, device=keys.device)
    age = (position[:, None] - 1 - slots) % window  # (batch, window): steps since a slot was filled
    index = (keys.shape[1] - 1 - age).clamp(min=0)
    ring_keys, ring_values = _take(keys, index), _take(values, index)
    if resets is not None:  # no slot keeps what lies before a sequence's first step
        kept = age < position[:, None]
        if begun:
            kept = kept | ~resets.any(1, keepdim=True)
        ring_keys, ring_values = (torch.where(kept[..., None, None], x, 0.0) for x in (ring_keys, ring_values))
    return WindowState(ring_keys, ring_values, position)


def _take(x: Tensor, index: Tensor) -> Tensor:
    """Rows of the second axis, (batch, rows, ...) and (batch, n) -> (batch, n, ...)."""
    return x.gather(1, index[..., None, None].expand(-1, -1, *x.shape[2:]))
