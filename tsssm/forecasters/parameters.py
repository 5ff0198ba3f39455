"""How many parameters a forecaster has, by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from tsssm.errors import ConfigError
from tsssm.forecasters.model import Model
from tsssm.linear import Ridge
from tsssm.mixers.layer_parameters import stack_parameters

if TYPE_CHECKING:
    from tsssm.forecasters.forecaster import Forecaster

__all__ = ["ParameterCounts", "backbone_parameters", "count_parameters", "parameter_counts", "refuse_budget"]


@dataclass(frozen=True)
class ParameterCounts:
    """Parameters of a fitted forecaster.

    Attributes
    ----------
    backbone : int
        The residual blocks and all norms: what a mixer is responsible for.
    embedding, head : int
        The linear map of a patch to a token, and what speaks the forecast from a token.
    base : int
        Weights of the ridge regression.
    """

    backbone: int
    embedding: int
    head: int
    base: int

    @property
    def network(self) -> int:
        """All parameters of the network."""
        return self.backbone + self.embedding + self.head

    @property
    def total(self) -> int:
        """All parameters."""
        return self.network + self.base


def parameter_counts(forecaster: Forecaster) -> ParameterCounts:
    """Count a fitted forecaster's parameters by part.

    Raises
    ------
    NotFittedError
        Embedding, head and base depend on the data.

    Examples
    --------
    >>> import numpy as np
    >>> from tsssm import LinearForecaster
    >>> parameter_counts(LinearForecaster(horizon=2, verbose=False).fit(np.arange(50.0)))
    ParameterCounts(backbone=0, embedding=0, head=0, base=32)
    """
    return count_parameters(forecaster._fitted())


def count_parameters(model: Model) -> ParameterCounts:
    """Count a model's parameters by part."""
    base = model.base.weights.numel() if isinstance(model.base, Ridge) else 0
    network = model.network
    if network is None:
        return ParameterCounts(0, 0, 0, base)
    embedding, head = _count(network.embedding), _count(network.head)
    return ParameterCounts(_count(network) - embedding - head, embedding, head, base)


def backbone_parameters(forecaster: Forecaster) -> int:
    """Parameters of the blocks and norms; of a fitted forecaster as it was fitted.

    Raises
    ------
    ConfigError
        Invalid settings, there is no network, or a fit would choose sizes for a `state_budget`.
    """
    if hasattr(forecaster, "model_") and forecaster.model_.network is not None:
        return count_parameters(forecaster.model_).backbone
    stack = forecaster._checked_stack()
    if stack is None:
        raise ConfigError(f"{type(forecaster).__name__} has no network, and so no backbone to count.")
    refuse_budget(forecaster)
    return stack_parameters(stack, int(forecaster.d_model), forecaster.mixer_settings)


def refuse_budget(forecaster: Forecaster) -> None:
    """Of a forecaster that is not fitted: the sizes of its network are not settled.

    Raises
    ------
    ConfigError
    """
    if forecaster.state_budget is not None:
        raise ConfigError(
            f"state_budget={forecaster.state_budget!r} chooses sizes in fit, so the parameters are not known before. "
            "Leave it out, and give the sizes that a fit's notes_ name as mixer_settings."
        )


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
