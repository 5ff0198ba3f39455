"""Linear attention with decay."""

from .op import decay_attention
from .state import DecayState
from .step import decay_attention_step

__all__ = ["DecayState", "decay_attention", "decay_attention_step"]
