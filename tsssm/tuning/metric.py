"""What a search makes small."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from tsssm.errors import ConfigError, DataError
from tsssm.forecasters import Forecaster

__all__ = ["NAMED", "Metric", "read_metric"]

NAMED = ("mase", "mae")


@dataclass(frozen=True)
class Metric:
    """A function of a fitted forecaster, the smaller the better, and its name."""

    name: str
    score: Callable[[Forecaster], float]


def read_metric(metric: Any) -> Metric:
    """An error on the validation part by name, or a function of the user's.

    Raises
    ------
    ConfigError
        It is neither.
    """
    if isinstance(metric, str) and metric in NAMED:
        return Metric(metric, lambda model: _validation_error(model, metric))
    if not callable(metric):
        raise ConfigError(
            f"metric must be {' or '.join(map(repr, NAMED))}, or a function that takes a fitted forecaster and returns "
            f"a number, the smaller the better; got {metric!r}"
        )
    name = getattr(metric, "__name__", type(metric).__name__)
    return Metric(name, lambda model: _checked(metric(model), name))


def _validation_error(model: Forecaster, metric: str) -> float:
    validation = model.validation_
    if "both" not in validation.index:
        raise DataError(
            "tune compares errors on the validation part, and there is none: no series is long enough to spare one, or "
            "nothing is observed in it. Pass more history, set validation_size, or pass a metric of your own."
        )
    error, scale_free = (float(validation[name]["both"]) for name in (metric, "mae"))
    if math.isnan(error) and math.isfinite(scale_free):
        raise DataError(
            "MASE has no value here: no series differs from its own last season in the training part. Pass "
            'metric="mae".'
        )
    return _checked(error, metric)


def _checked(score: Any, name: str) -> float:
    if not isinstance(score, Real) or not math.isfinite(score):
        raise ConfigError(f"{name} is {score!r}, not a finite number")
    return float(score)
