"""Forecasts as one flat table: the time, then the columns of each series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tsssm.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tsssm.forecasters import Forecaster

__all__ = ["forecast_table", "read_levels"]


def read_levels(coverage: float | None, quantiles: str | None) -> float | tuple[float, ...] | None:
    """What is asked for beside the median: a coverage, levels, or nothing.

    Raises
    ------
    ConfigError
        Both are given, or `quantiles` is no list of numbers.

    Examples
    --------
    >>> read_levels(None, "0.1,0.9")
    (0.1, 0.9)
    """
    if quantiles is None:
        return coverage
    if coverage is not None:
        raise ConfigError("give either --coverage or --quantiles, not both")
    try:
        return tuple(float(level) for level in quantiles.split(","))
    except ValueError:
        raise ConfigError(
            f"--quantiles must be numbers parted by commas, such as 0.1,0.5,0.9; got {quantiles!r}"
        ) from None


def forecast_table(
    model: Forecaster, y: pd.DataFrame | None, X: pd.DataFrame | None, levels: float | tuple[float, ...] | None
) -> pd.DataFrame:
    """Forecast, with the interval of a coverage or the quantiles of some levels.

    Parameters
    ----------
    model : Forecaster
    y, X : DataFrame, optional
        As `Forecaster.predict` takes them.
    levels : float, tuple of float or None
        A coverage adds NAME_lower and NAME_upper, a tuple NAME_q0.1 and so on.

    Returns
    -------
    DataFrame, (horizon, columns)
        Index: the time.
    """
    point = _as_frame(model.predict(y, X))
    if levels is None:
        return point
    if isinstance(levels, tuple):
        labels = [f"q{level:g}" for level in levels]
        values = model.predict_quantiles(y, X, levels=levels)
    else:
        labels = ["lower", "upper"]
        values = model.predict_interval(y, X, coverage=levels)
    # Every kind of forecast has its values in the order step, series, level.
    bounds = np.asarray(values, dtype=np.float64).reshape(*point.shape, len(labels))
    columns: dict[str, object] = {}
    for i, name in enumerate(point.columns):
        added = {str(name): point[name]} | {f"{name}_{label}": bounds[:, i, k] for k, label in enumerate(labels)}
        clash = set(added) & set(columns)
        if clash:
            raise DataError(f"two columns would be called {min(clash)!r}. Rename that series.")
        columns |= added
    return pd.DataFrame(columns, index=point.index)


def _as_frame(point: pd.DataFrame | pd.Series | np.ndarray) -> pd.DataFrame:
    """The point forecast of any kind as a frame with a named index."""
    if isinstance(point, np.ndarray):
        values = point.reshape(len(point), -1)
        frame = pd.DataFrame(values, index=pd.RangeIndex(1, len(values) + 1, name="step"))
    elif isinstance(point, pd.Series):
        frame = point.to_frame("y" if point.name is None else point.name)
    else:
        frame = point
    name = "time" if frame.index.name is None else frame.index.name
    return frame.set_axis(frame.index.rename(name), axis=0)
