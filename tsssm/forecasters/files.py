"""Save and load forecasters and streams: JSON and safetensors, never pickle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from torch import Tensor

from tsssm.data import Timeline, kind_from_json, label_from_json, label_to_json
from tsssm.errors import ConfigError, ModelFileError
from tsssm.forecasters.config_file import CONFIG, read_config, write_config
from tsssm.forecasters.encoding import (
    decode_known,
    decode_model,
    decode_params,
    encode_known,
    encode_model,
    encode_params,
)
from tsssm.forecasters.expected_tensors import Expected, check_tensors
from tsssm.forecasters.folders import read_saved, replaced_folder
from tsssm.forecasters.tensor_file import read_tensors, write_tensors
from tsssm.forecasters.written_file import write_bytes
from tsssm.mixers import Mixer
from tsssm.mixers.stack import pattern_layers, stack_name

if TYPE_CHECKING:
    from tsssm.forecasters.forecaster import Forecaster
    from tsssm.forecasters.model import Model
    from tsssm.forecasters.stream import Stream

__all__ = ["load", "save_forecaster", "save_stream"]

_WEIGHTS, _HISTORY, _STATE, _CARD = "weights.safetensors", "history.safetensors", "state.safetensors", "README.md"
_CLASSES = (
    "Forecaster",
    "HybridForecaster",
    "LinearForecaster",
    "MambaForecaster",
    "RWKVForecaster",
    "S4DForecaster",
    "SeasonalNaive",
    "TransformerForecaster",
    "XLSTMForecaster",
)
_UNREADABLE = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RuntimeError, MemoryError)


def save_forecaster(forecaster: Forecaster, path: str | PathLike, *, history: bool) -> None:
    """See `Forecaster.save`."""
    from tsssm.forecasters.card import model_card

    model_config, weights = encode_model(forecaster.model_)
    config = {
        "kind": "forecaster",
        "class": _class_name(forecaster),
        "params": encode_params(forecaster.get_params(deep=False)),
        "model": model_config,
        "training_curve": forecaster.history_.to_dict(orient="list"),
        "schedules": forecaster.schedules_.to_dict(orient="list"),
        "validation": forecaster.validation_.to_dict(orient="index"),
        "notes": forecaster.notes_,
        "training_end": forecaster._last_row.to_json(),
    }
    files = {_WEIGHTS: weights}
    if history and forecaster._known is not None:
        config["known"], files[_HISTORY] = encode_known(forecaster._known)
    with replaced_folder(path) as folder:
        _write(folder, config, files)
        write_bytes(folder / _CARD, model_card(forecaster).encode())


def save_stream(stream: Stream, path: str | PathLike) -> None:
    """See `Stream.save`; the caller holds the stream's lock."""
    model_config, weights = encode_model(stream._model)
    state, clock = stream._state, stream._clock
    config = {
        "kind": "stream",
        "model": model_config,
        "settings": {**stream._settings, "quantiles": list(stream._settings["quantiles"])},
        "names": [label_to_json(name, "the series name") for name in state.names],
        "rows": state.rows,
        "n_covariates": state.covariates.shape[1],
        "output": stream._kind.to_json(),
        "timeline": _clock_timeline(stream).to_json(),
        "started": clock is not None,
        "wall": None if clock is None or clock.wall is None else clock.wall.isoformat(),
    }
    with replaced_folder(path) as folder:
        _write(folder, config, {_WEIGHTS: weights, _STATE: dict(state.tensors())})


def load(path: str | PathLike, *, mixers: Iterable[type[Mixer]] = ()) -> Any:
    """Load what `save` wrote: a forecaster or a stream.

    Parameters
    ----------
    path : path
        The folder.
    mixers : iterable of Mixer classes
        Mixers of your own that the model uses.

    Returns
    -------
    Forecaster or Stream

    Raises
    ------
    ModelFileError
        The folder holds no saved model, one of a later format, or one that is damaged.

    Examples
    --------
    >>> import tempfile, numpy as np, tsssm
    >>> model = tsssm.LinearForecaster(horizon=2, verbose=False).fit(np.arange(50.0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model")
    ...     again = tsssm.load(f"{folder}/model")
    >>> bool((again.predict() == model.predict()).all())
    True
    """
    if isinstance(mixers, type):
        raise ConfigError(f"mixers takes a list of classes; got {mixers!r}. Write mixers=[{mixers.__name__}].")
    own = tuple(mixers)
    return read_saved(path, lambda folder: _load(folder, own))


def _load(folder: Path, mixers: tuple) -> Any:
    config = read_config(folder)
    files = {name: read_tensors(folder / name, digest) for name, digest in _digests(config, folder).items()}
    try:
        decode = {"forecaster": _load_forecaster, "stream": _load_stream}[config["kind"]]
        return decode(config, files, mixers)
    except ConfigError:  # a mixer of the user's own that `load` was not given
        raise
    except ModelFileError as error:
        raise ModelFileError(f"{folder}: {error}") from error
    except _UNREADABLE as error:
        raise ModelFileError(
            f"{folder / CONFIG} is damaged: {type(error).__name__}: {error}. Restore it, or save the model again."
        ) from error


