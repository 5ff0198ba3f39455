"""Values and covariates of P observations become one token."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["future_rows", "token_features", "token_width"]


def token_width(patch_length: int, n_covariates: int) -> int:
    """Features of one token: value, observed flag and covariates of each of its observations."""
    return patch_length * (2 + n_covariates)


def token_features(values: Tensor, covariates: Tensor, location: Tensor, scale: Tensor) -> Tensor:
    """Cut windows into patches and scale each by the statistics at its last observation.

    Axes: B rows, T tokens, P observations a token, C covariates.

    Parameters
    ----------
    values : Tensor, (B, T * P)
        Origin removed; NaN is unobserved and enters as zero with its flag down.
    covariates : Tensor, (B, T * P, C)
        Zero before the series.
    location, scale : Tensor, (B, T) float64
        Scaled in float64, so that a level far above the deviation keeps its digits.

    Returns
    -------
    Tensor, (B, T, P * (2 + C)) float32
    """
    n_rows, n_tokens = location.shape
    patches = values.view(n_rows, n_tokens, -1)  # (B, T * P) -> (B, T, P)
    observed = ~torch.isnan(patches)
    scaled = (patches.double() - location[..., None]) / scale[..., None]
    scaled = torch.where(observed, scaled, 0.0).float()
    # a covariate of P rows weighs as much as one value: entering at full size, a calendar drowns the series
    shared = covariates.reshape(n_rows, n_tokens, -1) / patches.shape[-1]
    return torch.cat([scaled, observed.float(), shared], dim=-1)


def future_rows(rows: Tensor, patch_length: int, horizon: int) -> Tensor:
    """For each token, the H rows that follow it.

    Parameters
    ----------
    rows : Tensor, (B, T * P + H, K)
        Context, then the horizon of the last token.

    Returns
    -------
    Tensor, (B, T, H, K), a view
    """
    # (B, T*P+H, K) -> (B, T+1, K, H): windows of H rows, one every P; the first precedes the first token
    return rows.unfold(1, horizon, patch_length)[:, 1:].transpose(2, 3)
