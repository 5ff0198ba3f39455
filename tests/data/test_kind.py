"""Forecasts go out as the kind of object that y was."""

import json

import numpy as np
import pandas as pd
import pytest

from tsssm.data import Kind, read_table
from tsssm.errors import DataError

INDEX = pd.date_range("2024-01-01", periods=6, freq="h", tz="Europe/Berlin", name="time")
FUTURE = pd.date_range("2024-01-01 06:00", periods=4, freq="h", tz="Europe/Berlin", name="time")
LEVELS = (0.1, 0.5, 0.9)
RNG = np.random.default_rng(0)
POINT = RNG.normal(size=(4, 2))  # (H, S)
QUANTILES = RNG.normal(size=(4, 2, 3))  # (H, S, Q)


def frame(columns=("b", "a"), dtype="float64"):
    columns = columns if isinstance(columns, pd.Index) else pd.Index(columns, name="shop")
    return pd.DataFrame(np.arange(12.0).reshape(6, 2), index=INDEX, columns=columns).astype(dtype)


def test_a_series_gives_a_series_of_the_same_name():
    kind = read_table(frame()["b"].rename("load")).kind
    pd.testing.assert_series_equal(kind.point(POINT[:, :1], FUTURE), pd.Series(POINT[:, 0], index=FUTURE, name="load"))
    quantiles = kind.quantiles(QUANTILES[:, :1], LEVELS, FUTURE)
    assert quantiles.columns.tolist() == [0.1, 0.5, 0.9]
    pd.testing.assert_series_equal(quantiles[0.9], pd.Series(QUANTILES[:, 0, 2], index=FUTURE, name=0.9))
    interval = kind.interval(QUANTILES[:, :1, 0], QUANTILES[:, :1, 2], FUTURE)
    assert interval.columns.tolist() == ["lower", "upper"]
    np.testing.assert_array_equal(interval["upper"], QUANTILES[:, 0, 2])


@pytest.mark.parametrize("name", [None, ("shop", 7), 3])
def test_names_of_series_survive_whatever_they_are(name):
    kind = read_table(pd.Series(np.ones(6), index=INDEX, name=name)).kind
    assert kind.names == (name,)
    assert kind.point(POINT[:, :1], FUTURE).name == name
    assert Kind.from_json(json.loads(json.dumps(kind.to_json()))) == kind


COLUMNS = [
    pd.Index(["b", "a"], name="shop"),
    pd.Index([7, 3]),
    pd.Index([0.5, 0.25], name="level"),
    pd.Index(["a", 1], dtype=object),
    pd.RangeIndex(2, name="n"),
    pd.MultiIndex.from_tuples([("x", 2), ("x", 1)], names=["region", "shop"]),
]


@pytest.mark.parametrize("columns", COLUMNS, ids=repr)
def test_a_frame_gives_a_frame_with_the_same_columns(columns):
    kind = read_table(frame(columns)).kind
    point = kind.point(POINT, FUTURE)
    pd.testing.assert_index_equal(point.columns, columns, exact=True)
    pd.testing.assert_index_equal(point.index, FUTURE)
    np.testing.assert_array_equal(point.to_numpy(), POINT)


@pytest.mark.parametrize("columns", COLUMNS, ids=repr)
def test_quantiles_of_a_frame_are_an_inner_column_level(columns):
    kind = read_table(frame(columns)).kind
    quantiles = kind.quantiles(QUANTILES, LEVELS, FUTURE)
    assert quantiles.columns.nlevels == columns.nlevels + 1
    assert quantiles.columns.names[-1] == "quantile"
    for s, label in enumerate(columns):
        key = label if isinstance(label, tuple) else (label,)
        for q, level in enumerate(LEVELS):
            np.testing.assert_array_equal(quantiles[(*key, level)], QUANTILES[:, s, q])
    interval = kind.interval(QUANTILES[..., 0], QUANTILES[..., 1], FUTURE)
    assert interval.columns.get_level_values(-1).tolist() == ["lower", "upper"] * 2
    np.testing.assert_array_equal(interval.iloc[:, 3], QUANTILES[:, 1, 1])


