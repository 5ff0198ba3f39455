"""The estimators users meet: fit, predict, backtest, stream, save."""

from tsssm.forecasters.files import load
from tsssm.forecasters.forecaster import Forecaster
from tsssm.forecasters.fork import set_one_thread_after_fork
from tsssm.forecasters.linear import LinearForecaster
from tsssm.forecasters.mamba import MambaForecaster
from tsssm.forecasters.rwkv import RWKVForecaster
from tsssm.forecasters.s4d import S4DForecaster
from tsssm.forecasters.seasonal_naive import SeasonalNaive
from tsssm.forecasters.transformer import TransformerForecaster

set_one_thread_after_fork()

__all__ = [
    "Forecaster",
    "LinearForecaster",
    "MambaForecaster",
    "RWKVForecaster",
    "S4DForecaster",
    "SeasonalNaive",
    "TransformerForecaster",
    "load",
]
