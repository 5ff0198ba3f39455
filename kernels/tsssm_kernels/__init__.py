"""Tensor operators of state-space models: recurrences over (batch, length, ...) tensors, and their single steps."""

from .decay_attention import DecayState, decay_attention, decay_attention_step
from .diagonal_scan import diagonal_scan, diagonal_scan_step
from .linear_recurrence import linear_recurrence
from .mamba_inner import mamba_inner, mamba_inner_step
from .selective_scan import selective_scan, selective_scan_step
from .short_convolution import short_convolution, short_convolution_step
from .slstm import SLSTMState, slstm, slstm_step

__all__ = [
    "DecayState",
    "SLSTMState",
    "decay_attention",
    "decay_attention_step",
    "diagonal_scan",
    "diagonal_scan_step",
    "linear_recurrence",
    "mamba_inner",
    "mamba_inner_step",
    "selective_scan",
    "selective_scan_step",
    "short_convolution",
    "short_convolution_step",
    "slstm",
    "slstm_step",
]
