"""A model's parts before any fit: their sizes, and numbers that mean nothing."""

from __future__ import annotations

import numpy as np
import torch

from tsssm.data import feature_names
from tsssm.forecasters.calibration import Calibration
from tsssm.forecasters.model import CovariateScale, Model, Priors
from tsssm.forecasters.spec import ModelSpec
from tsssm.forecasters.stream_state import StreamState
from tsssm.linear import Ridge, Seasonal
from tsssm.mixers.stack import Stack

__all__ = ["blank_model", "smallest_stream_bytes"]


def blank_model(spec: ModelSpec, stack: Stack | None, device: str = "meta") -> Model:
    """A model of these sizes; on the device "meta" network and base are shapes without memory.

    The global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]), torch.device(device):
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


def smallest_stream_bytes(model: Model) -> tuple[int, str]:
    """Bytes that a stream keeps of one series, with the `refresh` that takes the least: "step" without a base."""
    refresh = "step" if model.base is None else "patch"
    return StreamState.cold(model, ("y",), model.n_covariates, refresh).nbytes(), refresh
