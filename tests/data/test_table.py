"""Tables at the door: what is accepted, what is refused and in which words."""

import numpy as np
import pandas as pd
import pytest

from tsssm.data import read_table
from tsssm.errors import ConfigError, DataError

HOURS = pd.date_range("2024-01-01", periods=6, freq="h")
VALUES = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0])


def series(values=VALUES, index=HOURS, name="load"):
    return pd.Series(values, index=index, name=name)


def without_freq(index):
    return pd.DatetimeIndex(index, freq=None)


def test_series_frame_and_arrays_become_columns():
    frame = pd.DataFrame({"b": VALUES, "a": VALUES * 2}, index=HOURS)
    for y, names in [
        (series(), ("load",)),
        (series(name=None), (None,)),
        (frame, ("b", "a")),
        (VALUES, (0,)),
        (frame.to_numpy(), (0, 1)),
    ]:
        table = read_table(y)
        assert table.names == names
        assert table.values.shape == (6, len(names))
        assert table.values.dtype == np.float64
        assert table.values.flags.c_contiguous
        np.testing.assert_array_equal(table.values[:, 0], VALUES)
        assert not table.inserted.any()
    assert read_table(VALUES).timeline.index.equals(pd.RangeIndex(6))


@pytest.mark.parametrize(
    "dtype",
    ["float16", "float32", ">f4", "uint8", "int64", "Int64", "Float64", "Float32", "Sparse[float64]", "int32[pyarrow]"],
)
def test_every_numeric_dtype_gives_the_same_values(dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    y = series().astype(dtype)
    np.testing.assert_array_equal(read_table(y).values[:, 0], VALUES)
    np.testing.assert_array_equal(read_table(y.to_frame().assign(other=1.0)).values[:, 0], VALUES)


def test_missing_values_of_nullable_columns_and_masked_arrays_are_nan():
    frame = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [1.5, 2.5, np.nan]})
    expected = np.array([[1, 1.5], [np.nan, 2.5], [3, np.nan]])
    np.testing.assert_array_equal(read_table(frame).values, expected)
    masked = np.ma.masked_array([1, 7, 3], mask=[False, True, False])
    np.testing.assert_array_equal(read_table(masked).values[:, 0], [1, np.nan, 3])


def test_large_values_are_kept():
    values = [1e29, -1e29, 2**53 + 2, 1e12 + 0.5, 0, 1]
    np.testing.assert_array_equal(read_table(series(values)).values[:, 0], values)


def test_values_too_large_to_compute_with_are_refused():
    with pytest.raises(DataError, match=r"beyond \+-1e\+30: -1e\+300 at 2024-01-01 01:00:00 \(1 in all\)"):
        read_table(series([1.0, -1e300, 2.0, 3.0, 4.0, 5.0]))


def test_the_table_is_a_copy_and_the_users_objects_stay_as_they_were():
    index = without_freq(HOURS)
    frame = pd.DataFrame({"a": VALUES.copy(), "b": VALUES.copy()}, index=index)
    before = frame.copy(deep=True)
    array = VALUES.copy()
    for y in (frame, array, frame["a"]):
        table = read_table(y, freq=None)
        table.values[:] = -1
    pd.testing.assert_frame_equal(frame, before)
    np.testing.assert_array_equal(array, VALUES)
    assert index.freq is None
    read_table(frame).kind.point(np.ones((1, 2)), HOURS[:1]).columns.name = "changed"
    assert frame.columns.name is None


def test_masked_gaps_insert_exactly_the_missing_rows():
    y = series().drop(HOURS[[1, 2]])
    table = read_table(y, gaps="mask")
    np.testing.assert_array_equal(table.inserted, [False, True, True, False, False, False])
    np.testing.assert_array_equal(np.isnan(table.values[:, 0]), table.inserted)
    assert table.timeline.index.equals(HOURS)
    np.testing.assert_array_equal(table.values[~table.inserted, 0], y)


