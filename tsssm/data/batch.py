"""The tensors of one training step."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor

__all__ = ["Batch"]


@dataclass(frozen=True)
class Batch:
    """Windows of a panel, cut for one training step.

    Axes: B windows, T tokens of P observations each, H steps ahead, C covariates.

    Attributes
    ----------
    values : Tensor, (B, T * P + H) float64
        Context and what follows it, origin removed; NaN is unobserved, beyond the end, or held back for validation.
    covariates : Tensor, (B, T * P + H, C) float32
        Known in the future as well.
    location, scale : Tensor, (B, T) float64
        The causal scaler's mean and deviation at the last observation of each token.
    first_token : Tensor, (B,) int64
        The token that holds the series' first observation (0 where the window starts later).
    deviation : Tensor, (B,) float32
        The series' own deviation in training: the unit of the loss.
    """

    values: Tensor
    covariates: Tensor
    location: Tensor
    scale: Tensor
    first_token: Tensor
    deviation: Tensor

    def to(self, device) -> Batch:
        """Copy to a device, which must know float64."""
        return Batch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})
