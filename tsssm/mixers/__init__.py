"""Sequence mixers: causal layers that run in parallel or step by step with equal numbers."""

from .attention import Attention
from .based import Based
from .checks import check_mixer
from .gated_delta import GatedDelta
from .gla import GLA
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
from .stack import read_stack
from .swiglu import SwiGLU

__all__ = [
    "GLA",
    "MLP",
    "MLSTM",
    "RWKV6",
    "RWKV7",
    "S4D",
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
    "SwiGLU",
    "check_mixer",
    "find_mixer",
    "read_stack",
    "setting_names",
]
