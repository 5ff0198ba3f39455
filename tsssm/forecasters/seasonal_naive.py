"""The seasonal naive forecaster."""

from __future__ import annotations

from tsssm.forecasters.forecaster import Forecaster

__all__ = ["SeasonalNaive"]


class SeasonalNaive(Forecaster):
    """Forecast the value one season ago: what any forecaster should beat.

    Unobserved values are looked for up to four seasons back. Intervals are those of `LinearForecaster`. Takes the
    parameters of `Forecaster`, of which `horizon`, `season_length`, `quantiles`, `gaps` and `validation_size` matter,
    and `context_length` and `patch_length` for the unit of the intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from tsssm import SeasonalNaive
    >>> SeasonalNaive(horizon=3, season_length=2, verbose=False).fit(np.arange(20.0)).predict()
    array([18., 19., 18.])
    """

    _own_mixer = None
    _own_base = "seasonal"
