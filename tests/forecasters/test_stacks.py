"""Forecasters on stacks of several mixers, and the mixers' settings by scikit-learn's names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import tsssm
from small_models import randomise
from tsssm import Forecaster, HybridForecaster, MambaForecaster, Training, XLSTMForecaster
from tsssm.errors import ConfigError
from tsssm.mixers import MLP, Attention, Mamba2

SMALL = {"d_model": 16, "patch_length": 6, "max_steps": 8, "verbose": False}


class Own(MLP):
    name = "own"


@pytest.fixture(scope="module")
def y() -> pd.Series:
    index = pd.date_range("2024-01-01", periods=420, freq="h")
    noise = np.random.default_rng(0).normal(scale=0.1, size=420)
    return pd.Series(np.sin(np.arange(420) * 2 * np.pi / 24) + noise, index, name="load")


@pytest.mark.parametrize(
    ("mixer", "name", "layers"),
    [
        ("mamba2*2+attention", "mamba2*2+attention", 3),
        ("(rwkv7+attention)*2", "rwkv7+attention", 4),
        ("mamba+rwkv7*2", "mamba+rwkv7*2", 3),
        (["mlstm", Own, Attention], "mlstm+own+attention", 3),
    ],
)
def test_a_stack_is_fitted_followed_and_saved(mixer, name, layers, y, tmp_path):
    history, live = y.iloc[:400], y.iloc[400:]
    model = randomise(Forecaster(6, mixer=mixer, **SMALL).fit(history))
    spec = model.model_.spec
    assert (spec.mixer, spec.n_layers) == (name, layers)
    assert f"{layers} layers of {name}, width 16" in str(model.summary())
    forecast, stream = model.predict(), model.stream()
    for value in live:
        stream.update(float(value))
    np.testing.assert_allclose(stream.predict(), model.predict(y), rtol=0, atol=1e-5)
    assert np.isfinite(model.backtest(y, n_windows=2).metrics["MAE"]).all()
    model.save(tmp_path / "model")
    again = tsssm.load(tmp_path / "model", mixers=[Own])
    assert again.predict().equals(forecast)
    assert again.model_.spec == spec
    assert list(again.get_params()["mixer"]) == list(mixer if isinstance(mixer, str) else ("mlstm", Own, "attention"))


@pytest.mark.parametrize(
    ("forecaster", "stack"), [(HybridForecaster, "mamba2+attention"), (XLSTMForecaster, "mlstm+slstm")]
)
def test_named_forecasters_are_their_stacks(forecaster, stack, y, tmp_path):
    model = forecaster(6, **SMALL).fit(y)
    assert model.predict().equals(Forecaster(6, mixer=stack, **SMALL).fit(y).predict())
    model.save(tmp_path / "model")
    assert type(tsssm.load(tmp_path / "model")) is forecaster


def test_an_own_mixer_of_a_saved_stack_must_be_given(y, tmp_path):
    Forecaster(6, mixer=["mamba", Own], **{**SMALL, "max_steps": 1}).fit(y).save(tmp_path / "model")
    with pytest.raises(ConfigError, match="'mamba\\+own' is no stack: expected a mixer among"):
        tsssm.load(tmp_path / "model")


def test_settings_reach_the_layers_they_name(y):
    settings = {"n_heads": 2, "attention__window": 5, "mamba2__state_size": 8}
    model = Forecaster(6, mixer="mamba2+attention+gla", mixer_settings=settings, **{**SMALL, "max_steps": 1}).fit(y)
    mamba2, attention, _, gla, _ = (block.mixer for block in model.model_.network.blocks)
    assert isinstance(mamba2, Mamba2)
    assert (mamba2.state_size, attention.n_heads, attention.window, gla.n_heads) == (8, 2, 5, 2)


def test_settings_of_mixers_by_the_names_of_scikit_learn():
    model = MambaForecaster(6, mixer_settings={"expand": 1})
    assert model.get_params()["mixer__expand"] == 1
    assert "mixer__expand" not in model.get_params(deep=False)
    changed = clone(model).set_params(mixer__state_size=4, d_model=32)
    assert (changed.mixer_settings, changed.d_model) == ({"expand": 1, "state_size": 4}, 32)
    assert model.mixer_settings == {"expand": 1}
    assert changed.set_params(**model.get_params()).mixer_settings == {"expand": 1}
    mixed = HybridForecaster(6).set_params(mixer__attention__window=7)
    assert mixed.mixer_settings == {"attention__window": 7}
    assert clone(mixed).get_params() == mixed.get_params()


def test_settings_that_are_no_dict_are_refused_when_one_is_set():
    with pytest.raises(ConfigError, match="must be a dict before one of it is set"):
        MambaForecaster(6, mixer_settings=[("expand", 1)]).set_params(mixer__expand=1)
    assert MambaForecaster(6, mixer_settings={1: 2}).get_params()["mixer__1"] == 2
    with pytest.raises(ConfigError, match=r"mixers takes a list of classes; got .*mixers=\[Own\]"):
        tsssm.load("anywhere", mixers=Own)


def test_a_checkpoint_is_not_taken_by_another_class_of_its_name(y, tmp_path):
    classes = [type("V", (MLP,), {"name": "v", "__qualname__": f"V{i}"}) for i in range(2)]
    training = Training(checkpoint_dir=tmp_path / "checkpoints", checkpoint_every=2)
    settings = {**SMALL, "max_steps": 4, "learning_rate": 1e-3, "training": training}
    Forecaster(6, mixer=classes[0], **settings).fit(y)
    with pytest.raises(ConfigError, match="another training"):
        Forecaster(6, mixer=classes[1], **settings).fit(y)


def test_an_unknown_setting_of_a_mixer_is_refused_at_fit(y):
    with pytest.raises(ConfigError, match="mixer_settings has 'window', which 'mamba' does not"):
        MambaForecaster(6).set_params(mixer__window=3).fit(y)
    with pytest.raises(ValueError, match="width"):
        MambaForecaster(6).set_params(width=3)
