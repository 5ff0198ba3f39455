"""The causal convolution on the CPU: compiled loops, registered as an operator of torch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..registered import differentiable
from ..selective_scan.cpu_launch import pack
from ..thread_pool import count_groups
from .cpu_arrays import Inputs, Sizes
from .cpu_launch import LANES, launch_backward, launch_forward

__all__ = ["ARGUMENTS", "causal_conv1d_cpu"]

ARGUMENTS = {
    "x": "Tensor",
    "weight": "Tensor",
    "bias": "Tensor?",
    "state": "Tensor?",
    "resets": "Tensor?",
    "silu": "bool",
}


def _lay_out(
    x: Tensor, weight: Tensor, bias: Tensor | None, state: Tensor | None, resets: Tensor | None, with_silu: bool
) -> tuple[Sizes, Inputs]:
    batch, length, channels = x.shape
    blocks = -(-channels // LANES)
    sizes = Sizes(
        series=batch,
        length=length,
        blocks=blocks,
        groups=count_groups(batch, blocks),
        taps=len(weight),
        x_stride=blocks * LANES,
        y_stride=blocks * LANES,
        silu=int(with_silu),
    )
    inputs = Inputs(
        x=pack(x),
        state=None if state is None else pack(state),
        weight=pack(weight),
        bias=None if bias is None else pack(bias),
        resets=None if resets is None else resets.float().contiguous(),
    )
    return sizes, inputs


def _cut(wide: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The real channels."""
    return wide[..., : shape[-1]].contiguous().view(shape)


def _shapes(x, weight, bias, state, resets, with_silu, keep) -> list[tuple[int, ...]]:
    return [x.shape, (x.shape[0], weight.shape[0] - 1, x.shape[2])]


def _forward(x, weight, bias, state, resets, with_silu, keep) -> list[Tensor]:
    sizes, inputs = _lay_out(x, weight, bias, state, resets, with_silu)
    y = torch.empty_like(inputs.x)
    last = launch_forward(sizes, inputs, y)
    return [_cut(y, x.shape), _cut(last, _shapes(x, weight, bias, state, resets, with_silu, keep)[1])]


def _backward(gradients, kept, x, weight, bias, state, resets, with_silu) -> list[Tensor | None]:
    sizes, inputs = _lay_out(x, weight, bias, state, resets, with_silu)
    grad_y, grad_last = (None if gradient is None else pack(gradient) for gradient in gradients)
    if grad_y is None:
        grad_y = torch.zeros_like(inputs.x)
    grad_x = torch.empty_like(inputs.x)
    into_state, into_weight, into_bias = launch_backward(sizes, inputs, grad_y, grad_last, grad_x)
    return [
        _cut(grad_x, x.shape),
        _cut(into_weight, weight.shape),
        None if bias is None else _cut(into_bias, bias.shape),
        None if state is None else _cut(into_state, state.shape),
        None,
    ]


_convolve = differentiable(
    "causal_conv1d",
    ARGUMENTS,
    2,
    0,
    forward=_forward,
    backward=_backward,
    shapes=_shapes,
)


def causal_conv1d_cpu(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, state: Tensor | None, resets: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Run the compiled form; arguments as in `causal_conv1d`, all float32 and on the CPU."""
    y, last = _convolve(x, weight, bias, state, resets, activation == "silu")
    return y, last