def _load_forecaster(config: dict, files: dict[str, dict[str, Tensor]], mixers: tuple) -> Forecaster:
    cls = _forecaster_class(config["class"])
    forecaster = cls(**decode_params(config["params"], mixers))
    forecaster.model_ = decode_model(config["model"], files[_WEIGHTS], mixers)
    fitted = forecaster.model_.spec.mixer
    if forecaster.mixer is None and fitted is not None and fitted != stack_name(pattern_layers(forecaster._own_mixer)):
        forecaster.mixer = fitted  # the class's own was another when it was saved: a copy fits what this one is
    forecaster.history_ = pd.DataFrame(config["training_curve"], columns=["step", "loss", "learning_rate"])
    forecaster.schedules_ = pd.DataFrame(config["schedules"], columns=["learning_rate", "steps", "error"])
    forecaster.resumed_from_step_ = None
    forecaster.validation_ = pd.DataFrame.from_dict(config["validation"], orient="index", columns=["mae", "mase"])
    forecaster.notes_ = config["notes"]
    forecaster._last_row = _short_timeline(config["training_end"])
    forecaster.training_end_ = forecaster._last_row.index[-1]
    network = forecaster.model_.network
    forecaster.n_parameters_ = 0 if network is None else sum(p.numel() for p in network.parameters())
    forecaster._known = None
    if "known" in config:
        forecaster._known = decode_known(config["known"], files[_HISTORY], len(forecaster.model_.spec.covariates))
    return forecaster


def _load_stream(config: dict, files: dict[str, dict[str, Tensor]], mixers: tuple) -> Stream:
    from tsssm.forecasters.stream import Stream, check_refresh
    from tsssm.forecasters.stream_state import StreamState

    model = decode_model(config["model"], files[_WEIGHTS], mixers)
    names = tuple(label_from_json(name) for name in config["names"])
    settings = {**config["settings"], "quantiles": tuple(config["settings"]["quantiles"])}
    tensors = files[_STATE]
    _check_sizes(tensors, model, len(names), config["n_covariates"])
    try:
        check_refresh(settings["refresh"], model)
    except ConfigError as error:
        raise ModelFileError(f"the configuration is damaged: {error}") from error
    cold = StreamState.cold(model, names, config["n_covariates"], settings["refresh"])
    check_tensors(tensors, {name: Expected.of(tensor) for name, tensor in cold.tensors()}, "the state")
    state = cold.with_tensors(tensors, config["rows"])
    timeline = _short_timeline(config["timeline"])
    if not config["started"]:
        timeline = timeline.slice(len(timeline), None)
    kind = kind_from_json(config["output"])
    if kind.names != names:
        raise ModelFileError(f"the series are {names[:3]}, the forecasts' {kind.names[:3]}. Save the stream again.")
    stream = Stream(model, state, timeline, kind, settings)
    if config["wall"] is not None and stream._clock is not None:  # a change of clocks had moved the last row
        stream._clock = replace(stream._clock, wall=pd.Timestamp(config["wall"]))
    return stream


def _check_sizes(state: dict[str, Tensor], model: Model, n_series: int, n_covariates: int) -> None:
    """Before a state of the sizes that the configuration says is built: it could be larger than any memory."""
    (patch, columns), (series, kept) = state["covariates"].shape, state["values"].shape
    if (patch, columns, series) != (model.spec.patch_length, n_covariates, n_series) or kept < model.lags:
        raise ModelFileError(
            f"the state is of {series} series, patches of {patch}, {columns} covariates and {kept} values, the "
            "configuration says otherwise. Restore the folder, or save the stream again."
        )


def _write(folder: Path, config: dict[str, Any], files: dict[str, dict[str, Tensor]]) -> None:
    from tsssm import __version__

    digests = {name: write_tensors(folder / name, tensors) for name, tensors in files.items()}
    write_config(folder, {"written_by": __version__, "files": digests} | config)


def _digests(config: dict, folder: Path) -> dict[str, str]:
    """By the names of files, which are a closed list: none leads out of the folder."""
    files = config.get("files")
    if not isinstance(files, dict) or not files.keys() <= {_WEIGHTS, _HISTORY, _STATE}:
        raise ModelFileError(f"{folder / CONFIG} is damaged: its files are {files!r:.200}. Save the model again.")
    return files


def _forecaster_class(name: str) -> type[Forecaster]:
    from tsssm import forecasters

    if name not in _CLASSES:
        raise ModelFileError(f"the saved class is {name!r}; this tsssm loads {', '.join(_CLASSES)}")
    return getattr(forecasters, name)


def _class_name(forecaster: Forecaster) -> str:
    from tsssm import forecasters

    name = type(forecaster).__name__
    if type(forecaster) is not getattr(forecasters, name, None):
        raise ModelFileError(
            f"a {name} cannot be saved, for only {', '.join(_CLASSES)} can be loaded. Fit one of these; a mixer of "
            "your own can be given to load."
        )
    return name


def _short_timeline(plain: dict[str, Any]) -> Timeline:
    """A time axis of one row or none: a larger one would be built before it is used."""
    if plain["rows"] not in (0, 1):
        raise ModelFileError(f"the configuration has a last row that is {plain['rows']!r} rows long")
    return Timeline.from_json(plain)


def _clock_timeline(stream: Stream) -> Timeline:
    """The stream's last row as a time axis; an empty one before the first row."""
    return stream._empty if stream._clock is None else stream._empty.start_at(stream._clock.last)
