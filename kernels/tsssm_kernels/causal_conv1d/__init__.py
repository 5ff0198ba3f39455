"""A short causal convolution, channel by channel, with its state."""

from .op import causal_conv1d
from .step import causal_conv1d_step

__all__ = ["causal_conv1d", "causal_conv1d_step"]
