"""The data sets that come with the library: what their cards say is what is there."""

import gzip
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tsssm_datasets
from tsssm_datasets import card, list_datasets, load

BUNDLED = Path(tsssm_datasets.__file__).parent / "data"
SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(autouse=True)
def _no_local_folders(monkeypatch):
    monkeypatch.delenv("TSSSM_DATA_HOME", raising=False)


def test_every_bundled_folder_is_a_data_set():
    assert list_datasets() == sorted(folder.name for folder in BUNDLED.iterdir())


@pytest.mark.parametrize("name", ["electricity", "nyc_weather"])
def test_card_is_complete_and_small_enough_to_bundle(name):
    found = card(name)
    path = found.folder / found.files[0].name
    for field in ("description", "source", "licence", "citation", "frequency", "units", "notes"):
        assert len(getattr(found, field)) > 0, field
    assert found.licence in {"CC BY 4.0", "CC0 1.0"}
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.stat().st_size < 1_000_000
    # Bytes 4 to 8 of a gzip file are its time of writing: 0, so that the same rows give the same digest.
    assert path.read_bytes()[4:8] == b"\0\0\0\0"


@pytest.mark.parametrize("name", ["electricity", "nyc_weather"])
def test_values_are_those_of_the_file(name):
    found = card(name)
    with gzip.open(found.folder / found.files[0].name, "rt") as file:
        header, *rows = (line.rstrip("\n").split(",") for line in file)
    data = load(name)
    frame = data.to_frame() if isinstance(data, pd.Series) else data
    assert [frame.index.name, *frame.columns] == header
    expected = [[float(value) if value else np.nan for value in row[1:]] for row in rows]
    np.testing.assert_array_equal(frame.to_numpy(), expected)
    assert frame.index[0] == pd.Timestamp(rows[0][0])
    assert frame.index[-1] == pd.Timestamp(rows[-1][0])


def test_electricity():
    y = load("electricity")
    assert isinstance(y, pd.Series)
    assert (y.name, len(y), y.index.freqstr) == ("electricity", 26304, "h")
    assert (y.index[0], y.index[-1]) == (pd.Timestamp("2012-01-01"), pd.Timestamp("2014-12-31 23:00"))
    assert y.notna().all()
    assert (y > 0).all()
    assert y.attrs["licence"] == "CC BY 4.0"


def test_nyc_weather():
    frame = load("nyc_weather")
    assert frame.columns.tolist() == ["EWR", "JFK", "LGA"]
    assert (len(frame), frame.index.freqstr, str(frame.index.tz)) == (8730, "h", "UTC")
    assert frame.isna().sum().to_dict() == {"EWR": 28, "JFK": 24, "LGA": 24}
    # Fahrenheit, and New York: the coldest and warmest hour of 2013 at Newark.
    assert frame["EWR"].min() == pytest.approx(10.94)
    assert frame["EWR"].max() == pytest.approx(100.04)
    # In UTC-5 the afternoon is warm and the early morning cold.
    by_hour = frame["JFK"].groupby((frame.index.hour - 5) % 24).mean()
    assert by_hour.idxmax() in range(12, 17)
    assert by_hour.idxmin() in range(3, 8)


def test_two_loads_do_not_share_their_values():
    first = load("electricity")
    first.iloc[:] = 0.0
    assert load("electricity").iloc[0] > 0.0


def test_import_is_cheap():
    code = (
        "import sys, tsssm_datasets; print(sorted({'numpy', 'pandas', 'xarray', 'torch', 'tsssm'} & set(sys.modules)))"
    )
    root = Path(tsssm_datasets.__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the folder of benchmark data beside the checkout")
@pytest.mark.parametrize(
    ("name", "folder"), [("electricity", "electricity_hourly_mean"), ("nyc_weather", "nyc_weather_2013")]
)
def test_values_are_those_of_the_benchmark_copy(name, folder):
    entry = json.loads((SHARED / folder / "card.json").read_text())
    table = pd.read_csv(SHARED / folder / entry["file"], dtype=str)
    if name == "electricity":
        np.testing.assert_array_equal(load(name).to_numpy(), table["y"].astype(float))
        assert (load(name).index == pd.to_datetime(table["ts"])).all()
    else:
        stamps = pd.to_datetime(table["time_hour"])
        for station, rows in table.groupby("origin"):
            temperatures = load(name)[station]
            np.testing.assert_array_equal(temperatures.loc[stamps[rows.index]].to_numpy(), rows["temp"].astype(float))
            assert temperatures.notna().sum() == rows["temp"].notna().sum()
