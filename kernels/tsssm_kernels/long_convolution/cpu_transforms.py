"""The causal convolution by fast Fourier transforms as one operator of torch on the CPU, its backward pass by hand.

Left to autograd it would keep the transforms of all inputs, many times their size; here only the inputs are kept.
Series and channels are taken so many at a time that what is transformed stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.fft import irfft, rfft

from ..registered import differentiable
from .fft_size import fft_size

__all__ = ["convolve_cpu"]

NUMBERS = 2**18  # transformed at once


class _Pieces:
    """How a call is cut: in time, into pieces of `size` that overlap by all taps but one; in series and channels."""

    def __init__(self, u: Tensor, taps: int):
        self.batch, self.length, self.channels = u.shape
        self.before = taps - 1
        self.size = fft_size(self.length, taps)
        self.fresh = self.size - self.before
        self.count = -(-self.length // self.fresh)
        self.whole = self.before + self.count * self.fresh
        of_channel = self.count * self.size
        self.channels_at_once = max(1, min(self.channels, NUMBERS // of_channel))
        self.series_at_once = max(1, min(self.batch, NUMBERS // (of_channel * self.channels_at_once)))

    def of_channels(self) -> Iterator[slice]:
        """Groups of channels."""
        return (slice(i, i + self.channels_at_once) for i in range(0, self.channels, self.channels_at_once))

    def of_series(self) -> Iterator[slice]:
        """Groups of series."""
        return (slice(i, i + self.series_at_once) for i in range(0, self.batch, self.series_at_once))

    def spectrum(self, kernel: Tensor) -> Tensor:
        """Of taps (taps, channels): (channels, 1, size // 2 + 1)."""
        return rfft(kernel.t().double(), self.size).unsqueeze(1)

    def spectra(self, u: Tensor, state: Tensor | None) -> Tensor:
        """Of inputs (batch, length, channels) and those before: (batch, channels, pieces, size // 2 + 1)."""
        x = u.new_zeros(len(u), u.shape[2], self.whole, dtype=torch.float64)
        if state is not None:
            x[..., : self.before] = state.transpose(1, 2)
        x[..., self.before : self.before + self.length] = u.transpose(1, 2)
        return rfft(x.unfold(-1, self.size, self.fresh))

    def gradient_spectra(self, grad_y: Tensor) -> Tensor:
        """The same of the outputs' gradients: a piece has its own outputs alone."""
        own = grad_y.new_zeros(len(grad_y), grad_y.shape[2], self.count * self.fresh, dtype=torch.float64)
        own[..., : self.length] = grad_y.transpose(1, 2)
        x = own.new_zeros(*own.shape[:2], self.count, self.size)
        x[..., self.before :] = own.unflatten(-1, (self.count, self.fresh))
        return rfft(x)

    def outputs(self, spectra: Tensor) -> Tensor:
        """Outputs, (batch, length, channels)."""
        y = irfft(spectra, self.size)[..., self.before :]
        return y.flatten(2)[..., : self.length].transpose(1, 2)

    def input_gradients(self, spectra: Tensor) -> Tensor:
        """Gradients of what was before and of the inputs, (batch, taps - 1 + length, channels): pieces added up."""
        pieces = irfft(spectra, self.size)
        total = pieces.new_zeros(*pieces.shape[:2], self.whole)
        for i in range(self.count):
            total[..., i * self.fresh : i * self.fresh + self.size] += pieces[..., i, :]
        return total[..., : self.before + self.length].transpose(1, 2)


def _forward(u: Tensor, kernel: Tensor, state: Tensor | None, keep: bool) -> list[Tensor]:
    pieces, y = _Pieces(u, len(kernel)), torch.empty_like(u, memory_format=torch.contiguous_format)
    for c in pieces.of_channels():
        spectrum = pieces.spectrum(kernel[:, c])
        for b in pieces.of_series():
            before = None if state is None else state[b, :, c]
            y[b, :, c] = pieces.outputs(pieces.spectra(u[b, :, c], before).mul_(spectrum))
    return [y]


def _backward(gradients, kept, u, kernel, state) -> list[Tensor | None]:
    (grad_y,), pieces = gradients, _Pieces(u, len(kernel))
    if grad_y is None:
        grad_y = torch.zeros_like(u)
    grad_u, grad_kernel = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in (u, kernel))
    grad_state = None if state is None else torch.empty_like(state, memory_format=torch.contiguous_format)
    for c in pieces.of_channels():
        spectrum = pieces.spectrum(kernel[:, c]).conj()
        into_kernel = torch.zeros_like(spectrum[:, 0])
        for b in pieces.of_series():
            before = None if state is None else state[b, :, c]
            incoming = pieces.gradient_spectra(grad_y[b, :, c])
            into_kernel += pieces.spectra(u[b, :, c], before).conj().mul(incoming).sum((0, 2))
            into = pieces.input_gradients(incoming.mul_(spectrum))
            grad_u[b, :, c] = into[:, pieces.before :]
            if grad_state is not None:
                grad_state[b, :, c] = into[:, : pieces.before]
        grad_kernel[:, c] = irfft(into_kernel, pieces.size)[:, : len(kernel)].t()
    return [grad_u, grad_kernel, grad_state]


_convolve = differentiable(
    "long_convolution",
    {"u": "Tensor", "kernel": "Tensor", "state": "Tensor?"},
    1,
    0,
    forward=_forward,
    backward=_backward,
    shapes=lambda u, kernel, state, keep: [u.shape],
)


def convolve_cpu(u: Tensor, kernel: Tensor, state: Tensor | None) -> Tensor:
    """``y_t = sum_s kernel_s u_{t-s}``; `state` holds the inputs before, zeros if left out; all float32."""
    if state is None:
        kernel = kernel[: u.shape[1]]  # no tap reaches further back than the first step
    return _convolve(u, kernel, state)[0]
