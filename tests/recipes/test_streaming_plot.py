"""The recipe of a live plot, run in its small form: one picture a value, and forecasts beside what came."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tsssm_datasets import load

RECIPE = Path(__file__).parents[2] / "recipes" / "streaming_plot.py"


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("streaming_plot", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quick(recipe, tmp_path, capsys):
    recipe.main(["--quick", "--hours", "5", "--out", str(tmp_path)])
    with Image.open(tmp_path / "stream.gif") as movie:
        assert movie.n_frames == 5
        first = np.asarray(movie.convert("RGB"))
        movie.seek(4)
        assert (np.asarray(movie.convert("RGB")) != first).any()
    assert (tmp_path / "last.png").read_bytes().startswith(b"\x89PNG")
    table = pd.read_csv(tmp_path / "forecasts.csv", index_col="time", parse_dates=True)
    y = load("electricity").iloc[-5:]
    np.testing.assert_allclose(table["actual"], y, rtol=1e-12)
    assert table.index.equals(y.index.rename("time"))
    assert table["an hour before"].isna().tolist() == [True, False, False, False, False]
    assert "as at the start" in capsys.readouterr().out


def test_what_was_said_before_stands_beside_what_came(recipe):
    hours = pd.date_range("2024-01-01", periods=60, freq="h")
    actual = pd.Series(np.arange(60.0), hours)
    said = {
        hours[i]: pd.Series(100.0 * i + np.arange(1, 25), hours[i] + pd.to_timedelta(range(1, 25), "h"))
        for i in range(60)
    }
    table = recipe.said_before(said, actual)
    assert table["an hour before"].iloc[7] == 100.0 * 6 + 1
    assert table["a day before"].iloc[30] == 100.0 * 6 + 24
    assert table["a day before"].isna().sum() == 24
    assert len(table) == 60
