"""What a search makes small."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from tsssm.errors import ConfigError, DataError
from tsssm.forecasters import Forecaster

__all__ = ["NAMED", "Metric", "metric_faults", "read_metric"]

NAMED = ("mase", "mae")


@dataclass(frozen=True)
class Metric:
    """A function of a fitted forecaster, the smaller the better, and its name."""

    name: str
    score: Callable[[Forecaster], float]


def metric_faults(metric: Any) -> list[str]:
    """What is wrong with a metric as users give it."""
    if callable(metric) or (isinstance(metric, str) and metric in NAMED):
        return []
    return [
        f"metric must be {' or '.join(map(repr, NAMED))}, or a function that takes a fitted forecaster and returns a "
        f"number, the smaller the better; got {metric!r}"
    ]


def read_metric(metric: Any) -> Metric:
    """An error on the validation part by name, or a function of the user's."""
    if isinstance(metric, str):
        return Metric(metric, lambda model: _validation_error(model, metric))
    name = getattr(metric, "__name__", type(metric).__name__)
    return Metric(name, lambda model: _finite(metric(model), name))


def _validation_error(model: Forecaster, metric: str) -> float:
    error, mae = (float(model.validation_[name]["both"]) for name in (metric, "mae"))
    if math.isnan(error) and math.isfinite(mae):
        raise DataError(
            "MASE has no value here: no series differs from its own last season in the training part. Pass "
            'metric="mae".'
        )
    return _finite(error, metric)


def _finite(score: Any, name: str) -> float:
    if not isinstance(score, Real) or not math.isfinite(score):
        raise ConfigError(f"{name} is {score!r}, not a finite number")
    return float(score)
