"""The hybrid forecaster."""

from __future__ import annotations

from tsssm.forecasters.forecaster import Forecaster

__all__ = ["HybridForecaster"]


class HybridForecaster(Forecaster):
    """Forecaster on a state-space layer and a layer of attention, averaged with a ridge regression.

    Takes the parameters of `Forecaster`; its network is a stack of Mamba-2 and attention in turn, whose attention sees
    a window of the training context's length. Other stacks are patterns, such as ``mixer="(rwkv7*2+attention)*2"``.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tsssm import HybridForecaster
    >>> index = pd.date_range("2024-01-01", periods=400, freq="h")
    >>> y = pd.Series(np.sin(np.arange(400) * 2 * np.pi / 24), index, name="load")
    >>> model = HybridForecaster(horizon=24, max_steps=20, verbose=False).fit(y)
    >>> model.predict().index[0]
    Timestamp('2024-01-17 16:00:00')

    References
    ----------
    Waleffe et al. 2024, An Empirical Study of Mamba-based Language Models, arXiv 2406.07887.
    """

    _own_mixer = "mamba2+attention"
