"""The recipe's small form: what it writes is one comparison on the same windows."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]


def load_recipe():
    path = ROOT / "recipes" / "comparing_with_a_transformer.py"
    spec = importlib.util.spec_from_file_location("comparing_with_a_transformer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quick(tmp_path, capsys):
    load_recipe().main(["--quick", "--out", str(tmp_path), "--windows", "5"])
    table = pd.read_csv(tmp_path / "table.csv", index_col="model")
    forecasts = pd.read_csv(tmp_path / "forecasts.csv")
    assert list(table.index) == ["mamba", "transformer", "linear", "seasonal naive"]
    assert abs(table.loc["transformer", "backbone"] / table.loc["mamba", "backbone"] - 1) < 0.01
    for name, rows in forecasts.groupby("model"):
        assert len(rows) == 5 * 24
        np.testing.assert_allclose(table.loc[name, "mae"], (rows["y"] - rows["point"]).abs().mean(), rtol=1e-9)
    seeds = pd.read_csv(tmp_path / "seeds.csv", index_col="seed")
    assert seeds.loc[0, "mamba"] == table.loc["mamba", "mase"]
    assert seeds.loc[1, "mamba"] != seeds.loc[0, "mamba"]
    assert (tmp_path / "errors.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "5 windows of 24 steps" in said
    assert "p = " in said


def test_without_a_test_there_is_no_winner():
    """Of few windows the p-value is NaN."""
    seeds = pd.DataFrame({"mamba": [1.0, 1.01], "transformer": [2.0, 2.01]})
    for p_value, said in ((np.nan, "No clear winner"), (0.5, "No clear winner"), (0.01, "mamba is better by 1.000")):
        result = SimpleNamespace(table=pd.DataFrame({"p_value": [np.nan, p_value]}, index=["mamba", "transformer"]))
        assert load_recipe().verdict(result, seeds).startswith(said)
