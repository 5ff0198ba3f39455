"""The time axis: what follows it, where a stamp lies after it, and its round trip through JSON."""

import datetime as dt
import json
import pickle

import numpy as np
import pandas as pd
import pytest

from tsssm.data import Timeline, read_table
from tsssm.errors import DataError

FREQUENCIES = [
    "MS",
    "ME",
    "QS-OCT",
    "QS-JAN",
    "YS-APR",
    "W-WED",
    "B",
    "D",
    "h",
    "30min",
    "10s",
    "100ms",
    "2h",
    "7D",
    "2MS",
    "BMS",
]


def timeline_of(index, freq=None):
    return read_table(pd.Series(np.arange(float(len(index))), index=index), freq=freq).timeline


INDEXES = [
    *(
        pd.date_range("2024-03-01", periods=30, freq=freq, tz=tz)
        for freq in FREQUENCIES
        for tz in (None, "Europe/Berlin")
    ),
    *(pd.date_range("2024-03-01", periods=5, freq="D", unit=unit, name="day") for unit in ("s", "ms", "us", "ns")),
    pd.date_range("2024-03-29", periods=4, freq="24h", tz="Europe/Berlin"),
    pd.date_range("1890-03-01", periods=5, freq="D", unit="s"),
    pd.date_range("2024-03-01", periods=5, freq="h", tz=dt.timezone(dt.timedelta(hours=2))),
    *(
        pd.period_range("2024-03", periods=5, freq=freq)
        for freq in ("M", "Q-DEC", "Y-DEC", "W-SUN", "D", "h", "2M", "15min")
    ),
    *(
        pd.date_range("2024-03-01", periods=5, freq=freq, unit="ns", tz="Europe/Berlin")
        for freq in ("YS", "QS", "W-WED")
    ),
    pd.RangeIndex(5, name=("a", 1)),
    pd.RangeIndex(3, 23, 4),
    pd.Index([2, 5, 8, 11]),
    pd.Index(np.arange(5, dtype="int16")),
]


def identifier(index):
    return f"{index.dtype}-{getattr(index, 'freqstr', index[1] - index[0])}"


@pytest.mark.parametrize("index", INDEXES, ids=identifier)
def test_the_future_continues_the_index(index):
    """The truth is the index itself: what follows its first half is its second half."""
    half = len(index) // 2
    timeline = timeline_of(index).slice(0, half)
    future = timeline.future(len(index) - half)
    pd.testing.assert_index_equal(future, index[half:], exact=True)
    assert timeline.next_stamp() == index[half]
    for k, stamp in enumerate(index[half:], 1):
        assert timeline.steps_after_end(stamp) == k
        assert timeline.clock().advance(k).last == stamp
    assert timeline.extend(len(index) - half) == timeline_of(index)


@pytest.mark.parametrize("index", INDEXES, ids=identifier)
def test_json_loses_nothing(index):
    timeline = timeline_of(index)
    plain = json.loads(json.dumps(timeline.to_json()))
    assert "stamps" not in plain
    for part in (timeline, timeline.slice(3, 4), timeline.slice(0, 0)):
        back = Timeline.from_json(json.loads(json.dumps(part.to_json())))
        assert back == part
        assert back.frequency == part.frequency
        pd.testing.assert_index_equal(back.index, part.index, exact=True)


@pytest.mark.parametrize("index", INDEXES, ids=identifier)
def test_the_frequency_is_inferred_and_reads_back_as_itself(index):
    timeline = timeline_of(index)
    bare = (
        index if isinstance(index, (pd.PeriodIndex, pd.RangeIndex)) else type(index)(index.to_numpy(), name=index.name)
    )
    if isinstance(index, pd.DatetimeIndex):
        bare = pd.DatetimeIndex(index, freq=None)
    inferred = timeline_of(bare)
    assert inferred.index.equals(index)
    again = timeline_of(index, freq=timeline.frequency)
    assert again.frequency == timeline.frequency


@pytest.mark.parametrize(
    "freq",
    ["h", "30min", "D", "3D", "W-FRI", "MS", "ME", "QS-OCT", "QE-NOV", "YS-JUL", "YE-DEC", "BMS", "BME", "B", "2MS"],
)
@pytest.mark.filterwarnings("ignore:A future version of pandas will return a BaseOffset")
def test_inference_agrees_with_pandas(freq):
    index = pd.DatetimeIndex(pd.date_range("2021-05-03", periods=25, freq=freq), freq=None)
    expected = pd.date_range(index[-1], periods=30, freq=pd.infer_freq(index))[1:]
    assert timeline_of(index).future(29).equals(expected)


