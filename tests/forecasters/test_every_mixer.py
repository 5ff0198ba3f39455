"""Every mixer in a forecaster: fit, predict, backtest, stream, save and load."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tsssm
from small_models import randomise
from tsssm import Forecaster, RWKVForecaster, S4DForecaster
from tsssm.mixers.registry import known_mixers


@pytest.fixture(scope="module")
def y() -> pd.Series:
    index = pd.date_range("2024-01-01", periods=420, freq="h")
    noise = np.random.default_rng(0).normal(scale=0.1, size=420)
    return pd.Series(np.sin(np.arange(420) * 2 * np.pi / 24) + noise, index, name="load")


@pytest.mark.parametrize("mixer", sorted(known_mixers()))
def test_a_forecaster_of_every_mixer(mixer, y, tmp_path):
    history, live = y.iloc[:400], y.iloc[400:]
    model = Forecaster(6, mixer=mixer, d_model=16, patch_length=6, max_steps=8, verbose=False)
    randomise(model.fit(history))
    forecast = model.predict()
    assert np.isfinite(forecast).all()
    assert np.isfinite(model.backtest(y, n_windows=2).metrics["MAE"]).all()
    stream = model.stream()
    for value in live:
        stream.update(float(value))
    np.testing.assert_allclose(stream.predict(), model.predict(y), rtol=0, atol=1e-5)
    assert model.model_.step.why_not is None
    model.save(tmp_path / "model")
    assert tsssm.load(tmp_path / "model").predict().equals(forecast)


@pytest.mark.parametrize(("forecaster", "mixer"), [(RWKVForecaster, "rwkv7"), (S4DForecaster, "s4d")])
def test_named_forecasters_are_their_mixers(forecaster, mixer, y, tmp_path):
    settings = {"d_model": 16, "patch_length": 6, "max_steps": 3, "verbose": False}
    model = forecaster(6, **settings).fit(y)
    assert model.predict().equals(Forecaster(6, mixer=mixer, **settings).fit(y).predict())
    model.save(tmp_path / "model")
    assert type(tsssm.load(tmp_path / "model")) is forecaster
