"""A fitted model as plain values and named tensors, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tsssm.data import Table, Timeline, kind_from_json, label_from_json, label_to_json
from tsssm.errors import ConfigError, ModelFileError
from tsssm.forecasters.calibration import Calibration
from tsssm.forecasters.expected_tensors import Expected, check_tensors, refuse_nan
from tsssm.forecasters.known import Known
from tsssm.forecasters.model import CovariateScale, Model, Priors
from tsssm.forecasters.spec import ModelSpec
from tsssm.linear import Ridge, Seasonal
from tsssm.mixers import Mixer, find_mixer, read_stack
from tsssm.mixers.stack import Stack, pattern_layers
from tsssm.mixers.stack_settings import plain_settings
from tsssm.training import Training

__all__ = [
    "decode_known",
    "decode_model",
    "decode_params",
    "encode_known",
    "encode_model",
    "encode_params",
]


def encode_model(model: Model) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Plain values and tensors of a model."""
    priors = model.priors
    config = {
        "spec": model.spec.to_json(),
        "penalty": model.base.penalty if isinstance(model.base, Ridge) else None,
        "priors": {
            "deviation": [[label_to_json(name, "the series name"), d] for name, d in priors.deviation.items()],
            "ratio": priors.ratio,
            "floor": priors.floor,
        },
        "n_covariates": model.n_covariates,
    }
    tensors = {
        "covariates.mean": torch.from_numpy(model.covariate_scale.mean),
        "covariates.deviation": torch.from_numpy(model.covariate_scale.deviation),
    }
    if isinstance(model.base, Ridge):
        tensors["base.weights"] = model.base.weights
    for name, array in asdict(model.calibration).items():
        if array is not None:
            tensors[f"calibration.{name}"] = torch.from_numpy(array)
    if model.network is not None:
        tensors |= {f"network.{name}": tensor for name, tensor in model.network.state_dict().items()}
    return config, {name: tensor.contiguous() for name, tensor in tensors.items()}


def decode_model(config: Mapping[str, Any], tensors: dict[str, Tensor], mixers: Iterable[type[Mixer]] = ()) -> Model:
    """The inverse of `encode_model`; names, shapes and types are checked before anything is built.

    Raises
    ------
    ModelFileError
        Tensors are missing, unknown, of another shape or type than the configuration says, or hold NaN.
    """
    spec = ModelSpec.from_json(config["spec"])
    network = None
    if spec.n_layers > len(tensors):  # before as many are built
        raise ModelFileError(f"the weights do not fit the configuration: it says n_layers={spec.n_layers}")
    pattern = (
        None if spec.mixer is None else pattern_layers(spec.mixer, mixers)
    )  # one that is not known is told as such
    with torch.random.fork_rng(devices=[]):  # fresh weights are drawn, and thrown away
        try:
            stack = None if pattern is None else read_stack(pattern, spec.n_layers)
            expected = _expected(spec, stack, config["n_covariates"])
        except ConfigError as error:
            raise ModelFileError(f"the configuration is damaged: {error}") from error
        check_tensors(tensors, expected, "the weights")
        if stack is not None:
            network = spec.build_network(stack, config["n_covariates"])
    refuse_nan(tensors, "the weights")
    if network is not None:
        network.load_state_dict({n.removeprefix("network."): t for n, t in tensors.items() if n.startswith("network.")})
        network.eval().requires_grad_(False)
    base: Ridge | Seasonal | None = None
    if spec.base == "ridge":
        base = Ridge(tensors["base.weights"], config["penalty"])
    elif spec.base == "seasonal":
        base = Seasonal(spec.season_length, spec.horizon)
    priors = config["priors"]
    deviation = {label_from_json(name): value for name, value in priors["deviation"]}
    calibration = {
        n.removeprefix("calibration."): t.numpy() for n, t in tensors.items() if n.startswith("calibration.")
    }
    return Model(
        spec=spec,
        network=network,
        base=base,
        priors=Priors(deviation, priors["ratio"], priors["floor"]),
        covariate_scale=CovariateScale(tensors["covariates.mean"].numpy(), tensors["covariates.deviation"].numpy()),
        calibration=Calibration(**calibration),
    )


def _expected(spec: ModelSpec, stack: Stack | None, n_covariates: int) -> dict[str, Expected]:
    vector = Expected((len(spec.covariates),), torch.float64)
    expected = {"covariates.mean": vector, "covariates.deviation": vector}
    if spec.base == "ridge":
        expected["base.weights"] = Expected((spec.lags, spec.horizon), torch.float64)
    if stack is None:
        expected["calibration.residuals"] = Expected((spec.horizon, len(spec.levels)), torch.float64)
    else:
        expected["calibration.factors"] = Expected((spec.horizon,), torch.float64)
        with torch.device("meta"):  # shapes without memory
            network = spec.build_network(stack, n_covariates)
        expected |= {f"network.{name}": Expected.of(tensor) for name, tensor in network.state_dict().items()}
    return expected


def encode_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """A forecaster's settings as plain values; mixer classes by their short names, callbacks left out."""
    plain = {}
    for name, value in params.items():
        if isinstance(value, Training):
            value = {f.name: getattr(value, f.name) for f in fields(value) if f.name != "callbacks"}
        elif isinstance(value, Mapping):
            value = plain_settings(value)
        elif isinstance(value, Iterable) and not isinstance(value, str | type):
            value = [_plain(v) for v in value]
        plain[name] = _plain(value)
    return plain


def _plain(value: Any) -> Any:
    """A mixer class by its short name, a number of NumPy's as one of Python's."""
    if isinstance(value, type):
        return find_mixer(value).name
    return value.item() if isinstance(value, np.generic) else value


def decode_params(plain: Mapping[str, Any], mixers: Iterable[type[Mixer]] = ()) -> dict[str, Any]:
    """The inverse of `encode_params`; lists come back as tuples, a mixer of the user's own as its class."""
    params = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    params["training"] = Training(**plain["training"])
    own = {mixer.name: mixer for mixer in mixers}
    mixer = params["mixer"]
    params["mixer"] = tuple(own.get(m, m) for m in mixer) if isinstance(mixer, tuple) else own.get(mixer, mixer)
    return params


def encode_known(known: Known) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Plain values and tensors of the data that a forecaster continues from."""
    table = known.table
    config = {"timeline": table.timeline.to_json(), "kind": table.kind.to_json()}
    tensors = {"values": table.values, "x": known.x, "inserted": table.inserted}
    return config, {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in tensors.items()}


def decode_known(config: Mapping[str, Any], tensors: Mapping[str, Tensor], n_covariates: int) -> Known:
    """The inverse of `encode_known`; `n_covariates` are the columns of X.

    Raises
    ------
    ModelFileError
        Tensors are missing, unknown, or of another shape or type than the configuration says.
    """
    kind, rows = kind_from_json(config["kind"]), config["timeline"]["rows"]
    x = tensors.get("x", torch.empty(0, 0))
    expected = {
        "values": Expected((rows, len(kind.names)), torch.float64),
        "inserted": Expected((rows,), torch.bool),
        "x": Expected((max(rows, len(x)), n_covariates), torch.float64),  # X may go on beyond y
    }
    check_tensors(tensors, expected, "the data")
    timeline = Timeline.from_json(config["timeline"])
    table = Table(tensors["values"].numpy(), kind.names, timeline, kind, tensors["inserted"].numpy())
    return Known(table, x.numpy())
