"""What forecasters take: parameters, operations, bytes of state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pandas as pd
import torch

from tsssm.errors import ConfigError
from tsssm.forecasters.blank import blank_model, smallest_stream_bytes
from tsssm.forecasters.forecaster import Forecaster
from tsssm.forecasters.model import Model
from tsssm.forecasters.parameters import count_parameters
from tsssm.forecasters.unfitted import sizes_of
from tsssm.network import token_width
from tsssm.network.flops import count_flops

__all__ = ["Costs", "cost_table", "costs"]


@dataclass(frozen=True)
class Costs:
    """What a forecaster takes.

    Attributes
    ----------
    backbone, embedding, head, base : int
        Parameters: blocks and norms; the map of a patch to a token; what speaks a forecast from a token; the ridge.
    step_flops : int
        Floating-point operations of the network for one token: what an observation of a stream takes, the forecast
        left out.
    forecast_flops : int
        Of a forecast from nothing but the series: a context of tokens, the head once, the base.
    state_bytes : int
        What a stream with ``refresh="patch"`` keeps of one series.
    network_state_bytes : int
        The network's part in it.
    """

    backbone: int
    embedding: int
    head: int
    base: int
    step_flops: int
    forecast_flops: int
    state_bytes: int
    network_state_bytes: int


def costs(forecaster: Forecaster, like: Forecaster | None = None) -> Costs:
    """Count what a forecaster takes, fitted or not.

    Parameters
    ----------
    forecaster : Forecaster
        A fitted one counts as it was fitted. Of another, what its settings leave to the data is counted as on a long
        hourly series without calendar and covariates: patches of 24, contexts of 30 patches, a ridge on 14.
    like : Forecaster, optional
        A fitted one, whose patches, context, calendar and covariates are taken in place of these.

    Raises
    ------
    ConfigError
        Invalid settings.

    Examples
    --------
    >>> from tsssm import MambaForecaster
    >>> costs(MambaForecaster(24)).state_bytes, costs(MambaForecaster(24, d_model=32)).state_bytes
    (22688, 12832)
    """
    if not isinstance(forecaster, Forecaster):
        raise ConfigError(f"costs are counted of forecasters, fitted or not; got {forecaster!r}")
    model = _model(forecaster, like)
    spec, network = model.spec, model.network
    parameters, step, head = count_parameters(model), 0, 0
    if network is not None:
        token = torch.zeros(1, token_width(spec.patch_length, model.n_covariates), dtype=torch.float32)
        known = torch.zeros(1, spec.horizon, model.n_covariates, dtype=torch.float32)
        state, hidden = network.initial_state(1), torch.zeros(1, spec.d_model, dtype=torch.float32)
        step = count_flops(lambda: network.step(token, state))
        head = count_flops(lambda: network.head(hidden, network.head.respond(known)))
    return Costs(
        backbone=parameters.backbone,
        embedding=parameters.embedding,
        head=parameters.head,
        base=parameters.base,
        step_flops=step,
        forecast_flops=spec.n_tokens * step + head + 2 * parameters.base,
        state_bytes=smallest_stream_bytes(model)[0],
        network_state_bytes=0 if network is None else network.state_bytes(),
    )


def cost_table(forecasters: Mapping[str, Forecaster]) -> pd.DataFrame:
    """What several forecasters take, a row each; columns as `Costs`.

    If one is fitted, those that are not are counted as on its data.

    Parameters
    ----------
    forecasters : mapping of str to Forecaster

    Examples
    --------
    >>> from tsssm import MambaForecaster, TransformerForecaster
    >>> mamba = MambaForecaster(24)
    >>> table = cost_table({"mamba": mamba, "twin": TransformerForecaster.matched_to(mamba)})
    >>> table["backbone"].to_dict()
    {'mamba': 65472, 'twin': 65466}
    """
    if not isinstance(forecasters, Mapping):
        raise ConfigError(f"cost_table takes a dict of forecasters by name; got {forecasters!r}")
    fitted = [one for one in forecasters.values() if hasattr(one, "model_")]
    fitted.sort(key=lambda one: one.model_.network is None)  # one with a network knows of calendar and covariates too
    like = fitted[0] if fitted else None
    return pd.DataFrame({name: asdict(costs(one, like)) for name, one in forecasters.items()}).T


def _model(forecaster: Forecaster, like: Forecaster | None) -> Model:
    """As it was fitted, else of the sizes that its settings say."""
    if hasattr(forecaster, "model_"):
        return forecaster.model_
    spec, stack = sizes_of(forecaster, None if like is None else like._fitted().spec)
    return blank_model(spec, stack, device="cpu")
