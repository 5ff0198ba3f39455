"""The Mamba forecaster."""

from __future__ import annotations

from tsssm.forecasters.forecaster import Forecaster

__all__ = ["MambaForecaster"]


class MambaForecaster(Forecaster):
    """Forecaster on selective state-space layers (Mamba), averaged with a ridge regression.

    Takes the parameters of `Forecaster`; its network is a stack of Mamba blocks, which keep a state of fixed size and
    read a history of any length.

    Examples
    --------
    >>> import pandas as pd
    >>> from tsssm import MambaForecaster
    >>> import numpy as np
    >>> index = pd.date_range("2024-01-01", periods=400, freq="h")
    >>> y = pd.Series(np.sin(np.arange(400) * 2 * np.pi / 24), index, name="load")
    >>> model = MambaForecaster(horizon=24, max_steps=20, verbose=False).fit(y)
    >>> model.predict().index[0]
    Timestamp('2024-01-17 16:00:00')

    References
    ----------
    Gu and Dao 2023, Mamba: Linear-Time Sequence Modeling with Selective State Spaces, arXiv 2312.00752.
    """

    _own_mixer = "mamba"
