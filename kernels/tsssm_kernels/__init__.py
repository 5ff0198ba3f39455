"""Tensor operators of state-space models: recurrences over (batch, length, ...) tensors, and their single steps."""

from .causal_conv1d import causal_conv1d, causal_conv1d_step
from .compiled_step import CannotCompileError, CompiledStep, compile_step
from .decay_attention import DecayState, decay_attention, decay_attention_step
from .delta_rule import delta_rule, delta_rule_step, gated_delta_rule, gated_delta_rule_step
from .diagonal_scan import diagonal_scan, diagonal_scan_step
from .linear_recurrence import linear_recurrence
from .long_convolution import long_convolution, long_convolution_step
from .mamba_inner import mamba_inner, mamba_inner_step
from .selective_scan import selective_scan, selective_scan_step
from .slstm import SLSTMState, slstm, slstm_step
from .window_attention import WindowState, window_attention, window_attention_step

__all__ = [
    "CannotCompileError",
    "CompiledStep",
    "DecayState",
    "SLSTMState",
    "WindowState",
    "causal_conv1d",
    "causal_conv1d_step",
    "compile_step",
    "decay_attention",
    "decay_attention_step",
    "delta_rule",
    "delta_rule_step",
    "diagonal_scan",
    "diagonal_scan_step",
    "gated_delta_rule",
    "gated_delta_rule_step",
    "linear_recurrence",
    "long_convolution",
    "long_convolution_step",
    "mamba_inner",
    "mamba_inner_step",
    "selective_scan",
    "selective_scan_step",
    "slstm",
    "slstm_step",
    "window_attention",
    "window_attention_step",
]
