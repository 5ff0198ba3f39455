"""A causal convolution as long as the sequence may be, channel by channel, with its state."""

from .op import long_convolution
from .step import long_convolution_step

__all__ = ["long_convolution", "long_convolution_step"]
