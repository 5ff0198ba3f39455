"""The diagonal scan on GPUs, registered as an operator of torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpu_launch import blocks, contiguous, launch, power_of_two
from ..gpu_tiles import find_tile
from ..registered import differentiable
from .cpu import ARGUMENTS

__all__ = ["diagonal_scan_gpu"]

STEPS = 16  # of a tile, and between two states that are kept


def diagonal_scan_gpu(
    u: Tensor,
    log_A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    time_gaps: Tensor | None,
    state: Tensor,
    resets: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The diagonal scan, of precisions up to single; as `diagonal_scan_reference`."""
    log_A, B, C, state = (torch.view_as_real(x.resolve_conj()) for x in (log_A, B, C, state))
    y, after = _scan(u, log_A, B, C, D, time_gaps, state, resets)
    return y, torch.view_as_complex(after)


def _tile(what: str, log_A: Tensor) -> dict[str, Any]:
    states = log_A.shape[1]
    tile = find_tile(f"diagonal_scan.{what}", states, log_A.device)
    return tile | {"STEPS": STEPS, "STATES": power_of_two(states)}


def _shapes(u, log_A, B, C, D, gaps, state, resets, keep) -> list[tuple[int, ...]]:
    batch, length, _ = u.shape
    return [u.shape, state.shape, (batch, blocks(length, STEPS), *log_A.shape) if keep else (0,)]


def _dtypes(u: Tensor, *others: Any) -> list[torch.dtype]:
    return [u.dtype, torch.float32, torch.float32]


def _forward(u, log_A, B, C, D, gaps, state, resets, keep) -> list[Tensor]:
    from .gpu_kernels import scan_forward

    shapes = _shapes(u, log_A, B, C, D, gaps, state, resets, keep)
    y, after, kept = made = [u.new_empty(shape, dtype=dtype) for shape, dtype in zip(shapes, _dtypes(u))]
    (batch, length, channels), tile = u.shape, _tile("forward", log_A)
    inputs = contiguous(u, log_A, B, C, D, gaps, resets, state)
    grid = (batch, blocks(channels, tile["CHANNELS"]))
    launch(scan_forward, grid, (*inputs, y, after, kept if keep else None, length, channels, log_A.shape[1]), tile)
    return made


def _backward(gradients, kept, u, log_A, B, C, D, gaps, state, resets) -> list[Tensor | None]:
    from .gpu_kernels import scan_backward

    (batch, length, channels), tile = u.shape, _tile("backward", log_A)
    grid = (batch, blocks(channels, tile["CHANNELS"]))
    inputs = contiguous(u, log_A, B, C, D, gaps, resets, kept[0])
    grad_y, grad_state = contiguous(torch.zeros_like(u) if gradients[0] is None else gradients[0], gradients[1])

    def parts(needed: Tensor | None, *shape: int) -> Tensor | None:
        return None if needed is None else u.new_empty(shape, dtype=torch.float32)

    grad_u = torch.empty_like(u, memory_format=torch.contiguous_format)
    grad_initial = torch.empty_like(state, memory_format=torch.contiguous_format)
    given = (log_A, B, C, D, gaps)
    summed = [
        *(parts(x, batch, *log_A.shape) for x in (log_A, B, C)),
        parts(D, batch, channels),
        parts(gaps, grid[1], batch, length),
    ]
    arguments = (*inputs, grad_y, grad_state, grad_u, *summed, grad_initial, batch, length, channels, log_A.shape[1])
    launch(scan_backward, grid, arguments, tile)
    totals = [None if part is None else part.sum(0).to(x.dtype) for x, part in zip(given, summed)]
    return [grad_u, *totals, grad_initial, None]


_scan = differentiable(
    "diagonal_scan_triton",
    ARGUMENTS,
    2,
    1,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
    dtypes=_dtypes,
    devices=("cpu", "cuda"),
)
