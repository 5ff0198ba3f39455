"""The delta rule on the CPU: compiled loops, registered as an operator of torch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..addresses import addresses
from ..chunks import CHUNK, up
from ..registered import differentiable
from ..thread_pool import count_groups, count_shares, run_ranges
from .cpu_arrays import Gradients, Inputs, Outputs, Sizes

__all__ = ["TENSOR_TYPES", "delta_rule_cpu"]

TENSOR_TYPES = dict.fromkeys(("q", "k", "v", "a", "b"), "Tensor") | {
    "log_decay": "Tensor?",
    "state": "Tensor",
    "resets": "Tensor?",
}
FORWARD, BACKWARD = 0.12, 0.4  # nanoseconds for each step, key and value


def _lay_out(q, k, v, a, b, log_decay, state, resets) -> tuple[Sizes, Inputs]:
    batch, length, heads, keys = q.shape
    decays = 0 if log_decay is None else log_decay.shape[-1] if log_decay.ndim == 4 else 1
    sizes = Sizes(length, heads, count_groups(batch, heads), keys, v.shape[3], decays)
    begins = None if resets is None else resets.float()
    return sizes, Inputs(*(None if x is None else x.contiguous() for x in (q, k, v, a, b, log_decay, begins)))


def _shapes(q, k, v, a, b, log_decay, state, resets, keep) -> list[tuple[int, ...]]:
    (batch, length, heads, keys), values = q.shape, v.shape[3]
    return [
        (batch, length, heads, values),
        (batch, heads, keys, values),
        (batch, length, heads, values) if keep else (0,),
        (batch, -(-length // CHUNK), heads, up(keys), up(values)) if keep else (0,),
    ]


def _forward(q, k, v, a, b, log_decay, state, resets, keep) -> list[Tensor]:
    from .cpu_kernels import forward

    sizes, inputs = _lay_out(q, k, v, a, b, log_decay, state, resets)
    made = [q.new_empty(shape) for shape in _shapes(q, k, v, a, b, log_decay, state, resets, keep)]
    made[1].copy_(state)
    items, heads, keys, values = len(q) * sizes.groups, sizes.heads, up(sizes.keys), up(sizes.values)
    shares = count_shares(FORWARD * len(q) * sizes.length * heads * keys * values, items)
    room = (5 * CHUNK + 2) * keys + (3 * CHUNK + 1) * values + (1 + heads) * keys * values
    at, into = addresses(inputs), addresses(Outputs(*made[:2], *(made[2:] if keep else (None, None))))

    def work(_: int, *scratch_and_bounds: int) -> None:
        forward(sizes, at, into, *scratch_and_bounds)

    run_ranges(work, items, shares, room)
    return made


def _backward(gradients, kept, q, k, v, a, b, log_decay, state, resets) -> list[Tensor | None]:
    from .cpu_kernels import backward

    grad_y, grad_state = gradients
    sizes, inputs = _lay_out(q, k, v, a, b, log_decay, state, resets)
    grads = Gradients(
        *(
            None if x is None else torch.empty_like(x, memory_format=torch.contiguous_format)
            for x in (*inputs[:-1], state)
        )
    )
    if grad_state is None:
        grads.state.zero_()
    else:
        grads.state.copy_(grad_state)
    grad_y = torch.zeros_like(inputs.v) if grad_y is None else grad_y.contiguous()
    items, heads, keys, values = len(q) * sizes.groups, sizes.heads, up(sizes.keys), up(sizes.values)
    shares = count_shares(BACKWARD * len(q) * sizes.length * heads * keys * values, items)
    rows = (19 * CHUNK + 9) * keys + 4 * CHUNK * values + (CHUNK + 1) * CHUNK
    room = rows + (1 + heads) * keys * values
    at, outputs, into = addresses(inputs), addresses(Outputs(None, None, *kept)), addresses(grads)

    def work(_: int, *scratch_and_bounds: int) -> None:
        backward(sizes, at, outputs, grad_y.data_ptr(), into, *scratch_and_bounds)

    run_ranges(work, items, shares, room)
    return [*grads, None]


_run = differentiable(
    "delta_rule",
    TENSOR_TYPES,
    2,
    2,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
)


def delta_rule_cpu(
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
    """Run the compiled loops; arguments as in `delta_rule`, all float32 and on the CPU, none left out."""
    y, state = _run(q, k, v, a, b, log_decay, initial_state, resets)
    return y, state
