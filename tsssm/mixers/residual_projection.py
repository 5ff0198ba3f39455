"""The linear map with which a mixer adds to the residual stream."""

from __future__ import annotations

import math

import torch
from torch import nn

__all__ = ["residual_projection"]


def residual_projection(inputs: int, d_model: int, n_added: int, bias: bool = False) -> nn.Linear:
    """A linear map to the stream, its weights divided by the root of how many outputs a stack adds up in it.

    So the stream of a deep stack begins no larger than that of a shallow one.

    Parameters
    ----------
    inputs, d_model : int
        Width of what is mapped, and of the stream.
    n_added : int
        Outputs that are added up: the layers, or twice as many where each has a channel mixer behind it.
    bias : bool, default False
        Whether there is a bias; it is not divided.

    Examples
    --------
    >>> residual_projection(32, 16, 8).weight.abs().max() <= (32 * 8) ** -0.5
    tensor(True)
    """
    linear = nn.Linear(inputs, d_model, bias=bias)
    with torch.no_grad():
        linear.weight.div_(math.sqrt(n_added))
    return linear
