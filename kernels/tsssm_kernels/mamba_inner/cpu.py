"""`mamba_inner` on the CPU: compiled loops around one matrix product, registered as an operator of torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..causal_conv1d import cpu_arrays as convolution_arrays
from ..causal_conv1d.cpu_launch import launch_backward as differentiate_convolution
from ..causal_conv1d.cpu_launch import launch_forward as convolve
from ..registered import differentiable
from ..selective_scan.cpu_arrays import Inputs, Sizes
from ..selective_scan.cpu_launch import (
    LANES,
    LOG2_E,
    checkpoint_shape,
    even,
    launch_backward,
    launch_forward,
    own_states,
    pack,
    pack_rows,
    pack_states,
    unpack,
    unpack_rows,
    unpack_states,
)
from ..thread_pool import count_groups

__all__ = ["mamba_inner_cpu"]

_TENSORS = (
    "xz",
    "conv_weight",
    "conv_bias",
    "x_weight",
    "delta_weight",
    "delta_bias",
    "A",
    "D",
    "tail",
    "initial_state",
    "time_gaps",
    "resets",
)
_REQUIRED = _TENSORS[:8]


def mamba_inner_cpu(
    xz: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor,
    x_projection_weight: Tensor,
    delta_projection_weight: Tensor,
    delta_projection_bias: Tensor,
    A: Tensor,
    D: Tensor,
    *,
    tail: Tensor | None = None,
    initial_state: Tensor | None = None,
    time_gaps: Tensor | None = None,
    resets: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the compiled form; arguments as in `mamba_inner`, all float32 and on the CPU."""
    projections = x_projection_weight, delta_projection_weight, delta_projection_bias
    y, last, state = _inner(xz, conv_weight, conv_bias, *projections, A, D, tail, initial_state, time_gaps, resets)
    return y, last, state


