"""The long convolution on the CPU: compiled sums while they are faster than transforms."""

from __future__ import annotations

from torch import Tensor

from ..causal_conv1d.cpu import causal_conv1d_cpu
from ..causal_conv1d.last_inputs import last_inputs
from .cpu_transforms import convolve_cpu
from .fft_size import fft_size, transform_cost
from .sequences import convolve_sequences
from .skip import with_skip

__all__ = ["long_convolution_cpu"]

PRODUCTS = 36  # that take as long as a number of a transform, times its size's logarithm; measured


def long_convolution_cpu(
    u: Tensor, kernel: Tensor, skip: Tensor | None, state: Tensor | None, resets: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Run the faster form; arguments as in `long_convolution`, all float32 and on the CPU."""
    kernel = with_skip(kernel, skip)
    if sums_are_faster(u.shape[1], len(kernel), state is None):
        return causal_conv1d_cpu(u, kernel.flip(0), None, None, state, resets)
    convolve = convolve_cpu
    y = convolve(u, kernel, state) if resets is None else convolve_sequences(convolve, u, kernel, state, resets)
    return y, last_inputs(state, u, resets, len(kernel) - 1)


def sums_are_faster(length: int, taps: int, from_rest: bool) -> bool:
    """Whether a sequence is convolved faster by compiled sums, which leave out what was before if that is rest.

    Examples
    --------
    >>> sums_are_faster(1024, 1024, from_rest=True), sums_are_faster(1024, 1024, from_rest=False)
    (True, False)
    """
    reached = min(taps, length) if from_rest else taps
    products = length * taps
    if from_rest:
        products = length * reached - reached * (reached - 1) // 2
    return products < PRODUCTS * transform_cost(length, reached, fft_size(length, reached))
