"""Softmax attention over a window of the last steps."""

from .op import window_attention
from .state import WindowState
from .step import window_attention_step

__all__ = ["WindowState", "window_attention", "window_attention_step"]
