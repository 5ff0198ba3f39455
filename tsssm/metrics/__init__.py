"""Metrics: arrays in, numbers out; NaN in the observations is not scored."""

from tsssm.metrics.area import area_weights
from tsssm.metrics.intervals import coverage, interval_score
from tsssm.metrics.percentage import smape
from tsssm.metrics.pointwise import mae, mse, rmse
from tsssm.metrics.quantile import quantile_loss, weighted_quantile_loss
from tsssm.metrics.scaled import mase, rmsse, seasonal_scale

__all__ = [
    "area_weights",
    "coverage",
    "interval_score",
    "mae",
    "mase",
    "mse",
    "quantile_loss",
    "rmse",
    "rmsse",
    "seasonal_scale",
    "smape",
    "weighted_quantile_loss",
]
