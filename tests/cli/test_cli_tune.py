"""`tsssm tune` gives what `tsssm.tune` gives, goes on from its file, and refuses what it cannot do before fitting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tsssm
from cli.cli_csv import EXACT, N_FUTURE, csv_frame, run, sales_frame
from tsssm.cli.app import app
from tsssm.tuning import default_space

OPTIONS = ("--horizon", 12, "--max-steps", 2, "--seed", 5, "--target", "north", "--x", "price")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tune")
    sales_frame().to_csv(path / "sales.csv")
    return path


def expected(folder, n_trials):
    table = csv_frame(folder / "sales.csv")
    model = tsssm.Forecaster(12, max_steps=2, random_state=5, verbose=False)
    y = table[["north"]].iloc[:-N_FUTURE]
    space = default_space(model, y)
    del space["max_steps"]
    return tsssm.tune(model, y, table[["price"]], space=space, n_trials=n_trials)


def test_it_is_what_python_gives_and_goes_on(folder):
    files = ("--storage", folder / "study.journal", "--out", folder / "model", "--table", folder / "trials.csv")
    tune = ("tune", folder / "sales.csv", *OPTIONS, *files, "--plot", folder / "plot.png")
    run(*tune, "--trials", 1)
    lines = run(*tune, "--trials", 3).splitlines()
    assert lines[0] == "tune: 1 trials of this search are in the storage"
    assert any(line.startswith("370 rows from 2024-03-04 00:00:00 to ") for line in lines)
    assert sum(line.startswith("tune: trial ") and " of 3), " in line for line in lines) == 2
    assert "TuningResult of Forecaster: 3 trials, 3 complete" in lines
    assert lines[-3:] == [
        f"saved in {folder / 'model'}",
        f"trials written to {folder / 'trials.csv'}",
        f"plot written to {folder / 'plot.png'}",
    ]
    result = expected(folder, 3)
    written = pd.read_csv(folder / "trials.csv", index_col="number", **EXACT)
    assert written["score"].tolist() == result.trials["score"].tolist()
    assert written["dropout"].tolist() == result.trials["dropout"].tolist()
    np.testing.assert_array_equal(tsssm.load(folder / "model").predict(), result.best_model.predict())
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_quiet(folder):
    assert run("tune", folder / "sales.csv", *OPTIONS, "--trials", 1, "--quiet", "--out", folder / "quiet") == ""
    assert len(tsssm.load(folder / "quiet").predict()) == 12


def test_ctrl_c_saves_the_best_so_far(folder, monkeypatch):
    from tsssm.forecasters import Forecaster

    fits, fit = [], Forecaster.fit

    def interrupted_fit(self, *arguments, **settings):
        fits.append(self)
        if len(fits) == 2:
            raise KeyboardInterrupt
        return fit(self, *arguments, **settings)

    monkeypatch.setattr(Forecaster, "fit", interrupted_fit)
    arguments = ("tune", folder / "sales.csv", *OPTIONS, "--out", folder / "interrupted")
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 130
    assert "1 complete, 1 unfinished" in done.stdout
    assert "Ctrl-C ended the search early" in done.stdout
    assert len(tsssm.load(folder / "interrupted").predict()) == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--forecaster", "linear"), "--forecaster linear has no network to tune"),
        (("--trials", 0), "n_trials must be an integer of at least 1; got 0"),
        (("--metric", "rmse"), "metric must be 'mase' or 'mae'"),
        (("--time-budget", -1), "time_budget (seconds) must be a number above 0"),
        (("--storage", "."), "storage='.' is a folder"),
        (("--storage", "sales.csv"), "is a file, but no Optuna journal"),
        (("--table", "."), ". is a folder"),
        (("--plot", "plot.txt"), "which is no picture"),
        (("--max-steps", 0), "max_steps must be an integer of at least 1"),
    ],
)
def test_refusals(folder, options, message, monkeypatch):
    monkeypatch.chdir(folder)
    assert message in run("tune", "sales.csv", "--horizon", 12, "--out", folder / "new", *options, code=2)
    assert not (folder / "new").exists()
