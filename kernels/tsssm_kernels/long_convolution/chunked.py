"""The long convolution in plain torch, by fast Fourier transforms; any device and floating dtype."""

from __future__ import annotations

from torch import Tensor

from ..causal_conv1d.chunked import causal_conv1d_chunked
from ..causal_conv1d.last_inputs import last_inputs
from .sequences import convolve_sequences
from .skip import with_skip
from .transforms import convolve

__all__ = ["long_convolution_chunked"]

FEW = 8  # taps that are faster one by one; measured


def long_convolution_chunked(
    u: Tensor, kernel: Tensor, skip: Tensor | None, state: Tensor | None, resets: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Convolve whole sequences; arguments as in `long_convolution`, all of one floating dtype."""
    kernel = with_skip(kernel, skip)
    if len(kernel) <= FEW:
        return causal_conv1d_chunked(u, kernel.flip(0), None, None, state, resets)
    y = convolve(u, kernel, state) if resets is None else convolve_sequences(convolve, u, kernel, state, resets)
    return y, last_inputs(state, u, resets, len(kernel) - 1)
