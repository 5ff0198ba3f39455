"""Decay attention on GPUs, registered as an operator of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..gpu_launch import as_autocast_has_it, blocks, contiguous, dot_settings, launch, power_of_two, summed_parts
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
    q, k, v = as_autocast_has_it(q, k, v)

    def attend(v: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        y, after = _attend(q, k, v, log_decay, state, resets)
        return y, after

    return with_ones(attend, v, state, sums)


def _is_by_key(log_decay: Tensor | None) -> bool:
    return log_decay is not None and log_decay.ndim == 4


def _steps(v: Tensor, log_decay: Tensor | None) -> int:
    """Of a chunk, the same in all kernels: more in bfloat16, whose products take fewer registers."""
    return 32 if v.dtype == torch.bfloat16 and not _is_by_key(log_decay) else 16


def _tile(kernel: str, q: Tensor, v: Tensor, log_decay: Tensor | None, *others: Tensor) -> dict[str, Any]:
    """No block is larger than what there is to fill it; `others` are multiplied too."""
    widths = {"KEYS": q.shape[3], "VALUES": v.shape[3]}
    tile = find_tile(f"decay_attention.{kernel}", max(widths.values()), v.device)
    fitting = {name: min(tile[name], power_of_two(width, LEAST)) for name, width in widths.items()}
    constants = {"STEPS": _steps(v, log_decay), "LOGS": q.shape[3] if _is_by_key(log_decay) else 1}
    return tile | fitting | constants | dot_settings(q, v, *others)


def _shapes(q, k, v, log_decay, state, resets, keep) -> list[tuple[int, ...]]:
    (batch, length, heads, keys), values = q.shape, v.shape[3]
    kept = (batch, heads, blocks(length, _steps(v, log_decay)), keys, values)
    return [(batch, length, heads, values), (batch, heads, keys, values), kept if keep else (0,)]


def _dtypes(q: Tensor, k: Tensor, v: Tensor, *others: Any) -> list[torch.dtype]:
    # a divisor of outputs may follow, and either may be large: more than float16 has room for
    return [v.dtype if v.dtype == torch.bfloat16 else torch.float32, torch.float32, torch.float32]


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
    (batch, length, heads, keys), values, tile = q.shape, v.shape[3], _tile("outputs", q, v, log_decay, k)
    y = torch.empty_like(v, dtype=_dtypes(q, k, v)[0])
    grid = (batch * heads * states.shape[2], blocks(values, tile["VALUES"]))
    launch(read_states, grid, (q, k, v, log_decay, resets, states, y, length, heads, keys, values), tile)
    return [y, last, states if keep else states.new_empty(0)]


def _backward(gradients, kept, q, k, v, log_decay, state, resets) -> list[Tensor | None]:
    grad_y, grad_state = gradients
    q, k, v, log_decay, resets = contiguous(q, k, v, log_decay, resets)
    # outputs were rounded to v's dtype, and so are their gradients; chunks are as long as in the forward pass
    grad_y, grad_state = contiguous(torch.zeros_like(v) if grad_y is None else grad_y.to(v.dtype), grad_state)
    grad_states, grad_first = _run_states(q, grad_y, log_decay, resets, grad_state, backward=True)
    inputs = (q, k, v, log_decay, resets, kept[0], grad_y)
    gradients_of = _gradients_by_key if _is_by_key(log_decay) else _gradients_by_head
    return [*gradients_of(inputs, grad_states), grad_first.to(state.dtype), None]


def _gradients_by_head(inputs: Sequence[Any], grad_states: Tensor) -> list[Tensor | None]:
    """Of queries, keys, values and log-decays."""
    from .gpu_kernels import query_gradients_by_head, written_gradients_by_head

    q, k, v, log_decay, *_ = inputs
    sizes, programs = (*q.shape, v.shape[3]), grad_states.shape[:3].numel()
    tile = _tile("query_gradients", q, v, log_decay, k)
    n_blocks = blocks(q.shape[3], tile["KEYS"])
    grad_q, from_queries = torch.empty_like(q), _parts(log_decay, n_blocks)
    launch(query_gradients_by_head, (programs, n_blocks), (*inputs, grad_q, from_queries, *sizes), tile)
    tile = _tile("written_gradients", q, v, log_decay, k)
    n_blocks = blocks(q.shape[3], tile["KEYS"])
    into = grad_k, grad_v, from_written = torch.empty_like(k), _parts(v, n_blocks), _parts(log_decay, n_blocks)
    launch(written_gradients_by_head, (programs, n_blocks), (*inputs, grad_states, *into, *sizes), tile)
    parts = [part for part in (from_queries, from_written) if part is not None]
    of_log = summed_parts(torch.cat(parts), log_decay) if parts else None
    return [grad_q, grad_k, summed_parts(grad_v, v), of_log]


def _gradients_by_key(inputs: Sequence[Any], grad_states: Tensor) -> list[Tensor | None]:
    """Of queries, keys, values and log-decays."""
    from .gpu_kernels import gradients_by_key

    q, k, v, log_decay, *_ = inputs
    tile = _tile("key_gradients", q, v, log_decay, k)
    n_blocks = blocks(q.shape[3], tile["KEYS"])
    into = grad_q, grad_k, grad_v, grad_log = (
        *map(torch.empty_like, (q, k)),
        _parts(v, n_blocks),
        torch.empty_like(log_decay),
    )
    arguments = (*inputs, grad_states, *into, *q.shape, v.shape[3])
    launch(gradients_by_key, (grad_states.shape[:3].numel(), n_blocks), arguments, tile)
    return [grad_q, grad_k, summed_parts(grad_v, v), grad_log]


def _parts(x: Tensor | None, count: int) -> Tensor | None:
    """Room for a part of a gradient for each block of keys."""
    return None if x is None else x.new_empty(count, *x.shape, dtype=torch.float32)


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
