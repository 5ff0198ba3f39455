"""Folders of the user's own, added by TSSSM_DATA_HOME."""

import gzip
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tsssm_datasets import (
    CardError,
    ChecksumError,
    DataFileError,
    DatasetError,
    UnknownDatasetError,
    card,
    list_datasets,
    load,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"
HOURLY = "when,load\n2024-01-01 00:00,1.5\n2024-01-01 01:00,\n2024-01-01 02:00,2.5\n2024-01-01 03:00,4\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TSSSM_DATA_HOME", str(tmp_path))
    return tmp_path


def entry(path, **more):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": "own", "file": path.name, "sha256": digest, "source": "a meter", "licence": "CC0 1.0", **more}


def put(home, content, file="own.csv", folder="own", **more):
    """A data set of one file; returns the file's path."""
    path = home / folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (path.parent / "card.json").write_text(json.dumps(entry(path, **more)))
    return path


def test_a_table_with_a_column_of_dates(home):
    put(home, gzip.compress(HOURLY.encode()), "own.csv.gz", units="MW", freq="h", task="load of a town")
    frame = load("own")
    index = pd.date_range("2024-01-01", periods=4, freq="h", name="when")
    pd.testing.assert_frame_equal(
        frame, pd.DataFrame({"load": [1.5, np.nan, 2.5, 4.0]}, index=index.as_unit(frame.index.unit))
    )
    assert frame.attrs == {"dataset": "own", "units": "MW", "licence": "CC0 1.0"}
    assert "own" in list_datasets()
    assert (card("own").frequency, card("own").description) == ("h", "load of a town")


def test_a_card_may_name_time_and_series(home):
    put(home, "b,a,day\n1,2,3 May 2024\n3,4,4 May 2024\n", time="day", series="a")
    y = load("own")
    assert y.name == "a"
    assert y.to_dict() == {pd.Timestamp("2024-05-03"): 2, pd.Timestamp("2024-05-04"): 4}


def test_zones_are_kept_and_gaps_leave_no_frequency(home):
    put(home, "t,v\n2024-01-01T00:00:00Z,1\n2024-01-01T01:00:00Z,2\n2024-01-01T05:00:00Z,3\n")
    frame = load("own")
    assert str(frame.index.tz) == "UTC"
    assert frame.index.freq is None


@pytest.mark.parametrize(
    "text",
    [
        "t,shop,v\n2024-01-01,a,1\n2024-01-01,b,2\n",  # a long table
        "step,v\n1,2\n2,3\n",  # numbers are not dates
        "t,v\n01/02/2024,1\n02/02/2024,2\n",  # which of day and month comes first is not known
        "t,v\n2024-01-01,1\n2024-13-45,2\n",  # one value is no date
        "t,v\n2024-01-01,1\n,2\n",
    ],
)
def test_without_clear_unique_dates_the_table_is_plain(home, text):
    path = put(home, text)
    pd.testing.assert_frame_equal(load("own"), pd.read_csv(path))


def test_a_named_time_column_of_a_long_table_is_parsed(home):
    put(home, "t,shop,v\n2024-01-01,a,1\n2024-01-01,b,2\n", time="t")
    assert load("own")["t"].tolist() == [pd.Timestamp("2024-01-01")] * 2


def test_several_files_come_as_a_dict(home):
    folder = home / "own"
    folder.mkdir()
    for name, value in (("train.csv", 1), ("test.csv", 2)):
        (folder / name).write_text(f"v\n{value}\n")
    (folder / "card.json").write_text(json.dumps([entry(folder / "train.csv"), entry(folder / "test.csv")]))
    found = load("own")
    assert {stem: frame["v"].item() for stem, frame in found.items()} == {"train": 1, "test": 2}
    assert [file.name for file in card("own").files] == ["train.csv", "test.csv"]
    with pytest.raises(CardError, match="2 files"):
        _ = card("own").sha256


def test_a_grid_comes_as_a_dataset(home, tmp_path):
    grid = xr.Dataset(
        {"t2m": (("time", "lat"), np.arange(6.0).reshape(3, 2))}, {"time": pd.date_range("2024", periods=3)}
    )
    grid.to_netcdf(tmp_path / "scratch.nc", format="NETCDF3_64BIT")
    put(home, (tmp_path / "scratch.nc").read_bytes(), "own.nc")
    with load("own") as found:
        xr.testing.assert_equal(found.load(), grid)


