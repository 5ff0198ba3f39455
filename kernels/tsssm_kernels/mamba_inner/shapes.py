"""Refusal of tensors that do not fit together."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["check_shapes"]


def check_shapes(names: tuple[str, ...], given: tuple[Tensor | None, ...], sequence: tuple[int, ...]) -> None:
    """Refuse inputs of `mamba_inner` or its step that do not fit, naming the argument and both shapes.

    `sequence` is (batch, length), or (batch,) for a step; sizes are those of conv_weight, delta_projection_weight, A.
    """
    tensors = dict(zip(names, given))
    taps, channels = _size(tensors, "conv_weight", "(taps, channels), taps at least 2", 2)
    _, rank = _size(tensors, "delta_projection_weight", "(channels, rank)", 1)
    _, n_state = _size(tensors, "A", "(channels, state)", 1)
    expected = {
        "xz": (*sequence, 2 * channels),
        "conv_bias": (channels,),
        "x_projection_weight": (rank + 2 * n_state, channels),
        "delta_projection_weight": (channels, rank),
        "delta_projection_bias": (channels,),
        "A": (channels, n_state),
        "D": (channels,),
        "tail": (sequence[0], taps - 1, channels),
        "initial_state": (sequence[0], channels, n_state),
        "state": (sequence[0], channels, n_state),
        "time_gaps": sequence,
        "resets": sequence,
    }
    for name, shape in expected.items():
        tensor = tensors.get(name)
        if tensor is not None and tensor.shape != shape:
            raise ValueError(
                f"mamba_inner: {name} must have shape {shape} for {channels} channels, {taps} taps, rank {rank} and "
                f"state {n_state}; got {tuple(tensor.shape)}."
            )
    resets = tensors.get("resets")
    if resets is not None and resets.dtype != torch.bool:
        raise ValueError(f"mamba_inner: resets must be a bool tensor; got {resets.dtype}. Pass resets != 0.")


def _size(tensors: dict[str, Tensor | None], name: str, wanted: str, at_least: int) -> tuple[int, int]:
    tensor = tensors[name]
    assert tensor is not None
    if tensor.ndim != 2 or tensor.shape[0] < at_least or 0 in tensor.shape:
        raise ValueError(f"mamba_inner: {name} must have shape {wanted}; got {tuple(tensor.shape)}.")
    return tensor.shape[0], tensor.shape[1]
