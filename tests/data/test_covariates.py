"""Covariates on the time axis of y."""

import numpy as np
import pandas as pd
import pytest

from tsssm.data import read_covariates, read_future_covariates, read_table
from tsssm.errors import DataError

HOURS = pd.date_range("2024-01-01", periods=8, freq="h")
X = pd.DataFrame({"price": np.arange(8.0), "holiday": [False, True] * 4}, index=HOURS)
TIMELINE = read_table(pd.Series(1.0, index=HOURS[:5])).timeline


def test_rows_are_taken_by_stamp():
    covariates = read_covariates(X, TIMELINE, n_future=2)
    assert covariates.columns == ("price", "holiday")
    np.testing.assert_array_equal(covariates.values, X.to_numpy(dtype=float)[:7])
    wider = pd.concat([X.iloc[:1].set_axis(HOURS[:1] - pd.Timedelta("1h")), X])
    np.testing.assert_array_equal(read_covariates(wider, TIMELINE, n_future=2).values, covariates.values)
    half_hours = X.astype(float).resample("30min").interpolate()
    np.testing.assert_array_equal(read_covariates(half_hours, TIMELINE, n_future=2).values, covariates.values)


def test_rows_beyond_are_kept_on_request():
    assert len(read_covariates(X, TIMELINE).values) == 5
    np.testing.assert_array_equal(read_covariates(X, TIMELINE, keep_beyond=True).values[:, 0], np.arange(8))
    assert len(read_covariates(X[:5], TIMELINE, keep_beyond=True).values) == 5
    with pytest.raises(DataError, match="lacks 1 of the 8 rows needed, the first at 2024-01-01 06:00:00"):
        read_covariates(X.drop(HOURS[6]), TIMELINE, keep_beyond=True)
    berlin = pd.date_range("2024-03-29", periods=6, freq="D", tz="Europe/Berlin")
    days = read_table(pd.Series(1.0, index=berlin[:3])).timeline
    kept = read_covariates(pd.Series(range(6), index=berlin), days, keep_beyond=True)
    np.testing.assert_array_equal(kept.values[:, 0], np.arange(6))


def test_columns_of_fit_in_their_order():
    covariates = read_covariates(X.assign(extra=1), TIMELINE, columns=("holiday", "price"))
    assert covariates.columns == ("holiday", "price")
    np.testing.assert_array_equal(covariates.values[:, 1], np.arange(5))


def test_a_series_is_one_column():
    assert read_covariates(X["price"], TIMELINE).columns == ("price",)
    assert read_covariates(X["price"].rename(None), TIMELINE).columns == ("0",)
    assert read_covariates(X["price"].rename(7), TIMELINE).columns == ("7",)


def test_the_user_frame_stays_as_it_was():
    before = X.copy(deep=True)
    read_covariates(X, TIMELINE).values[:] = -1
    pd.testing.assert_frame_equal(X, before)


@pytest.mark.parametrize("given", [True, False])
def test_inserted_rows_need_not_be_given_and_are_nan_either_way(given):
    table = read_table(pd.Series(1.0, index=HOURS[:5]).drop(HOURS[2]), gaps="mask")
    covariates = read_covariates(X if given else X.drop(HOURS[2]), table.timeline, n_future=1, inserted=table.inserted)
    np.testing.assert_array_equal(covariates.values[:, 0], [0, 1, np.nan, 3, 4, 5])
    with pytest.raises(DataError, match="lacks 1 of the 6 rows needed, the first at 2024-01-01 05:00:00"):
        read_covariates(X[:5], table.timeline, n_future=1, inserted=table.inserted)


