"""What a fitted forecaster keeps of its data, and what `predict`, `backtest` and `stream` start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tsssm.data import Covariates, Panel, Table, Timeline, read_covariates, read_future_covariates, read_table
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
    if isinstance(y, np.ndarray) and model.spec.frequency != "1":
        raise DataError(
            f"y is an array, without stamps, but the forecaster was fitted on the frequency {model.spec.frequency!r}. "
            "Give y an index: pd.Series(y, index)."
        )
    table = read_table(y, freq=model.spec.frequency, gaps=gaps, allow_unobserved=allow_unobserved)
    columns = model.spec.covariates
    if not columns:
        if X is not None:
            raise DataError(
                "X was given, but the forecaster was fitted without covariates. Leave it out, or fit with X."
            )
        return Known(table, np.zeros((len(table.timeline) + n_future, 0)))
    if X is None:
        raise DataError(
            f"X is missing: the forecaster was fitted with {', '.join(columns)}. Pass X for y and the horizon."
        )
    if not len(table.timeline):
        return Known(table, np.zeros((0, len(columns))))
    x = read_covariates(X, table.timeline, n_future=n_future, columns=columns, inserted=table.inserted)
    return Known(table, x.values)


def read_known_future(known: Known, X: Any, model: Model) -> Known:
    """Fit's own data with covariates for the horizon: those of X, else those that fit's X had beyond y.

    Raises
    ------
    DataError
        Neither covers the horizon.
    """
    rows, horizon, columns = len(known.table.timeline), model.spec.horizon, model.spec.covariates
    if not columns:
        if X is not None:
            raise DataError(
                "X was given, but the forecaster was fitted without covariates. Leave it out, or fit with X."
            )
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
