"""The selective scan on the CPU: compiled loops, registered as an operator of torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..registered import registered, without_derivative
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
    unpack_states,
)

__all__ = ["selective_scan_cpu"]

_ARGUMENTS = (
    "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? z, Tensor? delta_bias, "
    "Tensor? time_gaps, Tensor? initial_state, Tensor? resets, bool delta_softplus"
)
_OPTIONAL = ("D", "z", "delta_bias", "time_gaps", "initial_state")


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
    tensors = (u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state)
    keep = torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)
    y, state, _ = _forward(*tensors, resets, delta_softplus, keep)
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


@registered("selective_scan", f"({_ARGUMENTS}, bool keep) -> (Tensor, Tensor, Tensor)")
def _forward(
    u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets, delta_softplus, keep
) -> tuple[Tensor, Tensor, Tensor]:
    """Output, final state, and with `keep` the states before each chunk, for the backward pass."""
    sizes, inputs = _lay_out(u, delta, A, B, C, D, z, delta_bias, time_gaps, resets, delta_softplus)
    batch, length, channels = u.shape
    if initial_state is None:
        state = u.new_zeros(batch, sizes.blocks, sizes.state, LANES)
    else:
        state = own_states(initial_state)
    checkpoints = u.new_empty(checkpoint_shape(batch, length, sizes.blocks, sizes.state) if keep else 0)
    y = launch_forward(sizes, inputs, state, checkpoints)
    y = y.view(batch, length, -1)[..., :channels].contiguous()
    return y, unpack_states(state, channels, A.shape[1]), checkpoints


@torch.library.register_fake(_forward)
def _(
    u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets, delta_softplus, keep
) -> tuple[Tensor, Tensor, Tensor]:
    (batch, length, channels), n_state = u.shape, A.shape[1]
    kept = checkpoint_shape(batch, length, -(-channels // LANES), n_state) if keep else (0,)
    return u.new_empty(u.shape), u.new_empty(batch, channels, n_state), u.new_empty(kept)


@registered(
    "selective_scan_backward",
    f"(Tensor? grad_y, Tensor? grad_state, Tensor checkpoints, {_ARGUMENTS}) -> ({', '.join(['Tensor'] * 10)})",
)
def _backward(
    grad_y, grad_state, checkpoints, u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets, softplus
) -> tuple[Tensor, ...]:
    """Gradients of the tensors in the order of the arguments; empty ones for those that were not given."""
    if checkpoints.numel() == 0:  # called without `keep`, and differentiated all the same
        tensors = u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets
        checkpoints = _forward(*tensors, softplus, True)[2]
    sizes, inputs = _lay_out(u, delta, A, B, C, D, z, delta_bias, time_gaps, resets, softplus)
    batch, length, channels = u.shape
    packed = pack(torch.zeros_like(u) if grad_y is None else grad_y).view(batch * length, -1)
    if grad_state is None:
        state = u.new_zeros(batch, sizes.blocks, sizes.state, LANES)
    else:
        state = own_states(grad_state)
    grads = launch_backward(sizes, inputs, packed, checkpoints, state, {})

    def wide(gradient: Tensor) -> Tensor:
        return gradient.view(batch, length, -1)[..., :channels].contiguous()

    made = {
        "u": wide(grads["u"]),
        "delta": wide(grads["delta"]),
        "A": unpack_states(grads["A"], channels, A.shape[1]),
        "B": grads["B"].view(B.shape),
        "C": grads["C"].view(C.shape),
        "D": grads["D"][:channels].clone(),
        "z": u.new_empty(0) if z is None else wide(grads["z"]),
        "delta_bias": grads["bias"][:channels].clone(),
        "time_gaps": grads["gaps"].view(-1 if time_gaps is None else time_gaps.shape),
        "initial_state": unpack_states(state, channels, A.shape[1]),
    }
    given = {"D": D, "z": z, "delta_bias": delta_bias, "time_gaps": time_gaps, "initial_state": initial_state}
    return tuple(u.new_empty(0) if given.get(name, u) is None else gradient for name, gradient in made.items())


@torch.library.register_fake(_backward)
def _(
    grad_y, grad_state, checkpoints, u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state, resets, softplus
) -> tuple[Tensor, ...]:
    tensors = (u, delta, A, B, C, D, z, delta_bias, time_gaps, initial_state)
    return tuple(u.new_empty(0 if tensor is None else tensor.shape) for tensor in tensors)


def _keep_for_backward(ctx: Any, inputs: tuple, output: tuple) -> None:
    *tensors, softplus, _ = inputs
    ctx.softplus = softplus
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[2])
    ctx.save_for_backward(output[2], *tensors)


def _differentiate(ctx: Any, grad_y: Tensor | None, grad_state: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    checkpoints, *tensors = ctx.saved_tensors
    grads = _backward(grad_y, grad_state, checkpoints, *tensors, ctx.softplus)
    given = (None if tensor is None else grad for tensor, grad in zip(tensors, grads))
    return (*given, None, None, None)  # none for resets and the flags


torch.library.register_autograd(_forward, _differentiate, setup_context=_keep_for_backward)
without_derivative(_backward)
