"""Refusal of tensors that do not fit together."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["check_shapes"]


def check_shapes(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    time_gaps: Tensor | None,
    initial_state: Tensor | None,
    resets: Tensor | None,
) -> None:
    """Refuse inputs of `selective_scan` whose shapes or dtypes do not fit, naming the argument and both shapes."""
    if u.ndim != 3 or 0 in u.shape:
        raise ValueError(
            f"selective_scan: u must have shape (batch, length, channels), none of them 0; got {tuple(u.shape)}."
        )
    if A.ndim != 2 or A.shape[0] != u.shape[2] or A.shape[1] == 0:
        raise ValueError(
            f"selective_scan: A must have shape (channels, state) = ({u.shape[2]}, at least 1) for u of shape "
            f"{tuple(u.shape)}; got {tuple(A.shape)}."
        )
    batch, length, channels = u.shape
    sequence, state = (batch, length), A.shape[1]
    expected = {
        "delta": (delta, (*sequence, channels)),
        "B": (B, (*sequence, state)),
        "C": (C, (*sequence, state)),
        "D": (D, (channels,)),
        "z": (z, (*sequence, channels)),
        "delta_bias": (delta_bias, (channels,)),
        "time_gaps": (time_gaps, sequence),
        "initial_state": (initial_state, (batch, channels, state)),
        "resets": (resets, sequence),
    }
    for name, (tensor, shape) in expected.items():
        if tensor is not None and tensor.shape != shape:
            raise ValueError(
                f"selective_scan: {name} must have shape {shape} for u of shape {tuple(u.shape)} and A of shape "
                f"{tuple(A.shape)}; got {tuple(tensor.shape)}."
            )
    if resets is not None and resets.dtype != torch.bool:
        raise ValueError(f"selective_scan: resets must be a bool tensor; got {resets.dtype}. Pass resets != 0.")
    if not u.is_floating_point():
        raise ValueError(f"selective_scan: u must be floating point; got {u.dtype}. Pass u.float().")
