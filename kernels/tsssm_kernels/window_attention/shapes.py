"""Refusal of what does not fit together, for window attention and its step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..arguments import check_shapes
from .state import WindowState

__all__ = ["check_state", "check_widths"]


def check_widths(
    operator: str, q: Tensor, k: Tensor, v: Tensor, rotary_base: float | None, scale: float | None
) -> None:
    """Refuse keys and values of other sizes than the queries', heads that cannot be shared, and bad options."""
    given = f"q of shape {tuple(q.shape)} and k of shape {tuple(k.shape)}"
    if q.shape[-2] % k.shape[-2]:
        raise ValueError(
            f"{operator}: k has {k.shape[-2]} heads, which must divide the {q.shape[-2]} heads of q; got {given}."
        )
    expected = {
        "k": (k, (*q.shape[:-2], k.shape[-2], q.shape[-1])),
        "v": (v, (*k.shape[:-1], v.shape[-1])),
    }
    check_shapes(operator, expected, given, None)
    if scale is not None and not math.isfinite(scale):
        raise ValueError(f"{operator}: scale must be finite; got {scale}. Leave it out for width ** -0.5.")
    if rotary_base is not None:
        if not 1 <= rotary_base < math.inf:
            raise ValueError(f"{operator}: rotary_base must be a finite number of at least 1; got {rotary_base}.")
        if q.shape[-1] % 2:
            raise ValueError(f"{operator}: rotary_base turns pairs of features, so width must be even; got {given}.")


def check_state(operator: str, name: str, state: WindowState, k: Tensor, v: Tensor, window: int) -> None:
    """Refuse a state that does not belong to such keys, values and window."""
    batch, heads = k.shape[0], k.shape[-2]
    given = f"k of shape {tuple(k.shape)}, v of shape {tuple(v.shape)} and a window of {window}"
    expected = {
        f"{name}.keys": (state.keys, (batch, window, heads, k.shape[-1])),
        f"{name}.values": (state.values, (batch, window, heads, v.shape[-1])),
        f"{name}.position": (state.position, (batch,)),
    }
    check_shapes(operator, expected, given, None)
    if state.position.dtype != torch.int64:
        raise ValueError(f"{operator}: {name}.position must be int64; got {state.position.dtype}.")
