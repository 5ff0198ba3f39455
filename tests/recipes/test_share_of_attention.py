"""The recipe's small form: four stacks of one size, from no attention to nothing else."""

import importlib.util
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]


def load_recipe():
    path = ROOT / "recipes" / "share_of_attention.py"
    spec = importlib.util.spec_from_file_location("share_of_attention", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quick(tmp_path, capsys):
    load_recipe().main(["--quick", "--out", str(tmp_path), "--windows", "4"])
    table, runs = pd.read_csv(tmp_path / "table.csv", index_col="share"), pd.read_csv(tmp_path / "runs.csv")
    assert list(table.index) == [0.0, 0.25, 0.5, 1.0]
    assert ((table["backbone"] / 10_000 - 1).abs() <= 0.01).all()
    assert len(runs) == 8
    for share, rows in runs.groupby("share"):
        assert abs(table.loc[share, "mase_network"] - rows["mase_network"].mean()) < 1e-9
        assert rows["mase_network"].nunique() == 2  # seeds
    assert (tmp_path / "share.png").read_bytes().startswith(b"\x89PNG")
    assert "share of" in capsys.readouterr().out


def test_the_verdict_minds_the_seeds():
    table = pd.DataFrame({"mase_network": [1.0, 0.9, 1.1, 1.2], "sd_network": 0.01}, index=[0.0, 0.25, 0.5, 1.0])
    assert load_recipe().verdict(table).startswith("A share of 0.25 is best: 0.900")
    table["sd_network"] = 0.06
    assert "but 0 lie within two" in load_recipe().verdict(table)
