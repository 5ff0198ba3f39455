"""The forecasters that the command line names."""

from __future__ import annotations

import pytest

import tsssm
from tsssm.cli.choice import make_forecaster
from tsssm.cli.options import ForecasterName
from tsssm.errors import ConfigError

CLASSES = {
    "default": tsssm.Forecaster,
    "mamba": tsssm.MambaForecaster,
    "transformer": tsssm.TransformerForecaster,
    "rwkv": tsssm.RWKVForecaster,
    "xlstm": tsssm.XLSTMForecaster,
    "s4d": tsssm.S4DForecaster,
    "hybrid": tsssm.HybridForecaster,
    "linear": tsssm.LinearForecaster,
    "seasonal-naive": tsssm.SeasonalNaive,
}


def make(name: str, max_steps: int | None = None) -> tsssm.Forecaster:
    return make_forecaster(ForecasterName(name), 12, gaps="mask", seed=3, max_steps=max_steps, verbose=False)


def test_every_name_has_its_class():
    assert set(CLASSES) == {str(name) for name in ForecasterName}
    for name, cls in CLASSES.items():
        made = make(name)
        assert type(made) is cls
        assert (made.horizon, made.gaps, made.random_state) == (12, "mask", 3)


def test_steps_are_for_networks():
    for name in CLASSES:
        if name in ("linear", "seasonal-naive"):
            with pytest.raises(ConfigError, match=f"--max-steps 7: {name} does not train in steps"):
                make(name, max_steps=7)
        else:
            assert make(name, max_steps=7).max_steps == 7
