"""The selective scan on GPUs, registered as an operator of torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpu_launch import blocks, contiguous, launch, power_of_two, summed_parts
from ..gpu_tiles import find_tile
from ..registered import differentiable
from .cpu import TENSOR_TYPES

__all__ = ["selective_scan_gpu"]

STEPS = 16  # of a tile, and between two states that are kept
PROGRAMS = 1024  # of a launch backward, several for each processor of a large GPU: each has its parts of gradients


def selective_scan_gpu(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    *,
    time_gaps: Tensor | None = None,
    initial_state: Tensor | None = None,
    resets: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Run the kernels; arguments as in `selective_scan`, of floating dtypes up to float32."""
    tensors = (u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets)
    y, state = _scan(*tensors, delta_softplus)
    return y, state


def _tile(what: str, A: Tensor) -> dict[str, Any]:
    states = A.shape[1]
    return find_tile(f"selective_scan.{what}", states, A.device) | {"STEPS": STEPS, "STATES": power_of_two(states)}


def _shapes(
    u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets, delta_softplus, keep
) -> list[tuple[int, ...]]:
    (batch, length, channels), states = u.shape, A.shape[1]
    kept = (batch, blocks(length, STEPS), channels, states)
    return [(batch, length, channels), (batch, channels, states), kept if keep else (0,)]


def _dtypes(u: Tensor, *others: Any) -> list[torch.dtype]:
    return [u.dtype, torch.float32, torch.float32]


def _forward(
    u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets, delta_softplus, keep
) -> list[Tensor]:
    from .gpu_kernels import scan_forward

    given = (u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets)
    shapes = _shapes(*given, delta_softplus, keep)
    y, state, kept = made = [u.new_empty(shape, dtype=dtype) for shape, dtype in zip(shapes, _dtypes(u))]
    (batch, length, channels), tile = u.shape, _tile("forward", A)
    inputs = contiguous(u, delta, A, B, C, D, z, delta_bias, time_gaps, resets, initial_state)
    grid = (batch, blocks(channels, tile["CHANNELS"]))
    arguments = (*inputs, y, state, kept if keep else None, length, channels, A.shape[1])
    launch(scan_forward, grid, arguments, tile | {"SOFTPLUS": delta_softplus})
    return made


def _backward(
    gradients, kept, u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets, delta_softplus
) -> list[Tensor | None]:
    from .gpu_kernels import scan_backward

    grad_y, grad_state = gradients
    (batch, length, channels), states, tile = u.shape, A.shape[1], _tile("backward", A)
    n_blocks = blocks(channels, tile["CHANNELS"])
    at_once = min(n_blocks, blocks(PROGRAMS, batch))
    inputs = contiguous(u, delta, A, B, C, D, z, delta_bias, time_gaps, resets, kept[0])

    def parts(needed: Tensor | None, *shape: int) -> Tensor | None:
        return None if needed is None else u.new_empty(shape, dtype=torch.float32)

    def like(x: Tensor | None) -> Tensor | None:
        return None if x is None else torch.empty_like(x, memory_format=torch.contiguous_format)

    grads = {
        "u": like(u),
        "delta": like(delta),
        "A": parts(A, batch, channels, states),
        "B": parts(B, at_once, batch, length, states),
        "C": parts(C, at_once, batch, length, states),
        "D": parts(D, batch, channels),
        "z": like(z),
        "delta_bias": parts(delta_bias, batch, channels),
        "time_gaps": parts(time_gaps, at_once, batch, length),
        "initial_state": like(initial_state),
    }
    incoming = contiguous(torch.zeros_like(u) if grad_y is None else grad_y, grad_state)
    arguments = (*inputs, *incoming, *grads.values(), batch, length, channels, states)
    for first in range(0, n_blocks, at_once):
        grid = (batch, min(at_once, n_blocks - first))
        launch(scan_backward, grid, (*arguments, first), tile | {"SOFTPLUS": delta_softplus})
    given = dict(zip(grads, (u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state)))
    in_parts = ("A", "B", "C", "D", "delta_bias", "time_gaps")
    return [*(summed_parts(g, given[name]) if name in in_parts else g for name, g in grads.items()), None]


_scan = differentiable(
    "selective_scan_triton",
    TENSOR_TYPES | {"delta_softplus": "bool"},
    2,
    1,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
    dtypes=_dtypes,
    devices=("cpu", "cuda"),
)
