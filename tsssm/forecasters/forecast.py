"""Forecasts at cutoffs: base and network, the two together, and the quantiles around that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tsssm.data import Panel
from tsssm.forecasters.encode import hidden_at
from tsssm.forecasters.model import Model, Track
from tsssm.linear import Cutoffs

__all__ = ["Forecasts", "forecast_at", "forecast_chunks", "speak"]

_VALUES_AT_ONCE = 4_000_000  # cutoffs times steps times levels of one chunk


@dataclass(frozen=True)
class Forecasts:
    """Forecasts at n cutoffs, the series' origin removed.

    Attributes
    ----------
    point : ndarray, (n, horizon) float64
        The forecast: base and network by their shares, their mean unless validation has chosen one of them.
    base, network : ndarray, (n, horizon), or None
        The parts' own point forecasts.
    quantiles : ndarray, (n, horizon, n_levels)
        Increasing; the one of level 0.5 is `point`.
    """

    point: np.ndarray
    base: np.ndarray | None
    network: np.ndarray | None
    quantiles: np.ndarray

    @classmethod
    def joined(cls, chunks: list[Forecasts]) -> Forecasts:
        """One after another."""

        def join(name: str):
            parts = [getattr(chunk, name) for chunk in chunks]
            return None if parts[0] is None else np.concatenate(parts)

        return cls(**{f.name: join(f.name) for f in fields(cls)})

    def moved(self, origins: np.ndarray) -> Forecasts:
        """With each row's origin, (n,), added back."""

        def move(values: np.ndarray | None) -> Any:
            return None if values is None else values + origins.reshape(-1, *[1] * (values.ndim - 1))

        return Forecasts(**{f.name: move(getattr(self, f.name)) for f in fields(self)})

    def at(self, rows: np.ndarray) -> Forecasts:
        """These rows, in this order."""

        def choose(values: np.ndarray | None) -> Any:
            return None if values is None else values[rows]

        return Forecasts(**{f.name: choose(getattr(self, f.name)) for f in fields(self)})


@torch.no_grad()
def speak(model: Model, hidden: Tensor, covariates: np.ndarray, location: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The network's quantiles, origin removed.

    Parameters
    ----------
    model : Model
    hidden : Tensor, (n, d_model)
        The features of the last token of each cutoff.
    covariates : ndarray, (n, horizon, n_covariates) float32
        Of the steps that follow it.
    location, scale : ndarray, (n,)
        The causal scaler's at that token.

    Returns
    -------
    ndarray, (n, horizon, n_levels) float64
    """
    assert model.network is not None
    head = model.network.head
    scaled = head(hidden, head.respond(torch.from_numpy(covariates))).double().numpy()
    return scaled * scale[:, None, None] + location[:, None, None]


def combine(model: Model, base: np.ndarray | None, network: np.ndarray | None, scale: np.ndarray) -> Forecasts:
    """The parts by their shares, and the calibrated quantiles around that.

    Parameters
    ----------
    model : Model
    base : ndarray, (n, horizon), or None
    network : ndarray, (n, horizon, n_levels), or None
        Quantiles.
    scale : ndarray, (n,)
    """
    median = None if network is None else network[..., model.spec.median]
    spread = None if network is None else network - network[..., model.spec.median, None]
    point = mix(model, base, median)
    return Forecasts(point, base, median, point[..., None] + model.calibration.spread(spread, scale))


def mix(model: Model, base: np.ndarray | None, median: np.ndarray | None) -> np.ndarray:
    """The point forecast of base and network, each by its share."""
    if base is None or median is None:
        point = median if base is None else base
        assert point is not None
        return point
    share = model.spec.network_share
    return (1.0 - share) * base + share * median


def forecast_chunks(model: Model, panel: Panel, track: Track, cutoffs: Cutoffs) -> Iterator[tuple[slice, Forecasts]]:
    """Forecast at every cutoff, a chunk at a time; see `forecast_at`."""
    hidden = None if model.network is None else hidden_at(model.network, panel, track, cutoffs)
    horizon, n_levels = model.spec.horizon, len(model.spec.levels)
    size = max(1, _VALUES_AT_ONCE // (horizon * n_levels))
    for first in range(0, len(cutoffs.series), size):
        chunk = slice(first, min(first + size, len(cutoffs.series)))
        series, ends = cutoffs.series[chunk], cutoffs.ends[chunk]
        location, scale = track.at(panel, series, ends)
        base = network = None
        if model.base is not None:
            base = model.base.forecast(panel.windows(series, ends, model.lags), location)
        if hidden is not None:
            future = panel.covariate_windows(series, ends + horizon, horizon)
            network = speak(model, hidden[chunk], future, location, scale)
        yield chunk, combine(model, base, network, scale)


def forecast_at(model: Model, panel: Panel, track: Track, cutoffs: Cutoffs) -> Forecasts:
    """Forecast at every cutoff from all that precedes it.

    Parameters
    ----------
    model : Model
    panel : Panel
        Its covariate rows reach `horizon` rows past each cutoff.
    track : Track
        Of this panel.
    cutoffs : Cutoffs
        Each with one value or more.
    """
    return Forecasts.joined([forecasts for _, forecasts in forecast_chunks(model, panel, track, cutoffs)])
