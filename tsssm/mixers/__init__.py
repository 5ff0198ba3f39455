"""Sequence mixers: causal layers that run in parallel or step by step with equal numbers."""

from .checks import check_mixer
from .mamba import Mamba
from .mixer import Mixer
from .registry import find_mixer

__all__ = ["Mamba", "Mixer", "check_mixer", "find_mixer"]
