"""What a stream's state forecasts."""

from __future__ import annotations

import numpy as np

from tsssm.forecasters.forecast import Forecasts, combine, mix, speak
from tsssm.forecasters.model import Model
from tsssm.forecasters.stream_state import StreamState

__all__ = ["stream_forecast"]


def stream_forecast(model: Model, state: StreamState, future: np.ndarray) -> Forecasts:
    """Forecast from a stream's state.

    The base is fresh. The network speaks from the last token; where that lies j rows back, its first j steps are past,
    and the last j steps of the horizon come from the base, moved by as much as the network last moved it.

    Parameters
    ----------
    model : Model
    state : StreamState
        Every series with one observation or more.
    future : ndarray, (horizon, C) float32
        Known-future inputs of the steps ahead.

    Returns
    -------
    Forecasts
        One row a series, origin removed.
    """
    horizon = model.spec.horizon
    forecasts = []
    for back in np.unique(state.since):
        rows = np.flatnonzero(state.since == back)
        base = None
        if model.base is not None:
            base = model.base.forecast(state.values[rows, -model.lags :], state.now[rows, 0])
        if model.network is None:
            forecasts.append((rows, combine(model, base, None, state.now[rows, 1])))
            continue
        known = np.concatenate([state.covariates[len(state.covariates) - back :], future])[:horizon]
        network = speak(
            model, state.hidden[rows], np.broadcast_to(known, (len(rows), *known.shape)).copy(), *state.spoken[rows].T
        )
        spoken = combine(model, base, network, state.spoken[rows, 1])
        forecasts.append((rows, spoken if back == 0 else _moved_on(model, state, rows, int(back), base, network)))
    order = np.argsort(np.concatenate([rows for rows, _ in forecasts]))
    return Forecasts.joined([part for _, part in forecasts]).at(order)


def _moved_on(model: Model, state: StreamState, rows: np.ndarray, back: int, base, network: np.ndarray) -> Forecasts:
    """The forecast `back` rows after the network's last token."""
    assert model.base is not None
    window = state.values[rows][:, -model.lags - back : state.values.shape[1] - back]
    base_then = model.base.forecast(window, state.spoken[rows, 0])
    then = combine(model, base_then, network, state.spoken[rows, 1])
    ahead = np.minimum(np.arange(model.spec.horizon) + back, model.spec.horizon - 1)  # the token's own steps
    still_spoken = np.arange(model.spec.horizon) + back < model.spec.horizon
    last_move = then.point[:, -1:] - base_then[:, -1:]
    median = network[..., model.spec.median]
    point = np.where(still_spoken, mix(model, base, median[:, ahead]), base + last_move)
    spread = then.quantiles - then.point[..., None]
    spoken = np.where(still_spoken, median[:, ahead], np.nan)
    return Forecasts(point, base, spoken, point[..., None] + spread[:, ahead])
