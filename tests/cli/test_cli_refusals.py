"""What the commands refuse: one line that names what is wrong, exit code 2, and nothing written."""

from __future__ import annotations

import pytest

import tsssm
from cli.cli_csv import run, sales_frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("refusals")
    frame = sales_frame(300)
    frame.to_csv(path / "sales.csv")
    (path / "binary.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff")
    (path / "empty.csv").write_text("")
    (path / "header.csv").write_text("time,load\n")
    (path / "twice.csv").write_text("time,load,load\n2024-01-01,1,2\n")
    (path / "ragged.csv").write_text("time,load\n2024-01-01,1,2\n2024-01-02,3,4\n")
    (path / "no-time.csv").write_text("a,b\n1,2\n3,4\n")
    (path / "day-first.csv").write_text("day,load\n03/04/2024,1\n04/04/2024,2\n")
    (path / "bad-stamp.csv").write_text("time,load\n2024-01-01,1\n2024-13-01,2\n")
    (path / "offsets.csv").write_text("time,load\n2024-03-31T01:00+01:00,1\n2024-03-31T03:00+02:00,2\n")
    (path / "text.csv").write_text("time,load\n2024-01-01,low\n2024-01-02,high\n")
    model = tsssm.LinearForecaster(6, verbose=False).fit(frame[["north", "south"]].iloc[:-30])
    model.save(path / "model")
    model.stream().save(path / "stream")
    return path


FIT = [
    ("missing.csv", "there is no file"),
    ("model", "cannot be read as CSV: IsADirectoryError"),
    ("binary.csv", "cannot be read as CSV: UnicodeDecodeError"),
    ("empty.csv", "cannot be read as CSV: EmptyDataError"),
    ("header.csv", "has a header, ['time', 'load'], but no rows"),
    ("twice.csv", "has the column 'load' more than once"),
    ("ragged.csv", "rows have more fields than its header"),
    ("no-time.csv", "its columns are ['a', 'b']"),
    ("day-first.csv", "stamps that begin with the year"),
    ("bad-stamp.csv", "row 2 below the header has '2024-13-01'"),
    ("offsets.csv", "several offsets from UTC"),
    ("text.csv", "no numeric column to forecast; beside the time stamps there are ['load']"),
]


@pytest.mark.parametrize(("file", "message"), FIT, ids=[file for file, _ in FIT])
def test_fit_refuses_the_file(folder, file, message):
    assert message in run("fit", folder / file, "--horizon", 2, "--out", folder / "new", code=2)
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--horizon", 0], "horizon must be an integer of at least 1; got 0"),
        (["--time", "clock"], "no column 'clock'; it has ['when', 'weather', 'north', 'south', 'price']"),
        (["--time", "weather"], "row 1 below the header has 'fair'"),
        (["--time", "north"], "it holds float64, the first value is "),
        (["--target", "west"], "'west' is not a column"),
        (["--target", "when"], "'when' is the column of time stamps"),
        (["--target", "price", "--x", "price"], "'price' is named twice"),
        (["--target", "weather"], "'weather'"),
        (["--x", "weather"], "'weather'"),
        (["--freq", "D"], "'D'"),
        (["--forecaster", "linear", "--max-steps", 9], "--max-steps 9: linear does not train in steps"),
        (["--max-steps", 0, "--seed", -1], "got 0; random_state must be an integer from 0 to 2**63 - 1; got -1"),
    ],
)
def test_fit_refuses_the_options(folder, options, message):
    assert message in run("fit", folder / "sales.csv", "--horizon", 2, "--out", folder / "new", *options, code=2)
    assert not (folder / "new").exists()


@pytest.mark.parametrize(("place", "message"), [("sales.csv", "is a file"), (".", "holds something else")])
def test_fit_refuses_a_place_that_is_taken_before_it_trains(folder, place, message, monkeypatch):
    monkeypatch.setattr(tsssm.Forecaster, "fit", lambda *_, **__: pytest.fail("it trained"))
    before = (folder / "sales.csv").read_bytes()
    assert message in run("fit", folder / "sales.csv", "--horizon", 2, "--out", folder / place, code=2)
    assert (folder / "sales.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("no-model", [], "there is no folder"),
        (".", [], "has no config.json"),
        ("stream", [], "holds a Stream, not a forecaster"),
        ("model", ["--coverage", 2], "coverage must be a number between 0 and 1; got 2.0"),
        ("model", ["--quantiles", "low"], "got 'low'"),
        ("model", ["--quantiles", "0.001"], "level 0.001 lies beyond"),
        ("model", ["--quantiles", "0.1", "--coverage", 0.8], "either --coverage or --quantiles"),
        ("model", ["--target", "north"], "without --data"),
        ("model", ["--data", "text.csv"], "lacks the series ['north', 'south']"),
        ("model", ["--x-future", "sales.csv"], "fitted without covariates"),
        ("model", ["--out", "."], "is a folder"),
    ],
)
def test_predict_refuses(folder, model, options, message, monkeypatch):
    monkeypatch.chdir(folder)
    assert message in run("predict", folder / model, *options, code=2)


def test_predict_refuses_a_stamp_that_two_files_give(folder, tmp_path):
    settings = ["--horizon", 3, "--target", "north", "--x", "price", "--max-steps", 1, "--quiet"]
    run("fit", folder / "sales.csv", *settings, "--out", tmp_path / "m")
    sales = folder / "sales.csv"
    assert "give covariates for 2024-03-04" in run(
        "predict", tmp_path / "m", "--data", sales, "--x-future", sales, code=2
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --model MODEL_DIR, or --horizon STEPS"),
        (["--model", "model", "--seed", 1], "--seed is settled by the model"),
        (["--model", "model", "--forecaster", "linear"], "--forecaster is settled by the model"),
        (["--model", "model", "--horizon", 7], "longer than the forecaster's, 6"),
        (["--horizon", 2, "--windows", 0], "n_windows must be an integer of at least 1; got 0"),
        (["--horizon", 200, "--windows", 3], "not for n_windows=3"),
        (["--horizon", 2, "--plot", "plot.doc"], "ending '.doc'"),
        (["--horizon", 2, "--plot", "model"], "is a folder"),
        (["--horizon", 2, "--out", "model"], "is a folder"),
    ],
)
def test_backtest_refuses(folder, options, message, monkeypatch):
    monkeypatch.chdir(folder)
    assert message in run("backtest", "sales.csv", *options, code=2)


def test_datasets_wants_the_name_of_what_to_write(tmp_path):
    assert "name the data set to write" in run("datasets", "--out", tmp_path / "a.csv", code=2)
