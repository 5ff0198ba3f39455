"""The training loss: pinball over every level, step and token."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["horizon_weights", "pinball_loss"]


def horizon_weights(horizon: int) -> Tensor:
    """Weight of each step ahead, mean 1, (horizon,): even up to 200 steps, falling as (h + 1)^-1/2 beyond."""
    steps = torch.arange(1, horizon + 1, dtype=torch.float32)
    weights = torch.ones_like(steps) if horizon <= 200 else steps**-0.5
    return weights / weights.mean()


def pinball_loss(quantiles: Tensor, target: Tensor, levels: Tensor, weights: Tensor) -> Tensor:
    """Twice the weighted quantile (pinball) loss, averaged over what is observed; at level 0.5 the absolute error.

    Koenker and Bassett 1978: rho_tau(e) = max(tau e, (tau - 1) e) with e = target - quantile.

    Parameters
    ----------
    quantiles : Tensor, (..., H, Q)
    target : Tensor, (..., H)
        NaN is not counted.
    levels : Tensor, (Q,)
    weights : Tensor, broadcastable to (..., H)

    Returns
    -------
    Tensor, scalar

    Examples
    --------
    >>> import torch
    >>> pinball_loss(torch.zeros(2, 1), torch.tensor([3.0, float("nan")]), torch.tensor([0.5]), torch.ones(2))
    tensor(3.)
    """
    observed = ~torch.isnan(target)
    error = torch.nan_to_num(target)[..., None] - quantiles
    loss = torch.maximum(levels * error, (levels - 1.0) * error).mean(-1) * 2.0  # (..., H, Q) -> (..., H)
    return (loss * weights * observed).sum() / observed.sum().clamp(min=1)
