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
from tsssm.forecasters.folders import replaced_folder, saved_folder
from tsssm.forecasters.tensor_file import read_tensors, write_tensors
from tsssm.forecasters.written_file import write_bytes
from tsssm.mixers import Mixer

if TYPE_CHECKING:
    from tsssm.forecasters.forecaster import Forecaster
    from tsssm.forecasters.stream import Stream

__all__ = ["load", "save_forecaster", "save_stream"]

_WEIGHTS, _HISTORY, _STATE, _CARD = "weights.safetensors", "history.safetensors", "state.safetensors", "README.md"


def save_forecaster(forecaster: Forecaster, path: str | PathLike, *, history: bool) -> None:
    """See `Forecaster.save`."""
    from tsssm.forecasters.card import model_card

    model_config, weights = encode_model(forecaster.model_)
    config = {
        "kind": "forecaster",
        "class": type(forecaster).__name__,
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
    folder, mixers = saved_folder(path), tuple(mixers)
    if folder is None:
        raise ModelFileError(f"there is no folder {Path(path).absolute()}")
    config = read_config(folder)
    files = {name: read_tensors(folder / name, digest) for name, digest in _section(config, "files", folder).items()}
    try:
        decode = _load_forecaster if config["kind"] == "forecaster" else _load_stream
        return decode(config, files, mixers)
    except (ConfigError, ModelFileError):
        raise
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise ModelFileError(f"{folder / CONFIG} is damaged: {type(error).__name__}: {error}") from error


def _load_forecaster(config: dict, files: dict[str, dict[str, Tensor]], mixers: tuple) -> Forecaster:
    cls = _forecaster_class(config["class"])
    forecaster = cls(**decode_params(config["params"], mixers))
    forecaster.model_ = decode_model(config["model"], files[_WEIGHTS], mixers)
    forecaster.history_ = pd.DataFrame(config["training_curve"], columns=["step", "loss", "learning_rate"])
    forecaster.schedules_ = pd.DataFrame(config["schedules"], columns=["learning_rate", "steps", "error"])
    forecaster.resumed_from_step_ = None
    forecaster.validation_ = pd.DataFrame.from_dict(config["validation"], orient="index", columns=["mae", "mase"])
    forecaster.notes_ = config["notes"]
    forecaster._last_row = Timeline.from_json(config["training_end"])
    forecaster.training_end_ = forecaster._last_row.index[-1]
    network = forecaster.model_.network
    forecaster.n_parameters_ = 0 if network is None else sum(p.numel() for p in network.parameters())
    forecaster._known = decode_known(config["known"], files[_HISTORY]) if "known" in config else None
    return forecaster


def _load_stream(config: dict, files: dict[str, dict[str, Tensor]], mixers: tuple) -> Stream:
    from tsssm.forecasters.stream import Stream
    from tsssm.forecasters.stream_state import StreamState

    model = decode_model(config["model"], files[_WEIGHTS], mixers)
    names = tuple(label_from_json(name) for name in config["names"])
    settings = {**config["settings"], "quantiles": tuple(config["settings"]["quantiles"])}
    cold = StreamState.cold(model, names, config["n_covariates"], settings["refresh"])
    tensors = files[_STATE]
    for name, tensor in cold.tensors():
        if name not in tensors or tensors[name].shape != tensor.shape or tensors[name].dtype != tensor.dtype:
            raise ModelFileError(f"the stream's state lacks {name!r} of shape {tuple(tensor.shape)}, {tensor.dtype}")
    state = cold.with_tensors(tensors, config["rows"])
    timeline = Timeline.from_json(config["timeline"])
    if not config["started"]:
        timeline = timeline.slice(len(timeline), None)
    stream = Stream(model, state, timeline, kind_from_json(config["output"]), settings)
    if (
        config["wall"] is not None and stream._clock is not None
    ):  # the usual time of day of a row that a clock change moved
        stream._clock = replace(stream._clock, wall=pd.Timestamp(config["wall"]))
    return stream


def _write(folder: Path, config: dict[str, Any], files: dict[str, dict[str, Tensor]]) -> None:
    from tsssm import __version__

    digests = {name: write_tensors(folder / name, tensors) for name, tensors in files.items()}
    write_config(folder, {"written_by": __version__, "files": digests} | config)


def _section(config: dict, name: str, folder: Path) -> dict:
    section = config.get(name)
    if not isinstance(section, dict) or any(Path(file).name != file for file in section):
        raise ModelFileError(f"{folder / CONFIG} is damaged: no proper {name!r}")
    return section


def _forecaster_class(name: str) -> type[Forecaster]:
    from tsssm import forecasters

    known = ("Forecaster", "LinearForecaster", "MambaForecaster", "SeasonalNaive", "TransformerForecaster")
    if name not in known:
        raise ModelFileError(f"the saved class is {name!r}; this tsssm loads {', '.join(known)}")
    return getattr(forecasters, name)


def _clock_timeline(stream: Stream) -> Timeline:
    """The stream's last row as a time axis; an empty one before the first row."""
    return stream._empty if stream._clock is None else stream._empty.start_at(stream._clock.last)
