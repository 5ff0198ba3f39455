"""The causal forecasting network: plain modules, tensors in and out."""

from tsssm.network.block import Block
from tsssm.network.head import QuantileHead
from tsssm.network.loss import horizon_weights, pinball_loss
from tsssm.network.network import ForecastNetwork
from tsssm.network.patches import future_rows, token_features, token_width
from tsssm.network.scaler import CausalScaler
from tsssm.network.token_step import TokenStep

__all__ = [
    "Block",
    "CausalScaler",
    "ForecastNetwork",
    "QuantileHead",
    "TokenStep",
    "future_rows",
    "horizon_weights",
    "pinball_loss",
    "token_features",
    "token_width",
]
