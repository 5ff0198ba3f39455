"""The linear forecaster."""

from __future__ import annotations

from tsssm.forecasters.forecaster import Forecaster

__all__ = ["LinearForecaster"]


class LinearForecaster(Forecaster):
    """One ridge regression for all series, in closed form: the bar a network has to clear.

    It maps the last 14 patches of values, minus their mean, to the horizon. It fits in seconds and has no random
    part. Intervals are empirical quantiles of the validation errors, in units of the series' recent deviation. Takes
    the parameters of `Forecaster`; those of the network have no effect (but `context_length`, a quarter of which is the
    half-life of that deviation), and X is not used.

    Examples
    --------
    >>> import numpy as np
    >>> from tsssm import LinearForecaster
    >>> y = np.cos(np.arange(300) * 2 * np.pi / 12)
    >>> LinearForecaster(horizon=3, verbose=False).fit(y).predict().round(2)
    array([1.  , 0.87, 0.5 ])
    """

    _own_mixer = None
