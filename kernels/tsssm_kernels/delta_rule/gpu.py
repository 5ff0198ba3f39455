"""The delta rule on GPUs, registered as an operator of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..gpu_launch import as_autocast_has_it, blocks, contiguous, dot_settings, launch, power_of_two
from ..gpu_tiles import find_tile
from ..registered import differentiable
from .cpu import TENSOR_TYPES

__all__ = ["delta_rule_gpu"]

STEPS = 16  # of a chunk, and between two states that are kept
LEVELS = 4  # halvings of a chunk


def delta_rule_gpu(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor,
    b: Tensor,
    log_decay: Tensor | None,
    *,
    initial_state: Tensor,
    resets: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Run the kernels; arguments as in `delta_rule`, of floating dtypes up to float32, none left out."""
    y, state = _run(*as_autocast_has_it(q, k, v, a, b), log_decay, initial_state, resets)
    return y, state


def _shapes(q, k, v, a, b, log_decay, state, resets, keep) -> list[tuple[int, ...]]:
    (batch, length, heads, values), keys = v.shape, q.shape[3]
    kept = (batch, heads, blocks(length, STEPS), keys, values)
    results = [(batch, length, heads, values), (batch, heads, keys, values)]
    return [*results, *([(batch, length, heads, values), kept] if keep else [(0,), (0,)])]


def _dtypes(q, k, v, *others: Any) -> list[torch.dtype]:
    return [v.dtype, torch.float32, torch.float32, torch.float32]


class _Call:
    """What the kernels of a call have in common."""

    def __init__(self, q: Tensor, v: Tensor, log_decay: Tensor | None, *others: Tensor):
        (self.batch, self.length, self.heads, self.values), self.keys = v.shape, q.shape[3]
        self.by_key = log_decay is not None and log_decay.ndim == 4
        self.items, self.chunks = self.batch * self.heads, blocks(self.length, STEPS)
        self.sizes = (self.length, self.heads, self.keys, self.values, self.keys if self.by_key else 1)
        self.device, self.settings = v.device, {"STEPS": STEPS, **dot_settings(q, v, *others)}

    def of_chunks(self, inputs: Sequence[Tensor | None]) -> list[Tensor]:
        """Weights, what decays make of q, a, k, b, and the shares of states that are lost.

        Inputs are q, k, a, b, log-decays and resets.
        """
        import triton.language as tl

        from .gpu_weights import delta_weights

        decayed = torch.bfloat16 if self.settings["DOT"] == tl.bfloat16 else torch.float32  # as it will be multiplied
        length, heads, keys, _, decays = self.sizes
        count = self.items * self.chunks
        made = [
            torch.empty(count, 5, STEPS, STEPS, dtype=torch.float32, device=self.device),
            *(torch.empty(self.batch, length, heads, keys, dtype=decayed, device=self.device) for _ in range(4)),
            torch.empty(count, decays, dtype=torch.float32, device=self.device),
        ]
        grid, tile = (count,), self.tile("weights") | {"BY_KEY": self.by_key, "LEVELS": LEVELS}
        launch(delta_weights, grid, (*inputs, *made, length, heads, keys, decays), tile)
        return made

    def along_time(self, kernel: str) -> tuple[tuple[int, int], dict[str, Any]]:
        """Grid and constants of a kernel whose programs keep a state; matrix units multiply blocks of 16 and more."""
        tile, keys = self.tile(kernel), power_of_two(self.keys, 16)
        tile |= {"KEYS": keys, "DECAYS": keys if self.by_key else 1}
        return (self.items, blocks(self.values, tile["VALUES"])), tile

    def tile(self, kernel: str) -> dict[str, Any]:
        """Constants of a kernel."""
        return find_tile(f"delta_rule.{kernel}", self.keys, self.device) | self.settings


def _forward(q, k, v, a, b, log_decay, state, resets, keep) -> list[Tensor]:
    from .gpu_states import delta_forward

    shapes = _shapes(q, k, v, a, b, log_decay, state, resets, keep)
    made = [v.new_empty(shape, dtype=dtype) for shape, dtype in zip(shapes, _dtypes(q, k, v), strict=True)]
    q, k, v, a, b, log_decay, state, resets = contiguous(q, k, v, a, b, log_decay, state, resets)
    call = _Call(q, v, log_decay, k, a, b)
    of_chunks = call.of_chunks((q, k, a, b, log_decay, resets))
    grid, tile = call.along_time("forward")
    into = made if keep else (*made[:2], None, None)
    launch(delta_forward, grid, (v, *of_chunks, state, *into, *call.sizes), tile)
    return made


def _backward(gradients, kept, q, k, v, a, b, log_decay, state, resets) -> list[Tensor | None]:
    from .gpu_gradients import delta_gradients
    from .gpu_states import delta_backward

    grad_y, grad_state = gradients
    grad_y = torch.zeros_like(v) if grad_y is None else grad_y
    grads = [
        None if x is None else torch.empty_like(x, memory_format=torch.contiguous_format)
        for x in (q, k, v, a, b, log_decay, state)
    ]
    into_q, into_k, into_v, into_a, into_b, into_log, into_state = grads
    q, k, v, a, b, log_decay, resets, grad_y, grad_state = contiguous(
        q, k, v, a, b, log_decay, resets, grad_y, grad_state
    )
    read, before = kept
    call = _Call(q, v, log_decay, k, a, b)
    of_chunks = call.of_chunks((q, k, a, b, log_decay, resets))
    of_known, after = torch.empty_like(read), torch.empty_like(before)
    grid, tile = call.along_time("backward")
    incoming, by_time = (grad_y, grad_state), (into_v, of_known, after, into_state)
    launch(delta_backward, grid, (*of_chunks, *incoming, *by_time, *call.sizes), tile)
    known = (of_chunks[0], read, before, grad_y, of_known, after)
    tile = call.tile("gradients") | {"BY_KEY": call.by_key, "LEVELS": LEVELS}
    grid = (call.items * call.chunks, blocks(call.keys, tile["KEYS"]))
    if into_log is not None and not call.by_key and grid[1] > 1:
        into_log = torch.empty((grid[1], *into_log.shape), dtype=torch.float32, device=v.device)
    by_chunk = (into_q, into_k, into_a, into_b, into_log)
    launch(delta_gradients, grid, (q, k, v, a, b, log_decay, resets, *known, *by_chunk, *call.sizes), tile)
    if into_log is not None and log_decay is not None and into_log.ndim > log_decay.ndim:
        into_log = into_log.sum(0).to(log_decay.dtype)
    return [into_q, into_k, into_v, into_a, into_b, into_log, into_state, None]


_run = differentiable(
    "delta_rule_triton",
    TENSOR_TYPES,
    2,
    2,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
    dtypes=_dtypes,
    devices=("cpu", "cuda"),
)
