"""The selective scan on the CPU: compiled loops, registered as an operator of torch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..registered import differentiable
from ..thread_pool import count_groups
from .cpu_arrays import Inputs, Sizes
from .cpu_launch import (
    LANES,
    LOG2_E,
    checkpoint_shape,
    even,
    launch_backward,
    launch_forward,
    own_states,
    pack,
    pack_states,
    unpack,
    unpack_states,
)

__all__ = ["TENSOR_TYPES", "selective_scan_cpu"]

_REQUIRED = ("u", "delta", "A", "B", "C")
_OPTIONAL = ("D", "z", "delta_bias", "time_gaps", "initial_state", "resets")
TENSOR_TYPES = dict.fromkeys(_REQUIRED, "Tensor") | dict.fromkeys(_OPTIONAL, "Tensor?")


def selective_scan_cpu(
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
    """Run the compiled scan; arguments as in `selective_scan`, all float32 and on the CPU."""
    tensors = (u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets)
    y, state = _scan(*tensors, delta_softplus)
    return y, state


def _lay_out(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    time_gaps: Tensor | None,
    resets: Tensor | None,
    delta_softplus: bool,
) -> tuple[Sizes, Inputs]:
    (batch, length, channels), n_state = u.shape, A.shape[1]
    blocks = -(-channels // LANES)
    sizes = Sizes(
        series=batch,
        length=length,
        blocks=blocks,
        groups=count_groups(batch, blocks),
        state=even(n_state),
        state_given=n_state,
        rank=0,
        softplus=int(delta_softplus),
        B_stride=n_state,
        B_offset=0,
        C_stride=n_state,
        C_offset=0,
        low_stride=0,
        z_stride=blocks * LANES,
        z_offset=0,
        grad_u_stride=blocks * LANES,
    )
    none = u.new_zeros(channels)
    inputs = Inputs(
        u=pack(u),
        delta=pack(delta),
        low=None,
        up=None,
        bias=pack(none if delta_bias is None else delta_bias),
        A=pack_states(A) * LOG2_E,
        B=B.contiguous(),
        C=C.contiguous(),
        D=pack(none if D is None else D),
        z=None if z is None else pack(z),
        gaps=None if time_gaps is None else time_gaps.contiguous(),
        resets=None if resets is None else resets.float().contiguous(),
    )
    return sizes, inputs


def _shapes(
    u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets, delta_softplus, keep
) -> list[tuple[int, ...]]:
    (batch, length, channels), n_state = u.shape, A.shape[1]
    kept = checkpoint_shape(batch, length, -(-channels // LANES), n_state) if keep else (0,)
    return [(batch, length, channels), (batch, channels, n_state), kept]


def _forward(
    u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets, delta_softplus, keep
) -> list[Tensor]:
    """Output, final state, and with `keep` the states before each chunk, for the backward pass."""
    sizes, inputs = _lay_out(u, delta, A, B, C, D, z, delta_bias, time_gaps, resets, delta_softplus)
    batch, length, channels = u.shape
    state = own_states(initial_state, sizes, u)
    checkpoints = u.new_empty(checkpoint_shape(batch, length, sizes.blocks, sizes.state) if keep else 0)
    y = launch_forward(sizes, inputs, state, checkpoints)
    return [unpack(y.view(batch, length, -1), channels), unpack_states(state, channels, A.shape[1]), checkpoints]


def _backward(
    gradients, kept, u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets, delta_softplus
) -> list[Tensor | None]:
    grad_y, grad_state = gradients
    sizes, inputs = _lay_out(u, delta, A, B, C, D, z, delta_bias, time_gaps, resets, delta_softplus)
    batch, length, channels = u.shape
    packed = pack(torch.zeros_like(u) if grad_y is None else grad_y).view(batch * length, -1)
    state = own_states(grad_state, sizes, u)
    grads = launch_backward(sizes, inputs, packed, kept[0], state, {})

    def wide(gradient: Tensor) -> Tensor:
        return unpack(gradient.view(batch, length, -1), channels)

    return [
        wide(grads["u"]),
        wide(grads["delta"]),
        unpack_states(grads["A"], channels, A.shape[1]),
        grads["B"].view(B.shape),
        grads["C"].view(C.shape),
        None if D is None else unpack(grads["D"], channels),
        None if z is None else wide(grads["z"]),
        None if delta_bias is None else unpack(grads["bias"], channels),
        None if time_gaps is None else grads["gaps"].view(time_gaps.shape),
        None if initial_state is None else unpack_states(state, channels, A.shape[1]),
        None,
    ]


_scan = differentiable(
    "selective_scan",
    TENSOR_TYPES | {"delta_softplus": "bool"},
    2,
    1,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
)
