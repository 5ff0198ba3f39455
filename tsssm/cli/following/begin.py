"""The stream that `tsssm stream` follows with: begun from a model, or gone on with from where it was kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tsssm.cli.model_folder import check_model_folder
from tsssm.errors import ConfigError, ModelFileError
from tsssm.forecasters import Forecaster, load
from tsssm.forecasters.config_file import CONFIG, read_config
from tsssm.forecasters.folders import saved_folder

if TYPE_CHECKING:
    from tsssm.forecasters.stream import Stream

__all__ = ["begin_stream", "resume_stream"]


def resume_stream(state: Path | None, model_dir: Path, refresh: str | None) -> Stream | None:
    """The stream kept in the folder `state`; None if nothing is kept there yet.

    Raises
    ------
    ModelFileError
        The folder holds something else, or a stream of another model.
    ConfigError
        The stream runs in another mode than `refresh`.
    """
    if state is None:
        return None
    check_model_folder(state)
    kept = saved_folder(state)
    if kept is None or not any(kept.iterdir()):
        return None
    stream: Any = load(state)
    if isinstance(stream, Forecaster):
        raise ModelFileError(f"{state} holds a forecaster, not a stream. Give another folder for --state.")
    if _identity(kept) != _identity(saved_folder(model_dir) or model_dir):
        raise ModelFileError(
            f"{state} holds a stream of another model than {model_dir}. Give another folder for --state."
        )
    return _in_mode(stream, refresh, state)


def begin_stream(model_dir: Path, refresh: str | None, *, cold: bool, data: Path | None, time: str | None) -> Stream:
    """A stream from a saved model, after the data of fit, after newer data, or cold; or the saved stream itself.

    Raises
    ------
    ModelFileError
        The folder holds no model.
    ConfigError
        A saved stream has begun: `cold`, `data` and another `refresh` come too late.
    DataError
        The model was saved without its data and none are given.
    """
    model: Any = load(model_dir)
    if not isinstance(model, Forecaster):
        for option, given in (("--cold", cold), ("--data", data is not None)):
            if given:
                raise ConfigError(f"{option}: {model_dir} holds a stream that has begun already. Leave it out.")
        return _in_mode(model, refresh, model_dir)
    mode = "step" if refresh is None else refresh
    if cold:
        return model.stream(_no_rows(model), refresh=mode)
    if data is None:
        return model.stream(refresh=mode)
    return model.stream(*_history(model, data, time), refresh=mode)


def _identity(folder: Path) -> tuple:
    """What tells one model from another: the digest of its weights, and its sizes."""
    config = read_config(folder)
    try:
        return config["files"]["weights.safetensors"], config["model"]["spec"]
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"{folder / CONFIG} is damaged: it does not describe its weights") from error


def _in_mode(stream: Stream, refresh: str | None, folder: Path) -> Stream:
    if refresh not in (None, stream.refresh):
        raise ConfigError(f"--refresh {refresh}: the stream in {folder} runs with {stream.refresh!r}. Leave it out.")
    return stream


def _no_rows(model: Forecaster) -> Any:
    """The data of fit without any of its rows, as the same kind of object."""
    table = model._data().table
    return table.kind.point(np.empty((0, len(table.names))), table.timeline.index[:0])


def _history(model: Forecaster, data: Path, time: str | None) -> tuple[Any, Any]:
    from tsssm.cli.model_input import read_model_series

    table = read_model_series(model, data, time, None, model.model_.spec.covariates)
    return table.y, table.X
