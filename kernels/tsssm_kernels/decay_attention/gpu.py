"""Decay attention on GPUs, registered as an operator of torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpu_launch import blocks, contiguous, dot_settings, launch, power_of_two, summed_parts
from ..gpu_tiles import find_tile
from ..registered import differentiable
from .ones import with_ones

__all__ = ["attend_gpu"]

LEAST = 16  # rows and columns that the matrix units take


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
    return with_ones(lambda v, state: _attend(q, k, v, log_decay, state, resets), v, state, sums)


def _is_by_key(log_decay: Tensor | None) -> bool:
    return log_decay is not None and log_decay.ndim == 4


def _steps(v: Tensor, log_decay: Tensor | None) -> int:
    """Of a chunk: the same in all kernels."""
    return find_tile("decay_attention", 2 if _is_by_key(log_decay) else 1, v.device)["STEPS"]


def _tile(kernel: str, q: Tensor, v: Tensor, log_decay: Tensor | None) -> dict[str, Any]:
    """No block is larger than what there is to fill it."""
    widths = {"KEYS": q.shape[3], "VALUES": v.shape[3]}
    tile = find_tile(f"decay_attention.{kernel}", max(widths.values()), v.device)
    fitting = {name: min(tile[name], power_of_two(width, LEAST)) for name, width in widths.items()}
    constants = {"STEPS": _steps(v, log_decay), "LOGS": q.shape[3] if _is_by_key(log_decay) else 1}
    return tile | fitting | constants | dot_settings(v)


def _shapes(q, k, v, log_decay, state, resets, keep) -> list[tuple[int, ...]]:
    (batch, length, heads, keys), values = q.shape, v.shape[3]
    kept = (batch, heads, blocks(length, _steps(v, log_decay)), keys, values)
    return [(batch, length, heads, values), (batch, heads, keys, values), kept if keep else (0,)]


def _dtypes(q: Tensor, k: Tensor, v: Tensor, *others: Any) -> list[torch.dtype]:
    return [v.dtype, torch.float32, torch.float32]


def _run_states(
    x: Tensor, y: Tensor, log_decay: Tensor | None, resets: Tensor | None, first: Tensor | None, *, backward: bool
) -> tuple[Tensor, Tensor]:
    """The states before each chunk and the last one, or of gradients, see the kernel."""
    from .gpu_kernels import run_states

    (batch, length, heads, keys), values, tile = x.shape, y.shape[3], _tile("states", x, y, log_decay)
    last = x.new_empty(batch, heads, keys, values, dtype=torch.float32)
    states = last.new_empty(batch, heads, blocks(length, tile["STEPS"]), keys, values)
    grid = (batch * heads, blocks(keys, tile["KEYS"]), blocks(values, tile["VALUES"]))
    arguments = (x, y, log_decay, resets, first, states, last, length, heads, keys, values)
    launch(run_states, grid, arguments, tile | {"BACKWARD": backward})
    return states, last


def _forward(q, k, v, log_decay, state, resets, keep) -> list[Tensor]:
    from .gpu_kernels import read_states

    q, k, v, log_decay, state, resets = contiguous(q, k, v, log_decay, state, resets)
    states, last = _run_states(k, v, log_decay, resets, state, backward=False)
    (batch, length, heads, keys), values, tile = q.shape, v.shape[3], _tile("outputs", q, v, log_decay)
    y = torch.empty_like(v)
    grid = (batch * heads * states.shape[2], blocks(values, tile["VALUES"]))
    launch(read_states, grid, (q, k, v, log_decay, resets, states, y, length, heads, keys, values), tile)
    return [y, last, states if keep else states.new_empty(0)]


def _backward(gradients, kept, q, k, v, log_decay, state, resets) -> list[Tensor | None]:
    from .gpu_kernels import gradients_by_head, gradients_by_key

    grad_y, grad_state = gradients
    q, k, v, log_decay, resets = contiguous(q, k, v, log_decay, resets)
    grad_y, grad_state = contiguous(torch.zeros_like(v) if grad_y is None else grad_y, grad_state)
    grad_states, grad_first = _run_states(q, grad_y, log_decay, resets, grad_state, backward=True)
    by_key = _is_by_key(log_decay)
    kernel = gradients_by_key if by_key else gradients_by_head
    (batch, length, heads, keys), values = q.shape, v.shape[3]
    tile = _tile("key_gradients" if by_key else "gradients", q, v, log_decay)
    n_blocks = blocks(keys, tile["KEYS"])

    def parts(x: Tensor | None) -> Tensor | None:
        """A part for each block of keys."""
        kind = None if x is None else x.dtype if n_blocks == 1 else torch.float32
        return None if x is None else x.new_empty(n_blocks, *x.shape, dtype=kind)

    grad_q, grad_k, grad_v = torch.empty_like(q), torch.empty_like(k), parts(v)
    grad_log = torch.empty_like(log_decay) if by_key else parts(log_decay)
    inputs, into = (q, k, v, log_decay, resets, kept[0], grad_y, grad_states), (grad_q, grad_k, grad_v, grad_log)
    launch(kernel, (batch * heads * kept[0].shape[2], n_blocks), (*inputs, *into, batch, length, heads, keys, values), tile)
    of_log = grad_log if by_key else summed_parts(grad_log, log_decay)
    return [grad_q, grad_k, summed_parts(grad_v, v), of_log, grad_first.to(state.dtype), None]


_attend = differentiable(
    "decay_attention_triton",
    {
        "q": "Tensor",
        "k": "Tensor",
        "v": "Tensor",
        "log_decay": "Tensor?",
        "state": "Tensor",
        "resets": "Tensor?",
    },
    2,
    1,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
    dtypes=_dtypes,
    devices=("cpu", "cuda"),
)