class _Call:
    """The tensors of one call as the kernels want them, channels filled up to whole blocks."""

    def __init__(
        self, xz, conv_weight, conv_bias, x_weight, delta_weight, delta_bias, A, D, tail, initial_state, gaps, resets
    ):
        self.batch, self.length, _ = xz.shape
        (self.taps, self.channels), self.rank, self.n_state = conv_weight.shape, delta_weight.shape[1], A.shape[1]
        self.blocks = -(-self.channels // LANES)
        self.width = self.blocks * LANES
        self.xz = pack(xz.unflatten(-1, (2, self.channels))).view(-1, 2 * self.width)
        self.conv_weight, self.conv_bias = pack(conv_weight), pack(conv_bias)
        self.tail = None if tail is None else pack(tail)
        self.x_weight, self.up, self.bias = pack(x_weight), pack_rows(delta_weight), pack(delta_bias)
        self.A, self.D = pack_states(A) * LOG2_E, pack(D)
        self.gaps = None if gaps is None else gaps.contiguous()
        self.resets = None if resets is None else resets.float().contiguous()

    def scan(self, x: Tensor, low_B_C: Tensor) -> tuple[Sizes, Inputs]:
        """The scan of convolved inputs (T, width); `low_B_C` (T, rank + 2 state) is their projection."""
        wide = low_B_C.shape[1]
        sizes = Sizes(
            series=self.batch,
            length=self.length,
            blocks=self.blocks,
            groups=count_groups(self.batch, self.blocks),
            state=even(self.n_state),
            state_given=self.n_state,
            rank=self.rank,
            softplus=1,
            B_stride=wide,
            B_offset=self.rank,
            C_stride=wide,
            C_offset=self.rank + self.n_state,
            low_stride=wide,
            z_stride=2 * self.width,
            z_offset=self.width,
            grad_u_stride=2 * self.width,
        )
        inputs = Inputs(
            u=x,
            delta=None,
            low=low_B_C,
            up=self.up,
            bias=self.bias,
            A=self.A,
            B=low_B_C,
            C=low_B_C,
            D=self.D,
            z=self.xz,
            gaps=self.gaps,
            resets=self.resets,
        )
        return sizes, inputs

    def convolution(self) -> tuple[convolution_arrays.Sizes, convolution_arrays.Inputs]:
        """The convolution of the first half of `xz`, and SiLU."""
        sizes = convolution_arrays.Sizes(
            series=self.batch,
            length=self.length,
            blocks=self.blocks,
            groups=count_groups(self.batch, self.blocks),
            taps=self.taps,
            x_stride=2 * self.width,
            y_stride=2 * self.width,
            silu=1,
        )
        inputs = convolution_arrays.Inputs(self.xz, self.tail, self.conv_weight, self.conv_bias, self.resets)
        return sizes, inputs

    def kept_sizes(self) -> tuple[int, int, int]:
        """Numbers in the three parts of what is kept for the backward pass."""
        return _kept_sizes(self.batch, self.length, self.blocks, self.n_state, self.rank + 2 * self.n_state)

    def parts(self, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Convolved inputs (T, width), checkpoints, projection (T, rank + 2 state)."""
        x, checkpoints, low_B_C = kept.split(self.kept_sizes())
        return x.view(-1, self.width), checkpoints, low_B_C.view(len(self.xz), -1)


def _kept_sizes(batch: int, length: int, blocks: int, n_state: int, wide: int) -> tuple[int, int, int]:
    rows = batch * length
    return rows * blocks * LANES, math.prod(checkpoint_shape(batch, length, blocks, n_state)), rows * wide


def _shapes(xz, conv_weight, conv_bias, x_weight, delta_weight, delta_bias, A, *others) -> list[tuple[int, ...]]:
    (batch, length, _), (channels, n_state), taps = xz.shape, A.shape, conv_weight.shape[0]
    kept = sum(_kept_sizes(batch, length, -(-channels // LANES), n_state, x_weight.shape[0])) if others[-1] else 0
    return [(batch, length, channels), (batch, taps - 1, channels), (batch, channels, n_state), (kept,)]


def _forward(*arguments) -> list[Tensor]:
    """Output, tail and state; with `keep` what the backward pass needs, in one piece.

    In one, because the larger the pieces a process frees, the more of them glibc keeps for the next call.
    """
    *tensors, keep = arguments
    call = _Call(*tensors)
    new = call.xz.new_empty
    if keep:
        kept = new(sum(call.kept_sizes()))
        x, checkpoints, low_B_C = call.parts(kept)
    else:
        kept = checkpoints = new(0)
        x, low_B_C = new(len(call.xz), call.width), new(len(call.xz), len(call.x_weight))
    last = convolve(*call.convolution(), x)
    with torch.autocast("cpu", enabled=False):  # it would run the product in half precision
        torch.mm(x, call.x_weight.t(), out=low_B_C)
    sizes, inputs = call.scan(x, low_B_C)
    state = own_states(tensors[9], sizes, x)
    y = unpack(launch_forward(sizes, inputs, state, checkpoints), call.channels)
    y = y.view(call.batch, call.length, -1)
    return [y, unpack(last, call.channels), unpack_states(state, call.channels, call.n_state), kept]


def _backward(gradients, kept, *tensors) -> list[Tensor | None]:
    grad_y, grad_last, grad_state = gradients
    call, xz = _Call(*tensors), tensors[0]
    x, checkpoints, low_B_C = call.parts(kept[0])
    if grad_y is None:
        incoming = xz.new_zeros(len(call.xz), call.width)
    else:
        incoming = pack(grad_y).view(-1, call.width)
    sizes, inputs = call.scan(x, low_B_C)
    state = own_states(grad_state, sizes, x)
    grad_xz = torch.empty_like(call.xz)
    projected = x.new_empty(sizes.groups, *low_B_C.shape)  # one memory for the gradients of low, B and C
    given = {"low": projected, "B": projected, "C": projected, "u": grad_xz, "z": grad_xz}
    grads = launch_backward(sizes, inputs, incoming, checkpoints, state, given)
    with torch.autocast("cpu", enabled=False):
        grad_xz[:, : call.width].addmm_(grads["low"], call.x_weight)
        grad_x_weight = torch.mm(grads["low"].t(), x)
    last = None if grad_last is None else pack(grad_last)
    tail, weight, bias = differentiate_convolution(*call.convolution(), grad_xz, last, grad_xz)
    channels, n_state = call.channels, call.n_state
    return [
        unpack(grad_xz.view(call.batch, call.length, 2, -1), channels).flatten(-2),
        unpack(weight, channels),
        unpack(bias, channels),
        unpack(grad_x_weight, channels),
        unpack_rows(grads["up"], channels),
        unpack(grads["bias"], channels),
        unpack_states(grads["A"], channels, n_state),
        unpack(grads["D"], channels),
        None if tensors[8] is None else unpack(tail, channels),
        None if tensors[9] is None else unpack_states(state, channels, n_state),
        None if tensors[10] is None else grads["gaps"].view(tensors[10].shape),
        None,
    ]


_inner = differentiable(
    "mamba_inner",
    {name: "Tensor" if name in _REQUIRED else "Tensor?" for name in _TENSORS},
    3,
    1,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
)
