"""Files in and out: nothing half written, numbers to the last bit, the data sets as they are."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

import tsssm_datasets
from cli.cli_csv import run
from tsssm.cli.replaced_file import replaced_file
from tsssm.cli.roles import read_series
from tsssm.cli.tables import read_csv, write_csv


def test_a_crash_leaves_the_old_file(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")

    def write_half() -> None:
        with replaced_file(file) as new:
            new.write_text("half")
            assert file.read_text() == "old"
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        write_half()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_fault_of_the_disk_names_the_users_file(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replaced_file(tmp_path / "a.txt"):
        pass  # nothing was written: the new file is not there to be moved
    assert caught.value.filename == str(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_numbers_and_stamps_come_back_to_the_last_bit(tmp_path, name):
    index = pd.date_range("2024-03-30", periods=50, freq="h", tz="UTC", name="time")
    frame = pd.DataFrame({"a": np.random.default_rng(0).normal(size=50) * 1e-9, "b": np.arange(50)}, index)
    write_csv(frame, tmp_path / name)
    if name.endswith("gz"):
        assert gzip.decompress((tmp_path / name).read_bytes()).startswith(b"time,a,b")
    pd.testing.assert_frame_equal(read_series(tmp_path / name).y, frame, check_freq=False, check_index_type=False)


def test_roles_of_columns(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text(
        "shop,,load,open,promo,rain\nA,2024-01-01,1,True,0,\nA,2024-01-02,,True,1,2\nA,2024-01-03,,False,1,\n"
    )
    table = read_series(file)
    assert (list(table.y), table.X, table.left_out) == (["load", "promo", "rain"], None, ["shop", "open"])
    assert len(table.y) == 3
    assert table.y.index.name == "time"  # its header is empty
    table = read_series(file, targets=["load"], covariates=["promo", "open"])
    assert (list(table.y), list(table.X), table.left_out) == (["load"], ["promo", "open"], [])
    assert (len(table.y), len(table.X)) == (1, 3)
    assert len(read_series(file, covariates=["promo"]).y) == 2  # rain is seen on the second day


def test_pandas_would_rename_a_second_column(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("a,a\n1,2\n")
    assert list(pd.read_csv(file)) == ["a", "a.1"]
    with pytest.raises(ValueError, match="'a' more than once"):
        read_csv(file)


def test_datasets_are_listed_shown_and_written(tmp_path):
    listed = run("datasets").splitlines()
    assert [line.split()[0] for line in listed] == tsssm_datasets.list_datasets()
    shown = run("datasets", "electricity")
    card = tsssm_datasets.card("electricity")
    for fact in (card.licence, card.source, card.citation, card.units, card.notes):
        assert fact in shown
    out = tmp_path / "weather.csv"
    assert run("datasets", "nyc_weather", "--out", out) == f"8,730 rows written to {out}\n"
    pd.testing.assert_frame_equal(read_series(out).y, tsssm_datasets.load("nyc_weather"), check_freq=False)


def test_a_data_set_of_several_tables_is_no_csv(tmp_path, monkeypatch):
    monkeypatch.setattr(tsssm_datasets, "load", lambda name: {"a": pd.DataFrame(), "b": pd.DataFrame()})
    assert "is 2 tables" in run("datasets", "electricity", "--out", tmp_path / "x.csv", code=2)
