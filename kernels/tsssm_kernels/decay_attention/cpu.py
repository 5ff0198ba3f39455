"""Decay attention on the CPU: compiled loops, registered as an operator of torch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..addresses import addresses
from ..chunks import CHUNK, up
from ..registered import differentiable
from ..thread_pool import count_groups, count_shares, run_ranges
from .cpu_arrays import Gradients, Inputs, Outputs, Sizes

__all__ = ["attend_cpu"]
FORWARD, BACKWARD = 0.06, 0.3  # nanoseconds for each step, key and value


def _lay_out(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None, resets: Tensor | None, with_sums: bool
) -> tuple[Sizes, Inputs]:
    decays = 0 if log_decay is None else log_decay.shape[-1] if log_decay.ndim == 4 else 1
    batch, length, heads, keys = q.shape
    sizes = Sizes(length, heads, count_groups(batch, heads), keys, v.shape[3], decays, int(with_sums))
    inputs = Inputs(
        q=q.contiguous(),
        k=k.contiguous(),
        v=v.contiguous(),
        log_decay=None if log_decay is None else log_decay.contiguous(),
        resets=None if resets is None else resets.float().contiguous(),
    )
    return sizes, inputs


def _shapes(q, k, v, log_decay, state, sums, resets, keep) -> list[tuple[int, ...]]:
    batch, length, heads, keys = q.shape
    values, with_sums = v.shape[3], sums is not None
    kept = (batch, -(-length // CHUNK), heads, up(keys))
    return [
        (batch, length, heads, values),
        (batch, length, heads) if with_sums else (0,),
        (batch, heads, keys, values),
        (batch, heads, keys) if with_sums else (0,),
        (*kept, up(values)) if keep else (0,),
        kept if keep and with_sums else (0,),
    ]


def _forward(q, k, v, log_decay, state, sums, resets, keep) -> list[Tensor]:
    from .cpu_kernels import forward

    sizes, inputs = _lay_out(q, k, v, log_decay, resets, sums is not None)
    made = [q.new_empty(shape) for shape in _shapes(q, k, v, log_decay, state, sums, resets, keep)]
    made[2].copy_(state)
    if sums is not None:
        made[3].copy_(sums)
    outputs = Outputs(*made)
    items, heads, keys, values = len(q) * sizes.groups, sizes.heads, up(sizes.keys), up(sizes.values)
    shares = count_shares(FORWARD * len(q) * sizes.length * heads * keys * values, items)
    room = (3 * CHUNK + 1 + heads) * keys + 2 * CHUNK * values + heads * keys * values
    at, into = addresses(inputs), addresses(outputs)
    into = into._replace(checkpoints=into.checkpoints if keep else 0)

    def work(_: int, *scratch_and_bounds: int) -> None:
        forward(sizes, at, into, *scratch_and_bounds)

    run_ranges(work, items, shares, room)
    return made


def _backward(gradients, kept, q, k, v, log_decay, state, sums, resets) -> list[Tensor | None]:
    from .cpu_kernels import backward

    grad_y, grad_weights, grad_state, grad_sums = gradients
    sizes, inputs = _lay_out(q, k, v, log_decay, resets, sums is not None)
    empty = q.new_empty(0)
    grads = Gradients(
        q=torch.empty_like(inputs.q),
        k=torch.empty_like(inputs.k),
        v=torch.empty_like(inputs.v),
        log_decay=empty if log_decay is None else torch.empty_like(inputs.log_decay),
        state=_or_zeros(grad_state, state),
        sums=empty if sums is None else _or_zeros(grad_sums, sums),
    )
    if grad_y is None:
        grad_y = torch.zeros_like(v)
    if sums is not None and grad_weights is None:
        grad_weights = q.new_zeros(q.shape[:3])
    incoming = (grad_y.contiguous(), None if grad_weights is None else grad_weights.contiguous())
    items, heads, keys, rows = len(q) * sizes.groups, sizes.heads, up(sizes.keys), up(sizes.values + sizes.sums)
    shares = count_shares(BACKWARD * len(q) * sizes.length * heads * keys * rows, items)
    room = (7 * CHUNK + 1) * keys + 3 * CHUNK * rows + (1 + heads) * keys * rows
    at, from_outputs, into = addresses(inputs), addresses(Outputs(None, None, None, None, *kept)), addresses(grads)
    gradients_at = addresses(incoming)

    def work(_: int, *scratch_and_bounds: int) -> None:
        backward(sizes, at, from_outputs, *gradients_at, into, *scratch_and_bounds)

    run_ranges(work, items, shares, room)
    return [
        grads.q,
        grads.k,
        grads.v,
        None if log_decay is None else grads.log_decay,
        grads.state,
        None if sums is None else grads.sums,
        None,
    ]


def _or_zeros(gradient: Tensor | None, like: Tensor) -> Tensor:
    """A gradient to be added to, in memory of its own: contiguous, whatever the strides of what it is of."""
    return like.new_zeros(like.shape) if gradient is None else gradient.contiguous().clone()


_attend = differentiable(
    "decay_attention",
    {
        "q": "Tensor",
        "k": "Tensor",
        "v": "Tensor",
        "log_decay": "Tensor?",
        "state": "Tensor",
        "sums": "Tensor?",
        "resets": "Tensor?",
    },
    4,
    2,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
)


def attend_cpu(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None,
    state: Tensor,
    sums: Tensor | None,
    resets: Tensor | None,
) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
    """``S_t = exp(log_decay_t) S_{t-1} + k_t v_t'``, ``y_t = S_t' q_t``, all float32; as `attend_chunked`."""
    y, weights, state, after = _attend(q, k, v, log_decay, state, sums, resets)
    return (y, weights, state, after) if sums is not None else (y, None, state, None)