def test_several_folders(home, monkeypatch, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    put(home, "v\n1\n", name="one")
    put(other, "v\n2\n", name="two")
    monkeypatch.setenv("TSSSM_DATA_HOME", os.pathsep.join([str(home), "", str(other)]))
    assert [load(name)["v"].item() for name in ("one", "two")] == [1, 2]


def test_a_changed_file_is_refused_with_both_digests(home):
    path = put(home, HOURLY)
    expected = card("own").sha256
    path.write_text(HOURLY.replace("1.5", "1.6"))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(ChecksumError) as caught:
        load("own")
    assert all(part in str(caught.value) for part in (str(path), expected, found))


def test_unknown_names_are_refused_with_close_ones(home):
    with pytest.raises(UnknownDatasetError, match="Did you mean electricity"):
        load("electricty")
    with pytest.raises(UnknownDatasetError, match=r"'xyzzy'.*There are: electricity, nyc_weather"):
        card("xyzzy")


def test_a_missing_file_is_refused_by_name_but_others_load(home):
    put(home, HOURLY).unlink()
    with pytest.raises(DataFileError, match=r"own\.csv is missing"):
        load("own")
    assert len(load("electricity")) == 26304


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licence": None}, "licence must be a text"),
        ({"sha256": "abc"}, "64 hexadecimal digits.*'abc'"),
        ({"file": "../own.csv"}, "beside the card.*'../own.csv'"),
        ({"name": "  "}, "name must be a text"),
        ({"name": "electricity"}, "two data sets are called 'electricity'"),
    ],
)
def test_bad_entries_are_refused(home, change, message):
    path = put(home, HOURLY)
    (path.parent / "card.json").write_text(json.dumps({**entry(path), **change}))
    with pytest.raises(CardError, match=message):
        list_datasets()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "one JSON object"),
        ('"own"', "one JSON object"),
        ('{"name": "own", "file": "own.csv"}', "lacks sha256, source, licence"),
    ],
)
def test_bad_cards_are_refused(home, text, message):
    path = put(home, HOURLY).parent / "card.json"
    path.write_text(text)
    with pytest.raises(CardError, match=message) as caught:
        load("own")
    assert str(path) in str(caught.value)


def test_lists_of_different_sets_or_like_stems_are_refused(home):
    path = put(home, HOURLY)
    own = entry(path)
    for other, message in (({"name": "b"}, "several data sets"), ({"file": "own.csv.gz"}, "endings")):
        (path.parent / "card.json").write_text(json.dumps([own, {**own, **other}]))
        with pytest.raises(CardError, match=message):
            list_datasets()


def test_cards_that_do_not_fit_their_file_are_refused(home):
    put(home, HOURLY, time="date")
    with pytest.raises(CardError, match=r"time 'date'.*\['when', 'load'\]"):
        load("own")
    put(home, HOURLY, series="demand")
    with pytest.raises(CardError, match="series 'demand'"):
        load("own")
    put(home, HOURLY, time="load")
    with pytest.raises(CardError, match=r"'load' holds no dates.*1\.5"):
        load("own")


def test_files_that_cannot_be_read_are_refused(home):
    put(home, b"\x1f\x8b\x08\x00broken", "own.csv.gz")
    with pytest.raises(DataFileError, match="cannot be read as CSV"):
        load("own")
    put(home, b"x", "own.parquet")
    with pytest.raises(DataFileError, match=r"own\.parquet: only \.csv"):
        load("own")
    put(home, b"\x89HDF\r\n\x1a\nbroken", "own.nc")
    with pytest.raises(DataFileError, match="h5netcdf or netCDF4"):
        load("own")
    put(home, b"text", "own.nc")
    with pytest.raises(DataFileError, match="begins with b'text'"):
        load("own")


def test_a_folder_that_does_not_exist_is_refused(home, monkeypatch):
    monkeypatch.setenv("TSSSM_DATA_HOME", str(home / "elsewhere"))
    with pytest.raises(CardError, match="elsewhere, which is no folder"):
        list_datasets()


def test_all_errors_are_dataset_errors_and_value_errors():
    for kind in (CardError, ChecksumError, DataFileError, UnknownDatasetError):
        assert issubclass(kind, DatasetError)
        assert issubclass(kind, ValueError)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the folder of benchmark data beside the checkout")
class TestBenchmarkData:
    @pytest.fixture(autouse=True)
    def _home(self, monkeypatch):
        monkeypatch.setenv("TSSSM_DATA_HOME", str(SHARED))

    def test_every_card_is_listed(self):
        folders = {path.parent.name for path in SHARED.glob("*/card.json")}
        assert folders <= set(list_datasets())

    @pytest.mark.parametrize(
        ("name", "freq"),
        [
            ("ETTh1", "h"),
            ("ili", "W-TUE"),
            ("exchange_rate", "D"),
            ("vic_electricity", "30min"),
            ("bikesharing_dc_2010_2019", "h"),  # its first column of dates is the day, the second the hour
        ],
    )
    def test_tables_with_dates(self, name, freq):
        entry = json.loads((SHARED / name / "card.json").read_text())
        frame = load(name)
        assert len(frame) == entry["rows"]
        assert frame.index.freqstr == freq
        assert (frame.index[0], frame.index[-1]) == (pd.Timestamp(entry["start"]), pd.Timestamp(entry["end"]))
        assert sorted([frame.index.name, *frame.columns]) == sorted(entry["columns"])

    def test_several_files(self):
        found = load("M4_hourly")
        assert {stem: frame.shape for stem, frame in found.items()} == {
            "Hourly-train": (414, 961),
            "Hourly-test": (414, 49),
        }

    def test_long_tables_stay_plain(self):
        frame = load("australia_tourism")
        assert isinstance(frame.index, pd.RangeIndex)
        assert frame.columns[0] == "date_time"

    def test_a_grid(self):
        with load("era5_berlin_2017_hourly") as grid:
            assert dict(grid.sizes) == {"time": 8760, "latitude": 2, "longitude": 3}
            assert 250.0 < float(grid["t2m"].isel(time=0).mean()) < 300.0  # kelvin
