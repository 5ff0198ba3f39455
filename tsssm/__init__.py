"""Time-series forecasting on state-space models. Names are imported when first used."""

from tsssm.lazy import lazy_names

__version__ = "0.1.0"

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Forecaster": "tsssm.forecasters.forecaster",
        "LinearForecaster": "tsssm.forecasters.linear",
        "MambaForecaster": "tsssm.forecasters.mamba",
        "RWKVForecaster": "tsssm.forecasters.rwkv",
        "S4DForecaster": "tsssm.forecasters.s4d",
        "SeasonalNaive": "tsssm.forecasters.seasonal_naive",
        "Training": "tsssm.training.settings",
        "TransformerForecaster": "tsssm.forecasters.transformer",
        "compare": "tsssm.comparison.compare",
        "load": "tsssm.forecasters.files",
        "tune": "tsssm.tuning.tune",
    },
    later=("Columns",),
)

__all__ = [
    "Forecaster",
    "LinearForecaster",
    "MambaForecaster",
    "RWKVForecaster",
    "S4DForecaster",
    "SeasonalNaive",
    "Training",
    "TransformerForecaster",
    "compare",
    "load",
    "tune",
]
