"""A causal convolution by fast Fourier transforms of overlapping pieces."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from .fft_size import fft_size

__all__ = ["convolve"]


def convolve(u: Tensor, kernel: Tensor, state: Tensor | None) -> Tensor:
    """``y_t = sum_s kernel_s u_{t-s}``; `state` holds the inputs before, zeros if left out.

    A transform's product is a convolution in a circle: the first `taps - 1` numbers of a piece, which would have met
    its end, are those that the piece before has already given, and are dropped.

    On a CPU transforms run in float64: their error is relative to the loudest input, and one loud input would bury
    quiet outputs a kernel's length around it. On other devices float64 may cost many times as much.
    """
    length = u.shape[1]
    if state is None:
        kernel = kernel[:length]  # no tap reaches further back than the first step
    taps = len(kernel)
    dtype = torch.float64 if u.device.type == "cpu" else u.dtype
    size = fft_size(length, taps)
    fresh = size - taps + 1
    pieces = -(-length // fresh)
    # (batch, length, channels) -> (batch, channels, length): transforms run along memory
    x = u.to(dtype).transpose(1, 2)
    missing = pieces * fresh - length
    if state is None:
        x = pad(x, (taps - 1, missing))
    else:
        x = pad(torch.cat([state.to(dtype).transpose(1, 2), x], dim=-1), (0, missing))
    spectrum = torch.fft.rfft(kernel.to(dtype).t().contiguous(), size)
    x = torch.fft.rfft(x.contiguous().unfold(-1, size, fresh))  # (batch, channels, pieces, size // 2 + 1)
    y = torch.fft.irfft(x * spectrum.unsqueeze(1), size)[..., taps - 1 :]
    return y.flatten(2)[..., :length].transpose(1, 2).to(u.dtype)
