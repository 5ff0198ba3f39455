"""Run the convolution's CPU kernels over shares of the work."""

from __future__ import annotations

from torch import Tensor

from ..addresses import addresses
from ..thread_pool import count_shares, run_ranges
from .cpu_arrays import Gradients, Inputs, Sizes

__all__ = ["launch_backward", "launch_forward"]

LANES = 16
# nanoseconds for each step and channel, and more for each tap
FORWARD, FORWARD_TAP, BACKWARD, BACKWARD_TAP = 0.4, 0.03, 0.8, 0.1


def launch_forward(sizes: Sizes, inputs: Inputs, y: Tensor) -> Tensor:
    """Write the outputs to `y`, (batch * length, blocks * 16); returns the state after the last step."""
    from .cpu_kernels import convolution_forward

    width, items = sizes.blocks * LANES, sizes.series * sizes.groups
    last = inputs.x.new_empty(sizes.series, sizes.taps - 1, width)
    shares = count_shares((FORWARD + FORWARD_TAP * sizes.taps) * y.numel(), items)
    at, into = addresses(inputs), addresses((y, last))

    def work(_: int, *edge_and_bounds: int) -> None:
        convolution_forward(sizes, at, *into, *edge_and_bounds)

    run_ranges(work, items, shares, 2 * (sizes.taps - 1) * width)
    return last


def launch_backward(
    sizes: Sizes, inputs: Inputs, grad_y: Tensor, grad_last: Tensor | None, grad_x: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Write `grad_x`, which may be the memory of `grad_y`; returns the gradients of state, weight and bias."""
    from .cpu_kernels import convolution_backward

    width, items = sizes.blocks * LANES, sizes.series * sizes.groups
    count = sizes.series * sizes.length * width
    shares = count_shares((BACKWARD + BACKWARD_TAP * sizes.taps) * count, items)
    grads = Gradients(
        y=grad_y,
        last=grad_last,
        x=grad_x,
        state=grad_y.new_empty(sizes.series, sizes.taps - 1, width),
        weight=grad_y.new_zeros(shares, sizes.taps, width),
        bias=grad_y.new_zeros(shares, width),
    )
    at, into = addresses(inputs), addresses(grads)

    def work(share: int, edge: int, *bounds: int) -> None:
        convolution_backward(sizes, at, into, edge, share, *bounds)

    run_ranges(work, items, shares, 4 * (sizes.taps - 1) * width)
    return grads.state, grads.weight.sum(0), grads.bias.sum(0)