@pytest.mark.parametrize(
    ("freq", "name"),
    [
        ("60min", "h"),
        ("90min", "90min"),
        ("120s", "2min"),
        ("24h", "D"),
        ("48h", "2D"),
        ("168h", "W-MON"),
        ("QS-OCT", "QS-JAN"),
        ("QS-NOV", "QS-FEB"),
        ("QE-MAR", "QE-DEC"),
    ],
)
def test_equal_grids_have_one_name(freq, name):
    index = pd.date_range("2024-01-01", periods=5, freq=freq)
    assert timeline_of(index).frequency == name


def test_summer_time_hours_count_elapsed_time_and_days_keep_local_midnight():
    hours = timeline_of(pd.date_range("2024-03-30 20:00", periods=5, freq="h", tz="Europe/Berlin"))
    assert [stamp.hour for stamp in hours.future(4)] == [1, 3, 4, 5]
    days = timeline_of(pd.date_range("2024-03-28", periods=3, freq="D", tz="Europe/Berlin"))
    assert [stamp.hour for stamp in days.future(4)] == [0, 0, 0, 0]
    elapsed = timeline_of(pd.date_range("2024-03-28", periods=3, freq="24h", tz="Europe/Berlin"))
    assert [stamp.hour for stamp in elapsed.future(4)] == [0, 1, 1, 1]
    autumn = timeline_of(pd.date_range("2024-10-26 22:00", periods=4, freq="h", tz="Europe/Berlin"))
    assert [stamp.hour for stamp in autumn.future(3)] == [2, 2, 3]
    assert autumn.steps_after_end(autumn.future(2)[1]) == 2


def test_a_midnight_that_does_not_exist_moves_and_the_next_comes_back():
    """Chile changed its clocks at midnight of 8 September 2024, which therefore began at 01:00."""
    naive = pd.date_range("2024-09-05", periods=8, freq="D")
    index = naive.tz_localize("America/Santiago", nonexistent="shift_forward")
    timeline = timeline_of(index)
    assert timeline.frequency == "D"
    for rows in (2, 3, 4, 5):
        part = timeline.slice(0, rows)
        assert part.future(8 - rows).equals(index[rows:])
        assert Timeline.from_json(part.to_json()) == part
        clock = part.clock()
        for stamp in index[rows:]:
            assert clock.steps_to(stamp) == 1
            clock = clock.advance()
    moved = timeline.slice(3, 6)
    assert Timeline.from_json(json.loads(json.dumps(moved.to_json()))) == moved


BERLIN = pd.date_range("2024-01-01", periods=5, freq="h", tz="Europe/Berlin")


@pytest.mark.parametrize(
    ("index", "stamp", "message"),
    [
        (
            BERLIN,
            BERLIN[-1],
            r"2024-01-01 04:00:00\+01:00 repeats the last stamp.*expected one is 2024-01-01 05:00:00\+01:00",
        ),
        (BERLIN, BERLIN[1], r"2024-01-01 01:00:00\+01:00 is not after the last stamp 2024-01-01 04:00:00"),
        (
            BERLIN,
            BERLIN[-1] + pd.Timedelta("90min"),
            r"05:30:00\+01:00 is off the frequency 'h'.*05:00:00\+01:00, 2024-01-01 06",
        ),
        (BERLIN, pd.Timestamp("2024-01-01 05:00"), r"no time zone.*tz_localize\('Europe/Berlin'\)"),
        (BERLIN, pd.Timestamp("2024-01-01 04:00", tz="UTC"), r"time zone UTC.*tz_convert\('Europe/Berlin'\)"),
        (BERLIN.tz_localize(None), BERLIN[-1], r"Europe/Berlin, but .*without a time zone.*tz_localize\(None\)"),
        (BERLIN, "2024-01-01 05:00", r"'2024-01-01 05:00' is of type str.*pd.Timestamp"),
        (BERLIN, dt.date(2024, 1, 2), "of type date"),
        (BERLIN, pd.NaT, "NaT"),
        (BERLIN.tz_localize(None), np.datetime64("NaT"), "NaT"),
        (BERLIN, None, "None is of type NoneType"),
        (BERLIN, 5, "5 is of type int"),
        (
            pd.date_range("2024-01-01", periods=5, freq="MS"),
            pd.Timestamp("2024-06-15"),
            r"2024-06-15 00:00:00 is off the frequency 'MS'",
        ),
        (
            pd.date_range("2024-01-01", periods=5, freq="B"),
            pd.Timestamp("2024-01-06"),
            r"2024-01-06 00:00:00 is off .*'B'.*2024-01-08",
        ),
        (pd.period_range("2024-01", periods=5, freq="M"), pd.Period("2024-05", "M"), r"2024-05 repeats.*2024-06"),
        (pd.period_range("2024-01", periods=5, freq="M"), pd.Period("2024-06-01", "D"), r"no period of 'M'"),
        (pd.period_range("2024-01", periods=5, freq="M"), pd.Timestamp("2024-06-01"), r"no period of 'M'"),
        (pd.RangeIndex(0, 10, 2), 9, r"9 is off the frequency 2: the stamps after 8 are 10, 12"),
        (pd.RangeIndex(0, 10, 2), 8, r"8 repeats the last stamp; the next expected one is 10"),
        (pd.RangeIndex(0, 10, 2), 10.0, r"10.0 is of type float"),
        (pd.RangeIndex(0, 10, 2), True, r"True is of type bool"),
    ],
)
def test_stamps_that_do_not_follow_are_refused(index, stamp, message):
    with pytest.raises(DataError, match=message):
        timeline_of(index).steps_after_end(stamp)


