"""Tensor operators of state-space models: recurrences over (batch, length, ...) tensors, and their single steps."""

from .linear_recurrence import linear_recurrence
from .mamba_inner import mamba_inner, mamba_inner_step
from .selective_scan import selective_scan, selective_scan_step
from .short_convolution import short_convolution, short_convolution_step

__all__ = [
    "linear_recurrence",
    "mamba_inner",
    "mamba_inner_step",
    "selective_scan",
    "selective_scan_step",
    "short_convolution",
    "short_convolution_step",
]
