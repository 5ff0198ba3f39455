"""Calendar features against the sine of the standard library, and one row against many, bit for bit."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest

from tsssm.data import Timeline, calendar_features, calendar_row, choose_cycles, feature_names, read_table

CYCLES = ("day", "week", "month", "year")


def random_stamps(n, unit="us"):
    rng = np.random.default_rng(3)
    seconds = rng.integers(-2_000_000_000, 4_000_000_000, n)  # 1906 to 2096
    return (
        pd.DatetimeIndex(seconds.astype("M8[s]")).as_unit("us") + pd.to_timedelta(rng.integers(0, 10**6, n), "us")
    ).as_unit(unit)


def by_definition(stamp):
    """Sines and cosines of the fraction of each cycle that has passed, by the standard library."""
    midnight = dt.datetime(stamp.year, stamp.month, stamp.day)
    day = (stamp - midnight) / dt.timedelta(days=1)
    month = dt.datetime(stamp.year, stamp.month, 1)
    after = dt.datetime(stamp.year + stamp.month // 12, stamp.month % 12 + 1, 1)
    year, next_year = dt.datetime(stamp.year, 1, 1), dt.datetime(stamp.year + 1, 1, 1)
    phases = [
        (day, 3),
        ((stamp.weekday() + day) / 7, 3),
        ((stamp - month) / (after - month), 1),
        ((stamp - year) / (next_year - year), 2),
    ]
    return [
        wave(2 * math.pi * k * phase) for phase, n in phases for k in range(1, n + 1) for wave in (math.sin, math.cos)
    ]


def test_features_are_the_sines_and_cosines_of_the_calendar():
    stamps = random_stamps(300)
    features = calendar_features(stamps, CYCLES)
    assert features.dtype == np.float32
    assert features.shape == (300, len(feature_names(CYCLES)))
    expected = [by_definition(stamp.to_pydatetime()) for stamp in stamps]
    np.testing.assert_allclose(features, expected, atol=2e-7, rtol=0)
    assert np.abs(features).max() <= 1


@pytest.mark.parametrize("cycles", [CYCLES, ("year",), ("day", "week"), ("month",)])
def test_one_row_has_the_bits_of_many(cycles):
    stamps = random_stamps(2000).append(
        pd.DatetimeIndex(["2024-02-29 23:59:59.999999", "2023-12-31", "1900-03-01", "2000-01-01"])
    )
    many = calendar_features(stamps, cycles)
    np.testing.assert_array_equal(np.stack([calendar_row(stamp, cycles) for stamp in stamps]), many)
    np.testing.assert_array_equal(
        np.concatenate([calendar_features(stamps[i : i + 1], cycles) for i in range(50)]), many[:50]
    )


def test_units_zones_and_periods_do_not_matter():
    stamps = pd.date_range("2024-03-28", periods=100, freq="h", tz="Europe/Berlin")
    naive = stamps.tz_localize(None)
    expected = calendar_features(naive, CYCLES)
    np.testing.assert_array_equal(calendar_features(stamps, CYCLES), expected)
    np.testing.assert_array_equal(np.stack([calendar_row(stamp, CYCLES) for stamp in stamps]), expected)
    np.testing.assert_array_equal(calendar_row(stamps[7].to_pydatetime(), CYCLES), expected[7])
    for unit in ("s", "ms", "ns"):
        np.testing.assert_array_equal(calendar_features(naive.as_unit(unit), CYCLES), expected)
    periods = pd.period_range("2024-01", periods=20, freq="M")
    timeline = read_table(pd.Series(1.0, index=periods)).timeline
    rows = np.stack([calendar_row(period, ("year",)) for period in periods])
    np.testing.assert_array_equal(rows, calendar_features(timeline.calendar_stamps(), ("year",)))


def test_features_are_smooth_and_tell_the_weekdays_apart():
    minutes = pd.date_range("2023-12-30", "2024-01-02", freq="min")
    steps = np.abs(np.diff(calendar_features(minutes, CYCLES), axis=0))
    assert steps.max() < 2 * math.pi * 3 / 1440 + 1e-6  # the third harmonic of the day at its steepest
    week = calendar_features(pd.date_range("2024-01-01", periods=7), ("week",)).astype(float)
    assert np.linalg.matrix_rank(np.column_stack([week, np.ones(7)]), tol=1e-3) == 7


def test_no_cycles_give_no_features():
    assert calendar_features(random_stamps(4), ()).shape == (4, 0)
    assert calendar_row(random_stamps(1)[0], ()).shape == (0,)
    assert calendar_features(random_stamps(4)[:0], CYCLES).shape == (0, 18)
    assert feature_names(()) == ()


@pytest.mark.parametrize(
    ("index", "rows", "cycles"),
    [
        (pd.date_range("2024", periods=9, freq="h"), 71, ()),
        (pd.date_range("2024", periods=9, freq="h"), 72, ("day",)),
        (pd.date_range("2024", periods=9, freq="h"), 504, ("day", "week")),
        (pd.date_range("2024", periods=9, freq="h"), 26400, ("day", "week", "year")),
        (pd.date_range("2024", periods=9, freq="D"), 100, ("week", "month")),
        (pd.date_range("2024", periods=9, freq="D"), 1096, ("week", "month", "year")),
        (pd.date_range("2024", periods=9, freq="B"), 30, ("week",)),
        (pd.date_range("2024", periods=9, freq="W-WED"), 160, ("year",)),
        (pd.date_range("2024", periods=9, freq="MS"), 37, ("year",)),
        (pd.period_range("2024", periods=9, freq="M"), 37, ("year",)),
        (pd.date_range("2024", periods=9, freq="QS"), 11, ()),
        (pd.date_range("2024", periods=9, freq="QS"), 13, ("year",)),
        (pd.date_range("2024", periods=9, freq="YS"), 90, ()),
        (pd.RangeIndex(9), 10**6, ()),
    ],
)
def test_cycles_that_the_frequency_expresses_and_the_rows_cover_three_times(index, rows, cycles):
    freq = index.step if isinstance(index, pd.RangeIndex) else index.freq
    assert choose_cycles(Timeline(index, freq), rows) == cycles
