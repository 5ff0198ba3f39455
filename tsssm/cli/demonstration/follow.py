"""Feed a stream one observation at a time and compare it with the batch forecast."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsssm.forecasters import Forecaster

__all__ = ["Followed", "follow"]


@dataclass(frozen=True)
class Followed:
    """How a stream did.

    Attributes
    ----------
    hours : int
        Observations fed.
    largest_difference : float
        Between its forecasts and `predict` on the same history, in deviations of the series.
    stream_ms, batch_ms : float
        Median time of update and predict, and of `predict` on the whole history.
    state_bytes : int
        All that the stream remembers.
    """

    hours: int
    largest_difference: float
    stream_ms: float
    batch_ms: float
    state_bytes: int


def follow(model: Forecaster, y: pd.Series, n_train: int, hours: int) -> Followed:
    """Stream the observations that follow the first `n_train`.

    Parameters
    ----------
    model : Forecaster
        Fitted on the first `n_train` rows of y.
    y : Series
    n_train, hours : int
    """
    stream = model.stream()
    deviation = float(y.iloc[:n_train].std())
    differences, stream_times, batch_times = [], [], []
    for row in range(n_train, n_train + hours):
        begin = time.perf_counter()
        stream.update(float(y.iloc[row]), y.index[row])
        streamed = stream.predict()
        between = time.perf_counter()
        batch = model.predict(y.iloc[: row + 1])
        stream_times.append(between - begin)
        batch_times.append(time.perf_counter() - between)
        differences.append(float(np.abs(streamed - batch).max()) / deviation)
    return Followed(
        hours,
        # A NaN forecast has to count as a difference.
        float(np.max(np.nan_to_num(differences, nan=np.inf))),
        1e3 * float(np.median(stream_times)),
        1e3 * float(np.median(batch_times)),
        stream.state_bytes(),
    )
