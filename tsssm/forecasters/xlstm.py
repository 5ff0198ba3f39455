"""The xLSTM forecaster."""

from __future__ import annotations

from tsssm.forecasters.forecaster import Forecaster

__all__ = ["XLSTMForecaster"]


class XLSTMForecaster(Forecaster):
    """Forecaster on extended LSTMs, averaged with a ridge regression.

    Takes the parameters of `Forecaster`; its network is a layer with matrix memories (mLSTM) and one with scalar
    memories (sLSTM). Other shares are patterns, such as ``mixer="mlstm*7+slstm"``.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from tsssm import XLSTMForecaster
    >>> index = pd.date_range("2024-01-01", periods=400, freq="h")
    >>> y = pd.Series(np.sin(np.arange(400) * 2 * np.pi / 24), index, name="load")
    >>> model = XLSTMForecaster(horizon=24, max_steps=20, verbose=False).fit(y)
    >>> model.predict().index[0]
    Timestamp('2024-01-17 16:00:00')

    References
    ----------
    Beck et al. 2024, xLSTM: Extended Long Short-Term Memory, arXiv 2405.04517.
    """

    _own_mixer = "mlstm+slstm"
