"""Sequence mixers: causal layers that run in parallel or step by step with equal numbers."""

from .attention import Attention
from .checks import check_mixer
from .mamba import Mamba
from .mixer import Mixer
from .mlp import MLP
from .registry import find_mixer
from .rotary_average import RotaryAverage
from .settings import setting_names
from .swiglu import SwiGLU

__all__ = [
    "MLP",
    "Attention",
    "Mamba",
    "Mixer",
    "RotaryAverage",
    "SwiGLU",
    "check_mixer",
    "find_mixer",
    "setting_names",
]
