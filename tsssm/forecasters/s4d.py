"""The S4D forecaster."""

from __future__ import annotations

from tsssm.forecasters.forecaster import Forecaster

__all__ = ["S4DForecaster"]


class S4DForecaster(Forecaster):
    """Forecaster on diagonal state-space layers whose rates are fixed (S4D), averaged with a ridge regression.

    Takes the parameters of `Forecaster`; its network is a stack of S4D blocks.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tsssm import S4DForecaster
    >>> index = pd.date_range("2024-01-01", periods=400, freq="h")
    >>> y = pd.Series(np.sin(np.arange(400) * 2 * np.pi / 24), index, name="load")
    >>> model = S4DForecaster(horizon=24, max_steps=20, verbose=False).fit(y)
    >>> model.predict().index[0]
    Timestamp('2024-01-17 16:00:00')

    References
    ----------
    Gu et al. 2022, On the Parameterization and Initialization of Diagonal State Space Models, arXiv 2206.11893.
    """

    _own_mixer = "s4d"