@pytest.mark.parametrize(
    "freq", ["MS", "ME", "QS-JAN", "QE-DEC", "YS-JAN", "W-WED", "B", "D", "h", "30min", "10s", "2h", "3D", "2MS", "BME"]
)
@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
def test_gaps_of_any_frequency(freq, tz):
    index = pd.date_range("2023-01-02", periods=40, freq=freq, tz=tz)
    y = pd.Series(np.arange(40.0), index=without_freq(index))
    absent = [7, 8, 20, 33]
    table = read_table(y.drop(index[absent]), gaps="mask")
    assert table.timeline.index.equals(index)
    np.testing.assert_array_equal(np.flatnonzero(table.inserted), absent)
    assert table.timeline.freq == index.freq


def test_business_days_with_a_missing_holiday_stay_business_days():
    index = pd.bdate_range("2024-03-01", periods=40)
    y = pd.Series(1.0, index=index).drop([pd.Timestamp("2024-03-29"), pd.Timestamp("2024-04-01")])
    table = read_table(y, gaps="mask")
    assert table.timeline.frequency == "B"
    assert table.timeline.index[table.inserted].tolist() == [pd.Timestamp("2024-03-29"), pd.Timestamp("2024-04-01")]


def test_gaps_in_periods_and_integers():
    periods = pd.period_range("2024-01", periods=5, freq="M")
    table = read_table(pd.Series(1.0, index=periods).drop(periods[2]), gaps="mask")
    assert table.timeline.index.equals(periods)
    table = read_table(pd.Series(1.0, index=[10, 12, 14, 18]), gaps="mask")
    assert table.timeline.index.tolist() == [10, 12, 14, 16, 18]
    assert table.timeline.frequency == "2"
    assert table.inserted.tolist() == [False, False, False, True, False]


def test_a_given_frequency_makes_a_finer_grid_when_gaps_are_masked():
    table = read_table(series(index=without_freq(HOURS)), freq="30min", gaps="mask")
    assert len(table.timeline) == 11
    assert table.inserted.sum() == 5


def test_one_row_needs_a_frequency_and_then_works():
    y = series()[:1].set_axis(without_freq(HOURS[:1]))
    with pytest.raises(DataError, match=r"cannot be told from 1 row, from 2024-01-01 00:00:00 .*Pass freq="):
        read_table(y)
    assert read_table(y, freq="h").timeline.next_stamp() == HOURS[1]
    assert read_table(series()[:1]).timeline.frequency == "h"  # a slice still knows it


def test_empty_slices_keep_their_frequency_and_type():
    table = read_table(series()[:0], allow_unobserved=True)
    assert table.values.shape == (0, 1)
    assert table.timeline.frequency == "h"
    unknown = series()[:0].set_axis(without_freq(HOURS[:0]))
    assert read_table(unknown, allow_unobserved=True, freq="h").timeline.frequency == "h"
    with pytest.raises(DataError, match=r"from 0 rows.*Pass freq="):
        read_table(unknown, allow_unobserved=True)
    frame = pd.DataFrame({"a": VALUES}, index=pd.period_range("2024", periods=6, freq="M"))[:0]
    assert read_table(frame, allow_unobserved=True).timeline.frequency == "M"


@pytest.mark.parametrize(
    ("index", "given"),
    [
        (HOURS, "60min"),
        (pd.date_range("2024-01-01", periods=6, freq="QS-OCT"), "QS"),
        (pd.date_range("2024-01-03", periods=6, freq="7D"), "W-WED"),
        (pd.date_range("2024", periods=6, freq="D"), "24h"),
        (pd.period_range("2024", periods=6, freq="M"), "M"),
        (pd.RangeIndex(0, 12, 2), "2"),
        (pd.RangeIndex(0, 12, 2), 2),
    ],
)
def test_another_spelling_of_the_same_frequency_is_accepted(index, given):
    table = read_table(series(index=index), freq=given)
    assert table.timeline.index.equals(index)
    read_table(series(index=index)[:0], freq=given, allow_unobserved=True)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_units_of_datetimes_are_kept(unit):
    index = HOURS.as_unit(unit)
    timeline = read_table(series(index=without_freq(index))).timeline
    assert timeline.index.unit == unit
    assert timeline.future(2).unit == unit


# --- refusals -------------------------------------------------------------------------------------------------------