def test_arrays_count_from_the_first_row_of_y():
    timeline = read_table(np.ones(5)).timeline
    array = np.arange(16.0).reshape(8, 2)
    assert read_covariates(array, timeline).columns == ("0", "1")
    np.testing.assert_array_equal(read_covariates(array, timeline, n_future=2).values, array[:7])
    np.testing.assert_array_equal(read_covariates(array, timeline, keep_beyond=True).values, array)
    np.testing.assert_array_equal(read_covariates(array[:, 0], timeline).values[:, 0], array[:5, 0])
    with pytest.raises(DataError, match="lacks 1 of the 9 rows needed, the first at 8"):
        read_covariates(array, timeline, n_future=4)
    with pytest.raises(DataError, match=r"2 columns, but fit had 1: \['0'\]"):
        read_covariates(array, timeline, columns=("0",))
    with pytest.raises(DataError, match=r"column '1' is nan at 3 \(1 such values\)"):
        read_covariates(np.where(array == 7, np.nan, array), timeline)
    with pytest.raises(DataError, match=r"shape \(8, 2\) without stamps.*DataFrame"):
        read_covariates(array, TIMELINE)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            X[:6],
            "lacks 1 of the 7 rows needed, the first at 2024-01-01 06:00:00.*from 2024-01-01 00:00:00 to 2024-01-01 06",
        ),
        (X[3:], "lacks 3 of the 7 rows needed, the first at 2024-01-01 00:00:00"),
        (X[:0], "lacks 7 of the 7 rows needed"),
        (X[["holiday"]], r"lacks the columns \['price'\] that fit had; it has \['holiday'\]"),
        (
            X.assign(price="cheap"),
            r"column 'price' holds text.*'cheap' at 2024-01-01 00:00:00.*categories come with a later version",
        ),
        (X.assign(price=pd.Categorical(list("aabbaabb"))), "column 'price' holds categories.*later version"),
        (X.assign(price=HOURS), "column 'price' holds times"),
        (
            X.assign(price=np.where(X["price"] == 3, np.nan, 1)),
            r"column 'price' is nan at 2024-01-01 03:00:00 \(1 such values\)",
        ),
        (X.assign(price=np.where(X["price"] == 3, -np.inf, 1)), "column 'price' is -inf at 2024-01-01 03:00:00"),
        (
            X.tz_localize("UTC"),
            "X's index holds datetimes in the time zone UTC, y's holds datetimes without a time zone",
        ),
        (X.to_period("h"), "X's index holds periods of 'h', y's holds datetimes"),
        (X.reset_index(drop=True), "X's index holds integers, y's holds datetimes"),
        (X.set_axis(HOURS.astype(str)), "X's index holds strings"),
        (X[::-1], "X's index is not sorted"),
        (X.iloc[[0, 0, 1, 2, 3, 4, 5, 6]], "X's index has duplicated stamps"),
        (pd.concat([X, X[["price"]]], axis=1), "column 'price' more than once"),
        (X[[]], "no columns"),
        ([1.0] * 8, "X is a list, which is not supported"),
    ],
)
def test_refused_with_reason_and_place(given, message):
    with pytest.raises(DataError, match=message):
        read_covariates(given, TIMELINE, n_future=2, columns=("price", "holiday"))
    if "rows needed" not in message:
        with pytest.raises(DataError, match=message):
            read_future_covariates(given, HOURS[2:5], ("price", "holiday"))


def test_values_that_are_not_used_are_not_checked():
    later = X.assign(price=np.where(X["price"] == 7, np.nan, 1.0))
    assert np.isfinite(read_covariates(later, TIMELINE, n_future=2).values).all()


def test_the_future_alone():
    future = TIMELINE.future(3)
    covariates = read_future_covariates(X, future, ("price",))
    np.testing.assert_array_equal(covariates.values[:, 0], [5, 6, 7])
    assert covariates.columns == ("price",)
    with pytest.raises(DataError, match="lacks 2 of the 3 rows needed, the first at 2024-01-01 06:00:00"):
        read_future_covariates(X[:6], future, ("price",))
    numbers = read_table(np.ones(5)).timeline.future(3)
    np.testing.assert_array_equal(read_future_covariates(np.arange(4.0), numbers, ("0",)).values[:, 0], [0, 1, 2])
    with pytest.raises(DataError, match="lacks 1 of the 3 rows needed, the first at 7"):
        read_future_covariates(np.arange(2.0), numbers, ("0",))
