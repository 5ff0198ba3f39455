"""The recipe's small form: it searches without the rows that it tests on, and goes on where it was left."""

import importlib.util
from pathlib import Path

import pandas as pd

import tsssm
from tsssm_datasets import load

ROOT = Path(__file__).parents[2]


def load_recipe():
    spec = importlib.util.spec_from_file_location("tuning_recipe", ROOT / "recipes" / "tuning.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quick(tmp_path, capsys):
    arguments = ["--quick", "--out", str(tmp_path), "--trials"]
    load_recipe().main([*arguments, "2"])
    load_recipe().main([*arguments, "4"])
    said = capsys.readouterr().out
    assert "tune: 2 trials of this search are in the storage" in said
    assert "TuningResult of MambaForecaster: 4 trials" in said

    trials = pd.read_csv(tmp_path / "trials.csv", index_col="number")
    assert len(trials) == 4
    model = tsssm.load(tmp_path / "model")
    assert abs(model.validation_["mase"]["both"] - trials["score"].min()) < 1e-9
    y = load("electricity")["2014-09":]
    held_back = y.iloc[int(0.8 * len(y)) :]
    assert model.training_end_ < held_back.index[0]

    table = pd.read_csv(tmp_path / "table.csv", index_col="model")
    assert list(table.index) == ["default", "tuned"]
    backtest = model.backtest(y, n_windows=len(held_back) // 24)
    assert abs(table.loc["tuned", "mae"] - backtest.metrics.xs("both", level="part")["MAE"].iloc[0]) < 1e-6
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")
    assert ("on the rows that were kept back (p = " in said) or ("No trial was better" in said)