MIXED_ZONES = pd.Index([pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-01 03:00", tz="Asia/Tokyo")])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (series()[:0], "y is empty: it has no row"),
        (
            series(index=HOURS[[0, 1, 1, 2, 3, 4]]),
            r"duplicated stamps \(1\), the first is 2024-01-01 01:00:00.*duplicated\(\)",
        ),
        (
            series(index=HOURS[[0, 2, 1, 3, 4, 5]]),
            r"not sorted: 2024-01-01 01:00:00 comes after 2024-01-01 02:00:00.*sort_index",
        ),
        (series(index=HOURS[:5].append(pd.DatetimeIndex([pd.NaT]))), r"missing stamp \(NaT\) in row 5.*notna"),
        (pd.Series([1.0, 2.0], index=MIXED_ZONES), r"mixed time zones.*utc=True"),
        (series(index=HOURS.astype(str)), r"strings \(the first is '2024-01-01 00:00:00'.*pd.to_datetime\(y.index\)"),
        (series(index=HOURS.astype(str).astype(object)), r"strings .*pd.to_datetime\(y.index\)"),
        (series(index=pd.Index(pd.date_range("2024", periods=6).date)), r"date values.*pd.to_datetime\(y.index\)"),
        (series(index=[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), r"floating values.*astype\('int64'\)"),
        (series(index=pd.timedelta_range("1h", periods=6)), r"timedelta64 values.*Timestamp"),
        (
            series(index=pd.MultiIndex.from_product([["s"], HOURS], names=["id", "ds"])),
            r"MultiIndex with levels \['id', 'ds'\].*unstack",
        ),
        (
            series([1, 2, np.inf, 4, -np.inf, 6]),
            r"series 'load' has an infinite value: inf at 2024-01-01 02:00:00 \(2 in all\).*NaN",
        ),
        (
            series(list("abcdef")),
            r"'load' holds text.* first 'a' at 2024-01-01 00:00:00\)\. Convert it: pd.to_numeric\(y\)",
        ),
        (series([1, None, "x", 2, 3, 4]).astype(object), r"'load' holds .*first None at 2024-01-01 01:00:00"),
        (series(VALUES > 2), r"holds booleans.*first True.*astype\(float\)"),
        (series(VALUES + 1j), r"holds complex numbers.*first \(3\+1j\).*real part"),
        (series(HOURS), r"holds times.*Timestamp\('2024-01-01 00:00:00'\)"),
        (series(pd.Categorical(list("abcdef"))), r"holds categories.*first 'a'"),
        (series(np.full(6, np.nan)), r"'load' has no observed value: all 6 rows from 2024-01-01 00:00:00"),
        (series(np.full(6, np.nan), name=None), r"y \(a series without a name\) has no observed value"),
        (pd.DataFrame({"a": VALUES, "b": np.nan}, index=HOURS), r"series 'b' has no observed value"),
        (
            pd.DataFrame({"a": VALUES, "t": HOURS.astype(str)}),
            r"series 't' holds text.*pd.to_numeric\(y\['t'\]\).*set_index\('t'\)",
        ),
        (pd.DataFrame({"a": VALUES, "t": HOURS}), r"series 't' holds times.*set_index\('t'\)"),
        (pd.DataFrame(np.ones((6, 2)), index=HOURS, columns=["a", "a"]), "column 'a' more than once"),
        (pd.DataFrame(index=HOURS), "frame without columns"),
        (
            pd.DataFrame({"unique_id": ["a"], "ds": HOURS[:1], "y": [1.0]}),
            r"long frames .* come with a later version.*pivot",
        ),
        (np.ones((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.array(3.0), r"shape \(\)"),
        (np.ones((3, 0)), r"shape \(3, 0\): no series"),
        (np.array(["a", "b"]), r"y holds text"),
        (np.array([True]), r"y holds booleans"),
        ([1, 2], r"y is a list, which is not supported"),
        ({"a": 1}, r"y is a dict, which is not supported"),
        (
            series().drop(HOURS[2]),
            r"lacks 1 row at frequency 'h', the first at 2024-01-01 02:00:00.*gaps='mask'.*y.asfreq\('h'\)",
        ),
        (pd.Series(1.0, index=[0, 1, 2, 4, 7]), r"lacks 3 rows at frequency '1', the first at 3.*range\(0, 8, 1\)"),
        (
            series(index=HOURS[:5].append(pd.DatetimeIndex(["2024-01-01 04:30"]))),
            r"not regular.*'h', and 2024-01-01 04:30:00 is off",
        ),
        (pd.Series(1.0, index=without_freq(HOURS[:2])), r"cannot be told from 2 rows"),
        (
            pd.Series(1.0, index=pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-09"])),
            r"cannot be told from 3 rows.*more common",
        ),
    ],
)
def test_refused_with_reason_place_value_and_remedy(y, message):
    with pytest.raises(DataError, match=message):
        read_table(y)


@pytest.mark.parametrize(
    ("index", "freq", "message"),
    [
        (HOURS, "30min", r"index has frequency 'h', but freq='30min' is expected"),
        (without_freq(HOURS), "D", r"freq='D' contradicts y's index: 2024-01-01 01:00:00 .*looks like 'h'"),
        (pd.date_range("2024-01-03", periods=6, freq="W-WED"), "W", r"index has frequency 'W-WED', but freq='W'"),
        (
            without_freq(pd.date_range("2024-01-03", periods=6, freq="W-WED")),
            "W",
            r"'W' contradicts.*2024-01-03.*'W-WED'",
        ),
        (HOURS, "hourly", r"freq='hourly' is not a frequency"),
        (HOURS, True, r"freq=True is not a frequency"),
        (HOURS, 2, r"freq=2 is not a frequency"),
        (HOURS, "-1h", r"freq='-1h' does not step forward"),
        (HOURS, pd.offsets.CDay(holidays=["2024-01-01"]), r"holidays|cannot be written as text"),
        (without_freq(HOURS.as_unit("s")), "500ms", r"whole units of 's'.*as_unit"),
        (pd.period_range("2024-01", periods=6, freq="M"), "Q", r"freq='Q' contradicts.*'M'"),
        (pd.period_range("2024-01", periods=6, freq="M"), "nonsense", r"freq='nonsense' is not a frequency of periods"),
        (pd.RangeIndex(6), "h", r"freq='h' does not go with integer stamps"),
        (pd.RangeIndex(6), 0, r"freq=0 does not go with integer stamps"),
        (pd.RangeIndex(6), 2, r"index has frequency '1', but freq=2 is expected"),
    ],
)
def test_frequencies_that_contradict_the_index_are_refused(index, freq, message):
    with pytest.raises(DataError, match=message):
        read_table(series(index=index), freq=freq)


def test_a_grid_far_larger_than_the_data_is_refused_before_it_is_built():
    seconds = pd.DatetimeIndex(["2024-01-01 00:00:00", "2024-01-01 00:00:01", "2024-01-01 00:00:02", "2044-01-01"])
    with pytest.raises(DataError, match="frequency 's' y would have 631152001 rows"):
        read_table(pd.Series(1.0, index=seconds), gaps="mask")


def test_other_libraries_are_refused_by_name():
    xarray = pytest.importorskip("xarray")
    with pytest.raises(DataError, match=r"xarray.Variable, .* not supported. Give a DataArray or Dataset"):
        read_table(xarray.Variable("time", [1.0]))
    polars = pytest.importorskip("polars")
    with pytest.raises(DataError, match=r"polars.DataFrame.*later version"):
        read_table(polars.DataFrame({"a": [1.0]}))


def test_unknown_gaps_is_a_setting_at_fault():
    with pytest.raises(ConfigError, match=r"gaps='fill'.*'refuse'.*'mask'"):
        read_table(series(), gaps="fill")


def test_unobserved_series_are_accepted_where_asked():
    table = read_table(series(np.full(6, np.nan)), allow_unobserved=True)
    assert np.isnan(table.values).all()


def test_messages_use_the_name_they_are_given():
    with pytest.raises(DataError, match=r"^X_past is empty"):
        read_table(series()[:0], what="X_past")
