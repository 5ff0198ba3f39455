"""A mixer is one file: that of docs/adding_a_mixer.md, in a folder outside the library, does all that ours do."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsssm
from tsssm import Forecaster
from tsssm.errors import ConfigError
from tsssm.mixers import Mixer, check_mixer

PAGE = Path(__file__).parents[2] / "docs" / "adding_a_mixer.md"
HORIZON = 6


@pytest.fixture
def mixer(tmp_path, page_blocks, monkeypatch) -> Iterator[type[Mixer]]:
    """The page's mixer, imported from a file of its own."""
    sources = [block.source for block in page_blocks(PAGE) if "(Mixer):" in block.source]
    assert len(sources) == 1, "the page shows one mixer in one block"
    (tmp_path / "mixer_of_the_page.py").write_text(sources[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("mixer_of_the_page")
    yield next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and issubclass(value, Mixer)
    )
    del sys.modules["mixer_of_the_page"]


@pytest.fixture
def y() -> pd.Series:
    rng = np.random.default_rng(0)
    hours = np.arange(500)
    values = 50 + 5 * np.sin(2 * np.pi * hours / 24) + rng.normal(size=500)
    return pd.Series(values, pd.date_range("2024-01-01", periods=500, freq="h"), name="load")


def fitted(mixer: type[Mixer], y: pd.Series) -> Forecaster:
    return Forecaster(HORIZON, mixer=mixer, base=None, max_steps=30, d_model=16, verbose=False).fit(y)


def test_it_keeps_the_protocol(mixer):
    check_mixer(mixer)


def test_it_learns(mixer, y):
    """The loss falls: without a base, all that is forecast comes from the network."""
    loss = fitted(mixer, y[:-60]).history_["loss"]
    assert loss.tail(5).mean() < 0.8 * loss.head(5).mean()


def test_its_stream_equals_predict(mixer, y):
    model = fitted(mixer, y[:-60])
    stream = model.stream()
    for rows in range(len(y) - 60, len(y) - 30):
        stream.update(y.iloc[rows])
        pd.testing.assert_series_equal(stream.predict(), model.predict(y[: rows + 1]), rtol=1e-5, check_freq=False)


def test_it_is_saved_and_loaded(mixer, y, tmp_path):
    model = fitted(mixer, y)
    model.save(tmp_path / "model")
    again = tsssm.load(tmp_path / "model", mixers=[mixer])
    assert again.get_params()["mixer"] is mixer
    pd.testing.assert_series_equal(again.predict(), model.predict())
    with pytest.raises(ConfigError, match=mixer.name):
        tsssm.load(tmp_path / "model")


def test_a_stream_of_it_is_saved_and_loaded(mixer, y, tmp_path):
    stream = fitted(mixer, y[:-10]).stream()
    stream.update(y.iloc[-10])
    stream.save(tmp_path / "stream")
    again = tsssm.load(tmp_path / "stream", mixers=[mixer])
    for one in (stream, again):
        one.update(y.iloc[-9])
    pd.testing.assert_series_equal(again.predict(), stream.predict())
