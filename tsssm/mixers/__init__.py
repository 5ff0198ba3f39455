"""Sequence mixers: causal layers that run in parallel or step by step with equal numbers."""

from .attention import Attention
from .based import Based
from .checks import check_mixer
from .gated_delta import GatedDelta
from .gla import GLA
from .layer_parameters import stack_parameters
from .linear_attention import LinearAttention
from .long_convolution import LongConvolution
from .mamba import Mamba
from .mamba2 import Mamba2
from .mamba3 import Mamba3
from .mixer import Mixer
from .mlp import MLP
from .mlstm import MLSTM
from .registry import find_mixer
from .retention import Retention
from .rotary_average import RotaryAverage
from .rwkv6 import RWKV6
from .rwkv7 import RWKV7
from .rwkv_channel_mix import RWKVChannelMix
from .s4d import S4D
from .settings import setting_names
from .slstm import SLSTM
from .stack import Stack, read_stack, stack_name
from .stack_checks import check_stack_settings
from .stack_settings import (
    SEPARATOR,
    kinds,
    plain_settings,
    resolve_settings,
    settings_of,
    stack_setting_names,
)
from .swiglu import SwiGLU

__all__ = [
    "GLA",
    "MLP",
    "MLSTM",
    "RWKV6",
    "RWKV7",
    "S4D",
    "SEPARATOR",
    "SLSTM",
    "Attention",
    "Based",
    "GatedDelta",
    "LinearAttention",
    "LongConvolution",
    "Mamba",
    "Mamba2",
    "Mamba3",
    "Mixer",
    "RWKVChannelMix",
    "Retention",
    "RotaryAverage",
    "Stack",
    "SwiGLU",
    "check_mixer",
    "check_stack_settings",
    "find_mixer",
    "kinds",
    "plain_settings",
    "read_stack",
    "resolve_settings",
    "setting_names",
    "settings_of",
    "stack_name",
    "stack_parameters",
    "stack_setting_names",
]