@pytest.mark.parametrize("columns", COLUMNS, ids=repr)
def test_json_loses_nothing(columns):
    kind = read_table(frame(columns, "float32")).kind
    back = Kind.from_json(json.loads(json.dumps(kind.to_json())))
    assert back == kind
    pd.testing.assert_frame_equal(back.point(POINT, FUTURE), kind.point(POINT, FUTURE))
    pd.testing.assert_frame_equal(back.quantiles(QUANTILES, LEVELS, FUTURE), kind.quantiles(QUANTILES, LEVELS, FUTURE))


def test_arrays_give_arrays_with_an_extra_last_axis():
    vector, matrix = read_table(np.arange(6.0)).kind, read_table(np.ones((6, 2))).kind
    np.testing.assert_array_equal(vector.point(POINT[:, :1], FUTURE), POINT[:, 0])
    np.testing.assert_array_equal(matrix.point(POINT, FUTURE), POINT)
    np.testing.assert_array_equal(vector.quantiles(QUANTILES[:, :1], LEVELS, FUTURE), QUANTILES[:, 0])
    np.testing.assert_array_equal(matrix.quantiles(QUANTILES, LEVELS, FUTURE), QUANTILES)
    np.testing.assert_array_equal(matrix.interval(POINT - 1, POINT + 1, FUTURE), np.stack([POINT - 1, POINT + 1], -1))
    assert matrix.samples(QUANTILES, FUTURE).shape == (4, 2, 3)
    for kind in (vector, matrix):
        assert Kind.from_json(json.loads(json.dumps(kind.to_json()))) == kind


def test_samples_are_numbered():
    samples = read_table(frame()).kind.samples(QUANTILES, FUTURE)
    assert samples.columns.names == ["shop", "sample"]
    np.testing.assert_array_equal(samples["a"][2], QUANTILES[:, 1, 2])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("float64", "float64"),
        ("float32", "float32"),
        ("int64", "float64"),
        ("uint8", "float64"),
        ("Int64", "Float64"),
        ("Float32", "Float32"),
    ],
)
def test_dtypes_are_those_of_y_and_integers_become_floats(given, expected):
    kind = read_table(frame(dtype=given)).kind
    assert (kind.point(POINT, FUTURE).dtypes == expected).all()
    assert (kind.quantiles(QUANTILES, LEVELS, FUTURE).dtypes == expected).all()
    assert read_table(frame(dtype=given)["a"]).kind.point(POINT[:, :1], FUTURE).dtype == expected
    if not given[0].isupper():
        assert read_table(frame(dtype=given).to_numpy()).kind.point(POINT, FUTURE).dtype == expected


def test_columns_of_different_dtypes_keep_their_own():
    kind = read_table(frame().astype({"a": "float32"})).kind
    assert kind.point(POINT, FUTURE).dtypes.to_dict() == {"b": "float64", "a": "float32"}
    assert kind.quantiles(QUANTILES, LEVELS, FUTURE).dtypes.astype(str).tolist() == ["float64"] * 3 + ["float32"] * 3


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            pd.DatetimeIndex(["2024-01-01", "2024-01-02"]),
            r"Timestamp\('2024-01-01 00:00:00'\)\) cannot be saved.*Rename",
        ),
        (pd.CategoricalIndex(["a", "b"]), "category .*cannot be saved"),
        (
            pd.Index([pd.Timestamp("2024-01-01"), "b"], dtype=object),
            r"Timestamp\('2024-01-01 00:00:00'\).*cannot be saved",
        ),
    ],
)
def test_labels_that_json_cannot_hold_are_served_but_not_saved(columns, message):
    kind = read_table(frame(columns)).kind
    assert kind.point(POINT, FUTURE).columns.equals(columns)
    with pytest.raises(DataError, match=message):
        kind.to_json()
