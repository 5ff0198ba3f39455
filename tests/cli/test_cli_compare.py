"""`tsssm compare` gives the numbers of `tsssm.compare`, and refuses what it cannot do before fitting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tsssm
from cli.cli_csv import EXACT, N_FUTURE, csv_frame, run, sales_frame

OPTIONS = ("--horizon", 12, "--windows", 4, "--max-steps", 2, "--seed", 5, "--target", "north", "--x", "price")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("compare")
    sales_frame().to_csv(path / "sales.csv")
    files = ("--out", path / "table.csv", "--forecasts", path / "forecasts.csv", "--plot", path / "plot.png")
    said = run("compare", path / "sales.csv", *OPTIONS, *files)
    (path / "said.txt").write_text(said)
    return path


def test_it_is_what_python_gives(folder):
    table = csv_frame(folder / "sales.csv")
    mamba = tsssm.MambaForecaster(12, max_steps=2, random_state=5, verbose=False)
    models = {
        "mamba": mamba,
        "transformer": tsssm.TransformerForecaster.matched_to(mamba),
        "linear": tsssm.LinearForecaster(12, verbose=False),
        "seasonal-naive": tsssm.SeasonalNaive(12, verbose=False),
    }
    y = table[["north"]].iloc[:-N_FUTURE]
    expected = tsssm.compare(models, y, table[["price"]], n_windows=4)
    written = pd.read_csv(folder / "table.csv", index_col="model", **EXACT)
    timed = ["fit_seconds", "predict_seconds"]
    pd.testing.assert_frame_equal(
        written.drop(columns=timed), expected.table.drop(columns=timed), check_names=False, check_exact=False
    )
    assert list(written.columns) == list(expected.table.columns)
    forecasts = pd.read_csv(folder / "forecasts.csv", **EXACT)
    np.testing.assert_allclose(forecasts["point"], expected.forecasts["point"])


def test_the_table_is_printed(folder):
    lines = (folder / "said.txt").read_text().splitlines()
    assert lines[0] == "4 windows of 12 steps, 1 series; p_value: against mamba"
    assert [line.split()[0] for line in lines[2:6]] == ["mamba", "transformer", "linear", "seasonal-naive"]
    assert lines[-1] == f"plot written to {folder / 'plot.png'}"
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--models", "mamba,lstm"), "xlstm, s4d, hybrid, linear, seasonal-naive, parted by commas; got 'mamba,lstm'"),
        (("--models", "linear,linear"), "must be distinct names"),
        (("--models", "linear", "--max-steps", 3), "--max-steps 3: none of linear trains in steps"),
        (("--models", "linear", "--metrics", "mape"), "metrics must be distinct names among mae, mse"),
        (("--out", "new.csv", "--forecasts", "./new.csv"), "new.csv is named for two files to write"),
        (("--models", "linear", "--windows", 500), "not for n_windows=500"),
        (("--models", "linear", "--plot", "plot.txt"), "which is no picture"),
    ],
)
def test_refusals(folder, options, message):
    assert message in run("compare", folder / "sales.csv", "--horizon", 12, *options, code=2)


def test_a_transformer_can_be_fitted_and_predicts(folder):
    run(
        "fit",
        folder / "sales.csv",
        *OPTIONS[:2],
        *OPTIONS[4:],
        "--forecaster",
        "transformer",
        "--out",
        folder / "model",
    )
    assert type(tsssm.load(folder / "model")) is tsssm.TransformerForecaster
    assert len(csv_frame(run("predict", folder / "model"))) == 12
