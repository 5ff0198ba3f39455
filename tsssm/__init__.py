"""Time-series forecasting on state-space models. Names are imported when first used."""

from tsssm.lazy import lazy_names

__version__ = "0.1.0"

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Forecaster": "tsssm.forecasters.forecaster",
        "HybridForecaster": "tsssm.forecasters.hybrid",
        "LinearForecaster": "tsssm.forecasters.linear",
        "MambaForecaster": "tsssm.forecasters.mamba",
        "RWKVForecaster": "tsssm.forecasters.rwkv",
        "S4DForecaster": "tsssm.forecasters.s4d",
        "SeasonalNaive": "tsssm.forecasters.seasonal_naive",
        "Training": "tsssm.training.settings",
        "TransformerForecaster": "tsssm.forecasters.transformer",
        "XLSTMForecaster": "tsssm.forecasters.xlstm",
        "compare": "tsssm.comparison.compare",
        "cost_table": "tsssm.forecasters.costs",
        "load": "tsssm.forecasters.files",
        "match_parameters": "tsssm.forecasters.matching",
        "tune": "tsssm.tuning.tune",
    },
    later=("Columns",),
)

__all__ = [
    "Forecaster",
    "HybridForecaster",
    "LinearForecaster",
    "MambaForecaster",
    "RWKVForecaster",
    "S4DForecaster",
    "SeasonalNaive",
    "Training",
    "TransformerForecaster",
    "XLSTMForecaster",
    "compare",
    "cost_table",
    "load",
    "match_parameters",
    "tune",
]
