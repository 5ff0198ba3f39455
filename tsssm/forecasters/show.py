"""Draw a forecaster's forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tsssm.data import drawable, is_xarray, open_grid
from tsssm.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tsssm.forecasters.forecaster import Forecaster

__all__ = ["plot_fan"]

_HISTORY = 4  # horizons of history shown, and at least two seasons


def plot_fan(forecaster: Forecaster, y: Any, X: Any, *, actual: Any, series: Any, ax: Axes | None) -> Axes:
    """See `Forecaster.plot`."""
    from tsssm.plotting import plot_forecast

    model = forecaster._fitted()
    known, quantiles = forecaster._quantiles(y, X, model.spec.levels)
    table, horizon = known.table, model.spec.horizon
    column = _column(table.names, series)
    index = table.timeline.future(horizon)
    shown = max(_HISTORY * horizon, 2 * model.spec.season_length)
    history = pd.Series(table.values[-shown:, column], index=drawable(table.timeline.index[-shown:]))
    frame = pd.DataFrame(quantiles[:, column], index=drawable(index), columns=list(model.spec.levels))
    title = None if table.names[column] is None or len(table.names) == 1 else str(table.names[column])
    observed = _actual(actual, table.names, column, index)
    if observed is not None:
        observed.index = drawable(observed.index)
    return plot_forecast(history, frame[0.5], frame, observed, title=title, ax=ax)


def _column(names: tuple, series: Any) -> int:
    if series is None:
        return 0
    if series not in names:
        raise DataError(f"there is no series {series!r}; there are {list(names[:10])!r}")
    return names.index(series)


def _actual(actual: Any, names: tuple, column: int, index: pd.Index) -> pd.Series | None:
    if actual is None:
        return None
    if isinstance(actual, np.ndarray) and actual.size % len(names) == 0 and actual.ndim in (1, 2):
        values = actual.reshape(-1, len(names))[: len(index), column]
        return pd.Series(values, index=index[: len(values)])
    if is_xarray(actual):
        kind, values, given = open_grid(actual, "actual", keep_unobserved=True)
        actual = pd.DataFrame(values, index=given, columns=list(kind.names))
    if isinstance(actual, pd.DataFrame):
        if names[column] not in actual.columns:
            raise DataError(f"actual has no column {names[column]!r}; it has {actual.columns.tolist()[:10]!r}")
        actual = actual[names[column]]
    if not isinstance(actual, pd.Series):
        raise DataError(f"actual must be a Series, a frame or an array of the forecast's steps; got {actual!r}")
    chosen = actual[actual.index.isin(index)]
    if not len(chosen):
        raise DataError(f"actual has none of the forecast's stamps, {index[0]} to {index[-1]}")
    return chosen
