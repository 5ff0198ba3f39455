"""A short depthwise causal convolution with its state: the inputs it still needs."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from tsssm.errors import ConfigError
from tsssm_kernels import causal_conv1d, causal_conv1d_step

from .counts import check_counts

__all__ = ["ShortConvolution"]


class ShortConvolution(nn.Module):
    """``y_t = activation(bias + sum_j weight_j * x_{t-width+1+j})``, channel by channel, zeros before the sequence.

    Parameters
    ----------
    channels : int
        Number of channels.
    width : int, default 4
        Number of taps; at least 2.
    bias : bool, default True
        Whether there is a bias.
    activation : {"silu"}, optional
        Applied to the sum.

    Attributes
    ----------
    weight : Parameter, shape (width, channels)
        The taps, the current input's last; uniform within ``+-width ** -0.5`` at the start, like the bias.
    bias : Parameter, shape (channels,), or None
        The bias.

    Examples
    --------
    >>> import torch
    >>> convolution = ShortConvolution(3)
    >>> y, tail = convolution(torch.randn(2, 10, 3), torch.zeros(2, 3, 3))
    >>> y.shape, tail.shape
    (torch.Size([2, 10, 3]), torch.Size([2, 3, 3]))
    """

    def __init__(self, channels: int, width: int = 4, *, bias: bool = True, activation: str | None = None):
        super().__init__()
        check_counts("a short convolution", conv_width=width)
        if width < 2:
            raise ConfigError(f"a short convolution needs at least 2 taps; got conv_width={width}. Use 4, say.")
        bound = 1 / math.sqrt(width)
        self.weight = nn.Parameter(torch.empty(width, channels).uniform_(-bound, bound))
        self.bias: Any = nn.Parameter(torch.empty(channels).uniform_(-bound, bound)) if bias else None
        self.activation = activation

    def forward(self, x: Tensor, tail: Tensor | None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Convolve a sequence.

        Parameters
        ----------
        x : Tensor, shape (batch, length, channels)
            The inputs.
        tail : Tensor, shape (batch, width - 1, channels), or None
            The inputs before them; zeros, as at the start of a sequence, if None.
        resets : Tensor of bool, shape (batch, length), optional
            Where true, a new sequence begins: what stands before reaches neither this step nor later ones.

        Returns
        -------
        y : Tensor, shape (batch, length, channels)
            The outputs.
        tail : Tensor, shape (batch, width - 1, channels)
            The last inputs, of `x`'s dtype, those before the last reset set to zero.
        """
        y, last = causal_conv1d(
            x, self.weight, self.bias, activation=self.activation, initial_state=tail, resets=resets
        )
        return y, last.to(x.dtype)

    def step(self, x_t: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve one step: `x_t` and `y_t` have shape (batch, channels), `tail` that of `forward`."""
        y_t, last = causal_conv1d_step(x_t, self.weight, self.bias, activation=self.activation, state=tail)
        return y_t, last.to(x_t.dtype)
