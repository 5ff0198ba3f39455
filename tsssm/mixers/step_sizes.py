"""Step sizes at the start, as all of Mamba's kin draw them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["step_size_bias"]

RANGE = (1e-3, 1e-1)
FLOOR = 1e-4


def step_size_bias(count: int) -> Tensor:
    """Biases whose softplus is log-uniform in [1e-3, 1e-1].

    Parameters
    ----------
    count : int

    Returns
    -------
    Tensor, shape (count,)

    Examples
    --------
    >>> steps = torch.nn.functional.softplus(step_size_bias(1000))
    >>> 0.999e-3 < float(steps.min()) < float(steps.max()) < 1.001e-1
    True
    """
    low, high = (math.log(bound) for bound in RANGE)
    steps = torch.empty(count).uniform_(low, high).exp().clamp_(min=FLOOR)
    return steps + torch.log(-torch.expm1(-steps))  # the inverse of softplus
