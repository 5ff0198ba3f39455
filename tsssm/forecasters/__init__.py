"""The estimators users meet: fit, predict, backtest, stream, save."""

from tsssm.forecasters.files import load
from tsssm.forecasters.forecaster import Forecaster
from tsssm.forecasters.fork import set_one_thread_after_fork
from tsssm.forecasters.hybrid import HybridForecaster
from tsssm.forecasters.linear import LinearForecaster
from tsssm.forecasters.mamba import MambaForecaster
from tsssm.forecasters.rwkv import RWKVForecaster
from tsssm.forecasters.s4d import S4DForecaster
from tsssm.forecasters.seasonal_naive import SeasonalNaive
from tsssm.forecasters.transformer import TransformerForecaster
from tsssm.forecasters.xlstm import XLSTMForecaster

set_one_thread_after_fork()

__all__ = [
    "Forecaster",
    "HybridForecaster",
    "LinearForecaster",
    "MambaForecaster",
    "RWKVForecaster",
    "S4DForecaster",
    "SeasonalNaive",
    "TransformerForecaster",
    "XLSTMForecaster",
    "load",
]
