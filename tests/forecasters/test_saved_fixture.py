"""Models that earlier versions saved are loaded, and forecast as they did."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tsssm
from tsssm.forecasters.config_file import VERSION

SAVED = Path(__file__).parents[1] / "fixtures" / "saved"
FOLDERS = sorted(path for path in SAVED.glob("v*/*") if path.is_dir())


def close(forecast, expected):
    np.testing.assert_allclose(np.asarray(forecast, np.float64), np.array(expected, np.float64), rtol=1e-5)


def stamps_of(point):
    stamps = point["time"].to_numpy() if isinstance(point, xr.DataArray) else getattr(point, "index", [])
    return [str(stamp) for stamp in stamps]


def check(model, expected, *X):
    point = model.predict(*X)
    close(point, expected["point"])
    close(model.predict_quantiles(*X), expected["quantiles"])
    # an older pandas or xarray may write the same stamps in another unit, with more zeros
    assert [stamp.rstrip("0") for stamp in stamps_of(point)] == [stamp.rstrip("0") for stamp in expected["stamps"]]


def test_this_version_has_its_models():
    names = {path.name for path in FOLDERS if path.parent.name == f"v{VERSION}"}
    assert names == {"grid", "linear", "mamba", "seasonal_naive", "stream", "transformer"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_saved_models_forecast_as_they_did(folder, tmp_path):
    expected = json.loads(folder.with_name(f"{folder.name}.json").read_text(encoding="utf-8"))
    model = tsssm.load(folder)
    assert type(model).__name__ == expected["class"]
    if expected["class"] != "Stream":
        check(model, expected)
        assert str(model.summary()).splitlines()[0] == expected["summary"].splitlines()[0]
        model.stream()
        model.save(tmp_path / "again")
        check(tsssm.load(tmp_path / "again"), expected)
        return
    index = pd.date_range("2024-03-01", periods=len(expected["price"]), freq="h")
    X = pd.DataFrame({"price": expected["price"]}, index)
    check(model, expected, X)
    for values in expected["rows"]:
        row = model.last_time + pd.Timedelta("1h")
        model.update(np.array(values, np.float64), row, X.loc[[row]])
    check(model, expected["after"], X)
