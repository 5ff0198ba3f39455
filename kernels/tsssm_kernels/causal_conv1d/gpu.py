"""The causal convolution on GPUs, registered as an operator of torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpu_launch import blocks, contiguous, launch, power_of_two
from ..gpu_tiles import find_tile
from ..registered import differentiable
from .cpu import ARGUMENTS

__all__ = ["causal_conv1d_gpu"]


def causal_conv1d_gpu(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, state: Tensor | None, resets: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Run the kernels; arguments as in `causal_conv1d`, of floating dtypes up to float32."""
    y, last = _convolve(x, weight, bias, state, resets, activation == "silu")
    return y, last


def _shapes(x, weight, bias, state, resets, with_silu, keep) -> list[tuple[int, ...]]:
    return [x.shape, (x.shape[0], weight.shape[0] - 1, x.shape[2])]


def _dtypes(x: Tensor, *others: Any) -> list[torch.dtype]:
    return [x.dtype, torch.float32]


def _grid(tile: dict[str, Any], x: Tensor, earlier: int = 0) -> tuple[int, int]:
    """Programs for all steps, and some before them, of all series, and for all channels."""
    batch, length, channels = x.shape
    return batch * blocks(length + earlier, tile["STEPS"]), blocks(channels, tile["CHANNELS"])


def _forward(x, weight, bias, state, resets, with_silu, keep) -> list[Tensor]:
    from .gpu_kernels import convolve

    shapes = _shapes(x, weight, bias, state, resets, with_silu, keep)
    y, last = made = [x.new_empty(shape, dtype=dtype) for shape, dtype in zip(shapes, _dtypes(x))]
    (_, length, channels), tile = x.shape, find_tile("causal_conv1d", x.shape[2], x.device)
    inputs = contiguous(x, weight, bias, state, resets)
    constants = tile | {"TAPS": len(weight), "PLACES": power_of_two(len(weight) - 1), "SILU": with_silu}
    launch(convolve, _grid(tile, x), (*inputs, y, last, length, channels), constants)
    return made


def _backward(gradients, kept, x, weight, bias, state, resets, with_silu) -> list[Tensor | None]:
    from .gpu_kernels import differentiate_sums, send_back

    grad_y, grad_last = contiguous(torch.zeros_like(x) if gradients[0] is None else gradients[0], gradients[1])
    (_, length, channels), tile = x.shape, find_tile("causal_conv1d", x.shape[2], x.device)
    taps, grid = len(weight), _grid(tile, x)
    grad_sums = x.new_empty(x.shape, dtype=torch.float32) if with_silu else grad_y
    into_weight = x.new_empty(grid[0], taps, channels, dtype=torch.float32)
    into_bias = None if bias is None else x.new_empty(grid[0], channels, dtype=torch.float32)
    inputs = contiguous(x, weight, bias, state, resets)
    arguments = (*inputs, grad_y, grad_sums if with_silu else None, into_weight, into_bias, length, channels)
    launch(differentiate_sums, grid, arguments, tile | {"TAPS": taps, "SILU": with_silu})

    grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
    grad_state = None if state is None else torch.empty_like(state, memory_format=torch.contiguous_format)
    into_state = _real(grad_state)
    grid = _grid(tile, x, 0 if into_state is None else taps - 1)
    arguments = (inputs[1], inputs[4], grad_sums, _real(grad_last), grad_x, into_state, length, channels)
    launch(send_back, grid, arguments, tile | {"TAPS": taps})
    return [
        grad_x,
        into_weight.sum(0).to(weight.dtype),
        None if into_bias is None else into_bias.sum(0).to(bias.dtype),
        grad_state,
        None,
    ]


def _real(x: Tensor | None) -> Tensor | None:
    """A tensor that has numbers: with one tap there is a state without."""
    return None if x is None or x.numel() == 0 else x


_convolve = differentiable(
    "causal_conv1d_triton",
    ARGUMENTS,
    2,
    0,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
    dtypes=_dtypes,
    devices=("cpu", "cuda"),
)
