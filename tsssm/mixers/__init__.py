"""Sequence mixers: causal layers that run in parallel or step by step with equal numbers."""

from .attention import Attention
from .based import Based
from .checks import check_mixer
from .gla import GLA
from .linear_attention import LinearAttention
from .long_convolution import LongConvolution
from .mamba import Mamba
from .mixer import Mixer
from .mlp import MLP
from .registry import find_mixer
from .retention import Retention
from .rotary_average import RotaryAverage
from .rwkv6 import RWKV6
from .rwkv7 import RWKV7
from .rwkv_channel_mix import RWKVChannelMix
from .s4d import S4D
from .settings import setting_names
from .swiglu import SwiGLU

__all__ = [
    "GLA",
    "MLP",
    "RWKV6",
    "RWKV7",
    "S4D",
    "Attention",
    "Based",
    "LinearAttention",
    "LongConvolution",
    "Mamba",
    "Mixer",
    "RWKVChannelMix",
    "Retention",
    "RotaryAverage",
    "SwiGLU",
    "check_mixer",
    "find_mixer",
    "setting_names",
]
