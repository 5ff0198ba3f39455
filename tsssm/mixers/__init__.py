"""Sequence mixers: causal layers that run in parallel or step by step with equal numbers."""

from .attention import Attention
from .checks import check_mixer
from .mamba import Mamba
from .mixer import Mixer
from .mlp import MLP
from .registry import find_mixer
from .settings import setting_names

__all__ = ["MLP", "Attention", "Mamba", "Mixer", "check_mixer", "find_mixer", "setting_names"]
