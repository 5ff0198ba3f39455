"""One step of window attention, for streams."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ..arguments import computed_dtype, converted
from .rotation import turned, turns_at
from .shapes import check_state, check_widths
from .state import WindowState

__all__ = ["window_attention_step"]


def window_attention_step(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    state: WindowState,
    *,
    rotary_base: float | None = None,
    scale: float | None = None,
) -> tuple[Tensor, WindowState]:
    """Advance window attention by one step; equals `window_attention` on a sequence of length 1.

    Parameters
    ----------
    q : Tensor, shape (batch, heads, width)
        Query.
    k : Tensor, shape (batch, kv_heads, width)
        Key.
    v : Tensor, shape (batch, kv_heads, values)
        Value.
    state : WindowState
        The state before the step; left as it is. The window is as long as its ring.
    rotary_base, scale
        As in `window_attention`.

    Returns
    -------
    output : Tensor, shape (batch, heads, values)
        Of `v`'s dtype.
    state : WindowState
        The state after the step, float32 (float64 for float64 inputs).

    Raises
    ------
    ValueError
        If the state's shape does not fit the inputs, or the options are refused by `window_attention`.

    Examples
    --------
    >>> import torch
    >>> one = torch.ones(1, 1, 1)
    >>> empty = WindowState(torch.zeros(1, 2, 1, 1), torch.zeros(1, 2, 1, 1), torch.tensor([0]))
    >>> y, state = window_attention_step(one, one, 3 * one, empty)
    >>> y, state = window_attention_step(one, one, 5 * one, state)
    >>> y.flatten(), state.position
    (tensor([4.]), tensor([2]))
    """
    check_widths("window_attention_step", q, k, v, rotary_base, scale)
    check_state("window_attention_step", "state", state, k, v, state.keys.shape[1])
    dtype = computed_dtype((q, k, v, *state[:2]))
    queries, k, values, *rings = converted((q, k, v, *state[:2]), dtype)
    if rotary_base is not None:
        turns = turns_at(state.position, rotary_base, q.shape[-1], dtype)
        heads = [q.shape[1], k.shape[1]]
        queries, k = turned(torch.cat([queries, k], dim=1), turns).split(heads, dim=1)
    window = rings[0].shape[1]
    slot = (state.position % window)[:, None, None, None]
    entering = zip(rings, (k.unsqueeze(1), values.unsqueeze(1)))
    keys, values = (ring.scatter(1, slot.expand_as(x), x) for ring, x in entering)
    filled = torch.arange(window, device=q.device) <= state.position[:, None]  # (batch, window)
    y = scaled_dot_product_attention(
        queries.unflatten(1, (k.shape[1], -1)),  # (batch, kv_heads, shared, width)
        keys.transpose(1, 2),
        values.transpose(1, 2),
        attn_mask=filled[:, None, None],
        scale=scale,
    )
    return y.flatten(1, 2).to(v.dtype), WindowState(keys, values, state.position + 1)