def test_stamps_of_other_units_and_types_that_mean_the_same_are_accepted():
    timeline = timeline_of(BERLIN.tz_localize(None))
    for stamp in (
        dt.datetime(2024, 1, 1, 6),
        np.datetime64("2024-01-01T06"),
        pd.Timestamp("2024-01-01 06:00").as_unit("s"),
    ):
        assert timeline.steps_after_end(stamp) == 2
    assert timeline_of(pd.RangeIndex(3)).steps_after_end(np.int64(7)) == 5


def test_an_empty_axis_has_no_future_but_an_empty_range_begins_at_its_start():
    empty = timeline_of(BERLIN).slice(0, 0)
    for call in (
        empty.next_stamp,
        lambda: empty.future(1),
        lambda: empty.steps_after_end(BERLIN[0]),
        lambda: empty.extend(1),
    ):
        with pytest.raises(DataError, match="no stamp yet"):
            call()
    assert timeline_of(pd.RangeIndex(4, 12, 2)).slice(0, 0).future(2).tolist() == [4, 6]


def test_start_at_takes_a_first_stamp_that_the_frequency_allows():
    empty = timeline_of(pd.date_range("2024-01-01", periods=5, freq="MS")).slice(0, 0)
    start = empty.start_at(pd.Timestamp("2025-03-01"))
    assert len(start) == 1
    assert start.next_stamp() == pd.Timestamp("2025-04-01")
    with pytest.raises(
        DataError, match=r"2025-03-02 00:00:00 is off the frequency 'MS'; the next that fits is 2025-04-01"
    ):
        empty.start_at(pd.Timestamp("2025-03-02"))
    with pytest.raises(DataError, match="time zone UTC"):
        empty.start_at(pd.Timestamp("2025-03-01", tz="UTC"))


def test_integers_that_leave_their_type_are_refused():
    timeline = timeline_of(pd.Index(np.arange(120, 126, dtype="int8")))
    assert timeline.future(2).tolist() == [126, 127]
    with pytest.raises(DataError, match=r"int8 \(at most 127\).*int64"):
        timeline.future(3)


def test_calendar_stamps_are_naive_local_time():
    stamps = timeline_of(BERLIN).calendar_stamps()
    assert stamps.tz is None
    assert stamps.hour.tolist() == [0, 1, 2, 3, 4]
    periods = timeline_of(pd.period_range("2024-01", periods=3, freq="M")).calendar_stamps()
    assert periods.tolist() == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-01"), pd.Timestamp("2024-03-01")]
    assert timeline_of(pd.RangeIndex(3)).calendar_stamps() is None


def test_names_that_json_cannot_hold_are_refused():
    timeline = timeline_of(pd.RangeIndex(3, name=pd.Timestamp("2024-01-01")))
    with pytest.raises(DataError, match=r"index name Timestamp\('2024-01-01 00:00:00'\).*Rename it"):
        timeline.to_json()


def test_axes_and_clocks_pickle():
    timeline = timeline_of(BERLIN)
    assert pickle.loads(pickle.dumps(timeline)) == timeline
    assert pickle.loads(pickle.dumps(timeline.clock())).next_stamp() == timeline.next_stamp()
