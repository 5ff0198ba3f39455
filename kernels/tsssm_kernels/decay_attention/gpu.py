"""Decay attention on GPUs, registered as an operator of torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpu_launch import blocks, contiguous, dot_settings, launch, power_of_two, summed_parts
from ..gpu_tiles import find_tile
from ..registered import differentiable
from .cpu import ARGUMENT_TYPES

__all__ = ["attend_gpu"]

LEAST = 16  # sizes of a tile that the matrix units take


def _tile(q: Tensor, v: Tensor, log_decay: Tensor | None) -> dict[str, Any]:
    """Of both passes: the backward pass starts at the states that the forward pass kept before its chunks."""
    kind = "keys" if log_decay is not None and log_decay.ndim == 4 else "heads"
    widest = max(q.shape[3], v.shape[3])
    tile = find_tile(f"decay_attention.{kind}", widest, v.device) | dot_settings(v)
    most = tile.pop("VALUES")
    return tile | {"KEYS": power_of_two(q.shape[3], LEAST), "VALUES": min(most, power_of_two(v.shape[3], LEAST))}


def _shapes(q, k, v, log_decay, state, sums, resets, keep) -> list[tuple[int, ...]]:
    (batch, length, heads, keys), values, with_sums = q.shape, v.shape[3], sums is not None
    kept = (batch, heads, blocks(length, _tile(q, v, log_decay)["STEPS"]), keys)
    return [
        (batch, length, heads, values),
        (batch, length, heads) if with_sums else (0,),
        (batch, heads, keys, values),
        (batch, heads, keys) if with_sums else (0,),
        (*kept, values) if keep else (0,),
        kept if keep and with_sums else (0,),
    ]


def _dtypes(q: Tensor, k: Tensor, v: Tensor, *others: Any) -> list[torch.dtype]:
    return [v.dtype, *[torch.float32] * 5]


def _forward(q, k, v, log_decay, state, sums, resets, keep) -> list[Tensor]:
    from . import gpu_kernels, gpu_key_kernels

    shapes = _shapes(q, k, v, log_decay, state, sums, resets, keep)
    made = [q.new_empty(shape, dtype=dtype) for shape, dtype in zip(shapes, _dtypes(q, k, v))]
    (batch, length, heads, keys), values, tile = q.shape, v.shape[3], _tile(q, v, log_decay)
    outputs = [x if x.numel() else None for x in made]
    inputs = contiguous(q, k, v, log_decay, resets, state, sums)
    by_key = log_decay is not None and log_decay.ndim == 4
    kernel = gpu_key_kernels.attend_keys_forward if by_key else gpu_kernels.attend_forward
    grid = (blocks(values, tile["VALUES"]), heads, batch)
    launch(kernel, grid, (*inputs, *outputs, length, heads, keys, values), tile)
    return made


def _backward(gradients, kept, q, k, v, log_decay, state, sums, resets) -> list[Tensor | None]:
    from . import gpu_kernels, gpu_key_kernels

    grad_y, grad_weights, grad_state, grad_sums = gradients
    (batch, length, heads, keys), values, tile = q.shape, v.shape[3], _tile(q, v, log_decay)
    n_blocks = blocks(values, tile["VALUES"])
    if sums is not None and grad_weights is None:
        grad_weights = q.new_zeros(q.shape[:3])

    def parts(x: Tensor | None) -> Tensor | None:
        """A part for each block of values."""
        kind = None if x is None else x.dtype if n_blocks == 1 else torch.float32
        return None if x is None else x.new_empty((n_blocks, *x.shape), dtype=kind)

    into = {"q": parts(q), "k": parts(k), "v": torch.empty_like(v, memory_format=torch.contiguous_format)}
    into |= {"log_decay": parts(log_decay), "state": torch.empty_like(state, memory_format=torch.contiguous_format)}
    into["sums"] = None if sums is None else torch.empty_like(sums, memory_format=torch.contiguous_format)
    incoming = contiguous(torch.zeros_like(v) if grad_y is None else grad_y, grad_weights, grad_state, grad_sums)
    inputs = (*contiguous(q, k, v, log_decay, resets), kept[0], kept[1] if sums is not None else None)
    by_key = log_decay is not None and log_decay.ndim == 4
    kernel = gpu_key_kernels.attend_keys_backward if by_key else gpu_kernels.attend_backward
    arguments = (*inputs, *incoming, *into.values(), batch, length, heads, keys, values)
    launch(kernel, (n_blocks, heads, batch), arguments, tile)
    return [
        summed_parts(into["q"], q),
        summed_parts(into["k"], k),
        into["v"],
        summed_parts(into["log_decay"], log_decay),
        into["state"],
        into["sums"],
        None,
    ]


_attend = differentiable(
    "decay_attention_triton",
    ARGUMENT_TYPES,
    4,
    2,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
    dtypes=_dtypes,
    devices=("cpu", "cuda"),
)


def attend_gpu(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    state: Tensor,
    sums: Tensor | None,
    resets: Tensor | None,
) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
    """As `attend_chunked`, with tensors of floating dtypes up to float32."""
    y, weights, after, sums_after = _attend(q, k, v, log_decay, state, sums, resets)
    return (y, None, after, None) if sums is None else (y, weights, after, sums_after)
