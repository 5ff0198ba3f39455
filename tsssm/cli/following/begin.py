"""The stream that `tsssm stream` follows with: the one kept in a folder, or a new one of a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tsssm.cli.model_folder import check_model_folder
from tsssm.cli.model_input import load_forecaster, read_model_series
from tsssm.data import GridKind
from tsssm.errors import ConfigError, ModelFileError
from tsssm.forecasters import Forecaster, load
from tsssm.forecasters.config_file import read_config
from tsssm.forecasters.folders import saved_folder
from tsssm.forecasters.stream import Stream

__all__ = ["begin_stream", "kept_stream"]


def kept_stream(state: Path, model_dir: Path, refresh: str | None) -> Stream | None:
    """The stream of a model that an earlier run kept in the folder `state`; None if nothing is kept there yet.

    Raises
    ------
    ModelFileError
        The folder holds something else, or a stream of another model.
    ConfigError
        The stream runs in another mode than `refresh`.
    """
    check_model_folder(state)
    kept, model = saved_folder(state), saved_folder(model_dir)
    if kept is None or not any(kept.iterdir()):
        return None
    stream: Any = load(state)
    if not isinstance(stream, Stream):
        raise ModelFileError(f"{state} holds a forecaster, not a stream. Give another folder for --state.")
    if model is None or _weights(kept) != _weights(model):
        raise ModelFileError(
            f"{state} holds a stream of another model than {model_dir}. Give another folder for --state."
        )
    if refresh not in (None, stream.refresh):
        raise ConfigError(f"--refresh {refresh}: the stream in {state} runs with {stream.refresh!r}. Leave it out.")
    return stream


def begin_stream(model_dir: Path, refresh: str | None, *, cold: bool, data: Path | None, time: str | None) -> Stream:
    """A stream from a saved model: cold, after newer data, or after the data of fit.

    Raises
    ------
    ModelFileError
        The folder holds no forecaster.
    ConfigError
        Both `cold` and `data` are given, or the model follows a grid.
    DataError
        The model was saved without its data and no newer data are given.
    """
    model, mode = load_forecaster(model_dir), "step" if refresh is None else refresh
    if cold and data is not None:
        raise ConfigError("--cold starts without data: give either --cold or --data, not both")
    if data is not None:
        table = read_model_series(model, data, time, None, model.model_.spec.covariates)
        return model.stream(table.y, table.X, refresh=mode)
    kind = model._data().table.kind
    if isinstance(kind, GridKind):
        raise ConfigError(f"{model_dir} forecasts grids, which have no lines. In Python: tsssm.load, then stream().")
    return model.stream(_no_rows(model), refresh=mode) if cold else model.stream(refresh=mode)


def _weights(folder: Path) -> Any:
    """The digest of a model's weights, which tells it from any other."""
    return read_config(folder)["files"]["weights.safetensors"]


def _no_rows(model: Forecaster) -> Any:
    """The data of fit without any of its rows, as the same kind of object."""
    table = model._data().table
    return table.kind.point(np.empty((0, len(table.names))), table.timeline.index[:0])
