"""A forecaster's parts before any fit: their sizes, without numbers in them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from tsssm.data import feature_names
from tsssm.forecasters.calibration import Calibration
from tsssm.forecasters.lengths import CONTEXT_PATCHES, LAG_PATCHES
from tsssm.forecasters.model import CovariateScale, Model, Priors
from tsssm.forecasters.spec import ModelSpec
from tsssm.forecasters.stream_state import StreamState
from tsssm.linear import Ridge, Seasonal
from tsssm.mixers.stack import Stack, stack_name
from tsssm.mixers.stack_settings import resolve_settings

if TYPE_CHECKING:
    from tsssm.forecasters.forecaster import Forecaster

__all__ = ["blank_model", "patch_state_bytes", "sizes_of"]

HOURLY_PATCH = 24  # of a forecaster that has not seen data


def blank_model(spec: ModelSpec, stack: Stack | None) -> Model:
    """A model of these sizes whose network and base are shapes without memory."""
    with torch.device("meta"):
        network = None
        if stack is not None:
            network = spec.build_network(stack, len(feature_names(spec.cycles)) + len(spec.covariates)).eval()
        base: Ridge | Seasonal | None = None
        if spec.base == "ridge":
            base = Ridge(torch.empty(spec.lags, spec.horizon), 0.0)
        elif spec.base == "seasonal":
            base = Seasonal(spec.season_length, spec.horizon)
    columns = np.zeros(len(spec.covariates))
    return Model(spec, network, base, Priors({}, 1.0, 1.0), CovariateScale(columns, columns + 1), Calibration())


def patch_state_bytes(model: Model) -> int:
    """Bytes that a stream with ``refresh="patch"`` keeps of one series."""
    refresh = "step" if model.base is None else "patch"
    return StreamState.cold(model, ("y",), model.n_covariates, refresh).nbytes()


def sizes_of(forecaster: Forecaster, like: ModelSpec | None = None) -> tuple[ModelSpec, Stack | None]:
    """What a forecaster that is not fitted will be built of, as far as its settings say.

    Parameters
    ----------
    forecaster : Forecaster
    like : ModelSpec, optional
        Of a fitted forecaster: patches, context, lags and covariates are taken to be the same. Else they are those of a
        long hourly series without calendar and covariates, but for what the settings say.

    Raises
    ------
    ConfigError
        Invalid settings.
    """
    stack = forecaster._checked_stack()
    if like is None:
        like = _hourly(forecaster)
    given = forecaster.mixer_settings
    spec = replace(
        like,
        horizon=int(forecaster.horizon),
        levels=tuple(sorted({0.5, *map(float, forecaster.quantiles)})),
        mixer=None if stack is None else stack_name(stack),
        mixer_settings={} if stack is None else resolve_settings(stack, like.n_tokens, given),
        base=forecaster._own_base or forecaster.base,
        d_model=int(forecaster.d_model),
        n_layers=0 if stack is None else len(stack),
    )
    return spec, stack


def _hourly(forecaster: Forecaster) -> ModelSpec:
    patch = HOURLY_PATCH if forecaster.patch_length == "auto" else int(forecaster.patch_length)
    context = forecaster.context_length
    return ModelSpec(
        horizon=1,
        patch_length=patch,
        n_tokens=CONTEXT_PATCHES if context == "auto" else math.ceil(int(context) / patch),
        lags=LAG_PATCHES * patch,
        season_length=HOURLY_PATCH,
        levels=(0.5,),
        mixer=None,
        mixer_settings={},
        base=None,
        d_model=1,
        n_layers=0,
        dropout=float(forecaster.dropout),
        cycles=(),
        covariates=(),
        frequency="h",
        stamps="integers",
    )
