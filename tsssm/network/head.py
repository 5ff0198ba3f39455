"""The quantile head: forecasts of the next H steps that cannot cross."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

__all__ = ["QuantileHead"]

_RANK = 8  # responses to the future that a token can combine


class QuantileHead(nn.Module):
    """Quantiles of the next `horizon` steps from one token's features and each step's known-future inputs.

    The median is free; each level above (below) it adds (subtracts) a softplus to its inner neighbour, so quantiles
    never cross. A step's known-future inputs pass through a small network whose responses are weighted by the token
    (a bilinear form of rank 8), so that the same Monday morning means more for one series than for another. All
    weights of the token start at zero: an untrained network forecasts the scaler's mean with the quantiles of a
    normal distribution.

    Parameters
    ----------
    d_model, horizon, n_covariates : int
        Features of a token, steps ahead, known-future inputs of a step.
    levels : sequence of float
        Increasing quantile levels, 0.5 among them.

    Examples
    --------
    >>> import torch
    >>> head = QuantileHead(16, horizon=4, n_covariates=0, levels=(0.1, 0.5, 0.9))
    >>> head(torch.randn(2, 5, 16), None).shape
    torch.Size([2, 5, 4, 3])
    """

    def __init__(self, d_model: int, *, horizon: int, n_covariates: int, levels: Sequence[float]):
        super().__init__()
        self.horizon, self.n_covariates = horizon, n_covariates
        self.n_levels, self.median = len(levels), list(levels).index(0.5)
        self.steps = nn.Linear(d_model, self.n_levels * horizon)  # level by level: few long rows, not many short ones
        nn.init.zeros_(self.steps.weight)
        with torch.no_grad():
            self.steps.bias.copy_(_normal_increments(levels).repeat_interleave(horizon))
        if n_covariates:
            self.responses = nn.Sequential(nn.Linear(n_covariates, 32), nn.GELU(), nn.Linear(32, _RANK))
            self.mixing = nn.Linear(d_model, _RANK * self.n_levels)
            nn.init.zeros_(self.mixing.weight)
            nn.init.zeros_(self.mixing.bias)

    def respond(self, covariates: Tensor) -> Tensor | None:
        """Responses to known-future inputs, (..., C) -> (..., 8); None without covariates."""
        return self.responses(covariates) if self.n_covariates else None

    def forward(self, hidden: Tensor, responses: Tensor | None) -> Tensor:
        """Forecast in scaled units.

        Parameters
        ----------
        hidden : Tensor, (..., d_model)
        responses : Tensor, (..., horizon, 8), or None
            From `respond`, for the steps that follow each token.

        Returns
        -------
        Tensor, (..., horizon, n_levels)
        """
        raw = self.steps(hidden).unflatten(-1, (self.n_levels, self.horizon))
        if responses is not None:
            mixing = self.mixing(hidden).unflatten(-1, (_RANK, self.n_levels))
            raw = raw + mixing.transpose(-1, -2) @ responses.transpose(-1, -2)
        quantiles = list(raw.unbind(-2))  # each (..., horizon)
        for level in range(self.median + 1, self.n_levels):
            quantiles[level] = quantiles[level - 1] + softplus(quantiles[level])
        for level in reversed(range(self.median)):
            quantiles[level] = quantiles[level + 1] - softplus(quantiles[level])
        return torch.stack(quantiles).movedim(0, -1)


def _normal_increments(levels: Sequence[float]) -> Tensor:
    """Biases for which an untrained head gives the standard normal's quantiles, (n_levels,)."""
    quantiles = [NormalDist().inv_cdf(level) for level in levels]
    inverse_softplus = [math.log(math.expm1(b - a)) for a, b in itertools.pairwise(quantiles)]
    median = list(levels).index(0.5)
    return torch.tensor([*inverse_softplus[:median], 0.0, *inverse_softplus[median:]])
