"""The RWKV forecaster."""

from __future__ import annotations

from tsssm.forecasters.forecaster import Forecaster

__all__ = ["RWKVForecaster"]


class RWKVForecaster(Forecaster):
    """Forecaster on RWKV-7, averaged with a ridge regression.

    Takes the parameters of `Forecaster`; its network is a stack of RWKV-7 blocks, time mixing and channel mixing, which
    keep a state of fixed size and read a history of any length. ``mixer="rwkv6"`` takes RWKV-6 in its place.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tsssm import RWKVForecaster
    >>> index = pd.date_range("2024-01-01", periods=400, freq="h")
    >>> y = pd.Series(np.sin(np.arange(400) * 2 * np.pi / 24), index, name="load")
    >>> model = RWKVForecaster(horizon=24, max_steps=20, verbose=False).fit(y)
    >>> model.predict().index[0]
    Timestamp('2024-01-17 16:00:00')

    References
    ----------
    Peng et al. 2025, RWKV-7 "Goose" with Expressive Dynamic State Evolution, arXiv 2503.14456.
    """

    _own_mixer = "rwkv7"
