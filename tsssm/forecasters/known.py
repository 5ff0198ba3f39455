"""What a fitted forecaster keeps of its data, and what `predict`, `backtest` and `stream` start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tsssm.data import (
    Covariates,
    Panel,
    Table,
    Timeline,
    find_time,
    is_cftime,
    is_xarray,
    read_covariates,
    read_future_covariates,
    read_table,
    time_index,
)
from tsssm.errors import DataError
from tsssm.forecasters.model import Model, build_panel

__all__ = ["Known", "known_panel", "read_known", "read_known_future"]


@dataclass(frozen=True)
class Known:
    """A table and the covariates known for it: at least its rows, perhaps more."""

    table: Table
    x: np.ndarray  # (rows or more, n_columns) float64


def read_known(y: Any, X: Any, model: Model, gaps: str, *, n_future: int = 0, allow_unobserved: bool = False) -> Known:
    """Read new data for a fitted model; X must reach `n_future` rows past y.

    Raises
    ------
    DataError
        y or X cannot be used, has another frequency than fit's, or X is missing or not expected.
    """
    _refuse_other_stamps(y, model)
    try:
        table = read_table(y, freq=model.spec.frequency, gaps=gaps, allow_unobserved=allow_unobserved)
    except DataError as error:
        raise DataError(f"{error} (The forecaster was fitted on the frequency {model.spec.frequency!r}.)") from error
    columns = model.spec.covariates
    if not columns:
        _refuse_unexpected(X, model)
        return Known(table, np.zeros((len(table.timeline) + n_future, 0)))
    if not len(table.timeline):
        return Known(table, np.zeros((0, len(columns))))
    if X is None:
        needed = "y and the horizon" if n_future else "y"
        raise DataError(f"X is missing: the forecaster was fitted with {', '.join(columns)}. Pass X for {needed}.")
    x = read_covariates(X, table.timeline, n_future=n_future, columns=columns, inserted=table.inserted)
    return Known(table, x.values)


def kind_of_stamps(index: pd.Index) -> str:
    """ "integers", "periods", "datetimes without a zone", "datetimes in <zone>" or "dates of the calendar <name>"."""
    if is_cftime(index) and len(index):
        return f"dates of the calendar {index[0].calendar}"
    if isinstance(index, pd.DatetimeIndex):
        return "datetimes without a zone" if index.tz is None else f"datetimes in {index.tz}"
    return "periods" if isinstance(index, pd.PeriodIndex) else "integers"


def _refuse_other_stamps(y: Any, model: Model) -> None:
    """Stamps of another kind or zone would shift the calendar; what is no table at all is left to `read_table`."""
    if is_xarray(y):
        index: Any = time_index(y, find_time(y, "y"))
    else:
        index = pd.RangeIndex(len(y)) if isinstance(y, np.ndarray) else getattr(y, "index", None)
    numbers = isinstance(index, pd.Index) and pd.api.types.is_integer_dtype(index.dtype)
    if not (isinstance(index, pd.DatetimeIndex | pd.PeriodIndex) or numbers or (is_cftime(index) and len(index))):
        return
    seen = kind_of_stamps(index)
    if seen != model.spec.stamps:
        remedy = "pd.Series(values, index), y.tz_localize(zone), y.tz_convert(zone) or y.to_timestamp()"
        if is_xarray(y):
            remedy = "y.convert_calendar(name, use_cftime=...) or y.assign_coords"
        raise DataError(
            f"y has {seen} as stamps, but the forecaster was fitted on {model.spec.stamps}. Give y such an index: "
            f"{remedy}."
        )


def _refuse_unexpected(X: Any, model: Model) -> None:
    """A forecaster without a network takes X and does not use it, so that all forecasters can be called alike."""
    if X is not None and model.network is not None:
        raise DataError("X was given, but the forecaster was fitted without covariates. Leave it out, or fit with X.")


def read_known_future(known: Known, X: Any, model: Model) -> Known:
    """Fit's own data with covariates for the horizon: those of X, else those that fit's X had beyond y.

    Raises
    ------
    DataError
        Neither covers the horizon.
    """
    rows, horizon, columns = len(known.table.timeline), model.spec.horizon, model.spec.covariates
    if not columns:
        _refuse_unexpected(X, model)
        return Known(known.table, np.zeros((rows + horizon, 0)))
    index = known.table.timeline.future(horizon)
    if X is not None:
        future: Covariates = read_future_covariates(X, index, columns)
        return Known(known.table, np.concatenate([known.x[:rows], future.values]))
    if len(known.x) < rows + horizon:
        raise DataError(
            f"X is missing for the {horizon} steps from {index[0]} to {index[-1]}: fit's X ends {len(known.x) - rows} "
            f"steps past y. Pass predict(X=...) with {', '.join(columns)} for these steps."
        )
    return Known(known.table, known.x[: rows + horizon])


def known_panel(model: Model, known: Known) -> Panel:
    """The panel of what is known, with calendar and scaled X for all rows of ``known.x``."""
    n_beyond = len(known.x) - len(known.table.timeline)
    timeline: Timeline = known.table.timeline.extend(n_beyond) if n_beyond else known.table.timeline
    return build_panel(known.table, model.covariate_rows(timeline, known.x))
