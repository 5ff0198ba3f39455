"""What a saved model forecasts from: newer data and covariates, out of CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tsssm.cli.roles import SeriesTable, read_series
from tsssm.cli.stamps import set_time
from tsssm.cli.tables import read_csv
from tsssm.errors import DataError, ModelFileError
from tsssm.forecasters import Forecaster, load

__all__ = ["load_forecaster", "read_input", "read_model_series"]


def load_forecaster(folder: Path) -> Forecaster:
    """Load a saved forecaster.

    Raises
    ------
    ModelFileError
        The folder holds none, or a stream.
    """
    model = load(folder)
    if not isinstance(model, Forecaster):
        raise ModelFileError(
            f"{folder} holds a {type(model).__name__}, not a forecaster. Give a folder of `tsssm fit`."
        )
    return model


def read_input(
    model: Forecaster, data: Path | None, x_future: Path | None, time: str | None, targets: Sequence[str] | None
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """The y and X that `model.predict` takes.

    Parameters
    ----------
    model : Forecaster
    data, x_future : Path, optional
        Newer data, and the covariates of the steps to forecast.
    time : str, optional
        The column of stamps, in both files; default: the one of fit, if they have it, else the first of stamps.
    targets : sequence of str, optional
        Series; default: those of fit.

    Raises
    ------
    DataError
        A file cannot be read, lacks a column, or both give the covariates of a stamp.
    """
    if x_future is not None and not model.model_.spec.covariates:
        raise DataError(f"--x-future {x_future}: the model was fitted without covariates. Leave it out.")
    if data is None:
        if targets:
            raise DataError(f"--target {targets[0]}: without --data, all series of fit are forecast. Leave it out.")
        return None, None if x_future is None else _read_x(model, x_future, time)
    covariates = model.model_.spec.covariates
    if x_future is None:
        table = read_model_series(model, data, time, targets, covariates)
        return table.y, table.X
    future = _read_x(model, x_future, time)
    known = set(read_csv(data).columns)
    table = read_model_series(model, data, time, targets, [name for name in covariates if name in known])
    return table.y, _joined(table, future, covariates, data, x_future)


def read_model_series(
    model: Forecaster, path: Path, time: str | None, targets: Sequence[str] | None, covariates: Sequence[str]
) -> SeriesTable:
    """Read newer data for a model: the series of fit unless `targets` names others."""
    frame_columns = read_csv(path).columns
    trained = [name for name in model.model_.priors.deviation if isinstance(name, str)]
    missing = [name for name in trained if name not in frame_columns]
    if not targets and missing:
        raise DataError(
            f"{path} lacks the series {missing[:5]} that the model was fitted on; it has {list(frame_columns)}. "
            "Name the series to forecast with --target."
        )
    return read_series(path, _time_column(model, frame_columns, time), targets or trained, covariates)


def _read_x(model: Forecaster, path: Path, time: str | None) -> pd.DataFrame:
    frame = read_csv(path)
    return set_time(frame, path, _time_column(model, frame.columns, time))


def _time_column(model: Forecaster, columns: pd.Index, time: str | None) -> str | None:
    known = model._known
    remembered = None if known is None else known.table.timeline.index.name
    return str(remembered) if time is None and remembered in columns else time


def _joined(
    table: SeriesTable, future: pd.DataFrame, covariates: Sequence[str], data: Path, x_future: Path
) -> pd.DataFrame:
    """The covariates of both files, each stamp from one of them."""
    if table.X is None or not len(covariates):
        return future
    lacking = [name for name in covariates if name not in table.X or name not in future]
    if lacking:
        raise DataError(f"{data} and {x_future} must both have the covariates {list(covariates)}; missing: {lacking}")
    both = table.X.index.intersection(future.index)
    if len(both):
        raise DataError(
            f"both {data} and {x_future} give covariates for {both[0]} ({len(both)} such rows). Leave them out of one."
        )
    return pd.concat([table.X, future[list(covariates)]])
