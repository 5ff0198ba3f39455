"""Step sizes at the start, as all of Mamba's kin draw them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["step_size_bias"]

FLOOR = 1e-4


def step_size_bias(count: int, smallest: float = 1e-3, largest: float = 1e-1) -> Tensor:
    """Biases whose softplus is log-uniform between two step sizes.

    Parameters
    ----------
    count : int
    smallest, largest : float

    Returns
    -------
    Tensor, shape (count,)

    Examples
    --------
    >>> steps = torch.nn.functional.softplus(step_size_bias(1000))
    >>> 0.999e-3 < float(steps.min()) < float(steps.max()) < 1.001e-1
    True
    """
    low, high = (math.log(bound) for bound in (smallest, largest))
    steps = torch.empty(count).uniform_(low, high).exp().clamp_(min=FLOOR)
    return steps + torch.log(-torch.expm1(-steps))  # the inverse of softplus
