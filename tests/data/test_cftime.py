"""Climate models' calendars: no leap years, 360 days."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import tsssm
from small_grids import make_grid
from tsssm import LinearForecaster, MambaForecaster
from tsssm.data import Timeline, calendar_features, choose_cycles, drawable, read_table
from tsssm.errors import DataError, StreamError

cftime = pytest.importorskip("cftime")


def stamps(n, freq, calendar, start="1999-11-01"):
    return xr.date_range(start, periods=n, freq=freq, calendar=calendar, use_cftime=True)


AXES = [
    ("noleap", "6h"), ("noleap", "MS"), ("noleap", "7D"), ("360_day", "D"), ("360_day", "ME"), ("julian", "D"),
    ("standard", "h"), ("all_leap", "YS"), ("proleptic_gregorian", "QS-DEC"),
]  # fmt: skip


@pytest.mark.parametrize(("calendar", "freq"), AXES)
def test_the_horizon_goes_on_in_the_same_calendar(calendar, freq, tmp_path):
    start = "1999-12-01" if freq in ("QS-DEC", "7D") else "1999-11-01"
    index = stamps(85, freq, calendar, start)
    grid = make_grid(85, stamps=index).isel(time=slice(80))
    model = LinearForecaster(5, verbose=False).fit(grid)
    forecast = model.predict()
    assert forecast.indexes["time"].equals(index[80:])
    assert forecast.indexes["time"].calendar == index.calendar
    assert forecast.time.attrs == grid.time.attrs
    model.save(tmp_path / "model")
    xr.testing.assert_identical(tsssm.load(tmp_path / "model").predict(), forecast)
    forecast.to_dataset().to_zarr(tmp_path / "out.zarr", zarr_format=2)
    coders = getattr(xr, "coders", None)  # older ones take a flag
    how = {"decode_times": coders.CFDatetimeCoder(use_cftime=True)} if coders else {"use_cftime": True}
    with xr.open_zarr(tmp_path / "out.zarr", chunks=None, **how) as back:
        assert back.indexes["time"].equals(forecast.indexes["time"])


def test_without_leap_years_february_ends_on_the_28th():
    index = stamps(59, "D", "noleap", "2024-01-01")
    timeline = read_table(make_grid(59, stamps=index)).timeline
    assert str(timeline.next_stamp()) == "2024-03-01 00:00:00"
    assert timeline.next_stamp() - index[-1] == dt.timedelta(days=1)
    thirty = read_table(make_grid(59, stamps=stamps(59, "D", "360_day", "2024-01-01"))).timeline
    assert str(thirty.next_stamp()) == "2024-02-30 00:00:00"


@pytest.mark.parametrize(("calendar", "freq"), AXES)
def test_clocks_count_steps(calendar, freq):
    start = "1999-12-01" if freq in ("QS-DEC", "7D") else "1999-11-01"
    index = stamps(90, freq, calendar, start)
    clock = read_table(make_grid(80, stamps=index[:80])).timeline.clock()
    for k in (1, 2, 10):
        assert clock.steps_to(index[79 + k]) == k
        assert clock.advance(k).last == index[79 + k]
    with pytest.raises(DataError, match="off the frequency"):
        clock.steps_to(index[81] + dt.timedelta(seconds=1))
    with pytest.raises(DataError, match="repeats the last stamp"):
        clock.steps_to(index[79])
    with pytest.raises(DataError, match="of type Timestamp, but the time axis holds dates of the calendar"):
        clock.steps_to(pd.Timestamp("2030-01-01"))


@pytest.mark.parametrize(("calendar", "freq"), AXES)
def test_a_time_axis_survives_json(calendar, freq):
    timeline = read_table(make_grid(60, stamps=stamps(60, freq, calendar, "1999-12-01"))).timeline
    again = Timeline.from_json(json.loads(json.dumps(timeline.to_json())))
    assert again == timeline
    assert again.index.calendar == timeline.index.calendar
    assert type(again.index[0]) is type(timeline.index[0])


def test_gaps():
    index = stamps(50, "12h", "360_day")
    y = make_grid(50, stamps=index).drop_isel(time=[20, 21, 40])
    with pytest.raises(
        DataError, match=r"lacks 3 rows at frequency '12h', the first at 1999-11-11 00:00:00.*resample\(time='12h'\)"
    ):
        read_table(y)
    table = read_table(y, gaps="mask")
    assert table.timeline.index.equals(index)
    np.testing.assert_array_equal(np.flatnonzero(table.inserted), [20, 21, 40])
    months = make_grid(50, stamps=stamps(50, "MS", "noleap")).drop_isel(time=[20])
    assert read_table(months, gaps="mask").timeline.frequency == "MS"
    with pytest.raises(DataError, match="cannot be told from 2 rows"):
        read_table(make_grid(50, stamps=index).isel(time=[0, 1]))
    assert read_table(make_grid(50, stamps=index).isel(time=[0, 1]), freq="12h").timeline.frequency == "12h"
    with pytest.raises(DataError, match="freq='W' has no meaning in every calendar"):
        read_table(y, freq="W")


def test_calendar_inputs_are_those_of_the_same_dates():
    index = stamps(2000, "6h", "noleap")
    timeline = read_table(make_grid(2000, stamps=index)).timeline
    assert choose_cycles(timeline, 2000) == ("day",)  # weekdays of this calendar are not the world's
    dates = pd.DatetimeIndex([pd.Timestamp(s.isoformat()) for s in index])
    np.testing.assert_array_equal(
        calendar_features(timeline.calendar_stamps(), ("day", "year")), calendar_features(dates, ("day", "year"))
    )
    standard = read_table(make_grid(500, stamps=stamps(500, "h", "standard"))).timeline
    assert choose_cycles(standard, 600) == ("day", "week")


def test_a_calendar_without_such_dates_has_no_inputs_and_says_so():
    model = LinearForecaster(5, verbose=False).fit(make_grid(200, stamps=stamps(200, "6h", "360_day")))
    assert any("'360_day' has dates of its own, so no calendar inputs" in note for note in model.notes_)
    assert choose_cycles(read_table(make_grid(200, stamps=stamps(200, "6h", "360_day"))).timeline, 200) == ()


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_batch_and_stream_agree(calendar):
    grid = make_grid(300, stamps=stamps(300, "6h", calendar))
    model = MambaForecaster(
        5, d_model=8, n_layers=1, patch_length=4, max_steps=2, learning_rate=1e-3, verbose=False
    ).fit(grid)
    for start in (280, 0):
        stream = model.stream(grid.isel(time=slice(start)))
        for row in range(start, 300):
            stream.update(grid.isel(time=row))
        np.testing.assert_allclose(stream.predict(), model.predict(), rtol=2e-6)
    with pytest.raises(StreamError, match="off the frequency '6h'"):
        stream.update(grid.isel(time=0, drop=True), grid.indexes["time"][-1] + dt.timedelta(hours=1))


def test_a_saved_stream_goes_on(tmp_path):
    grid = make_grid(300, stamps=stamps(300, "D", "360_day"))
    model = LinearForecaster(5, verbose=False).fit(grid.isel(time=slice(200)))
    model.stream().save(tmp_path / "stream")
    stream = tsssm.load(tmp_path / "stream")
    stream.update(grid.isel(time=200))
    np.testing.assert_allclose(stream.predict(), model.predict(grid.isel(time=slice(201))), rtol=2e-6)
    model.stream(grid.isel(time=slice(0))).save(tmp_path / "cold")
    cold = tsssm.load(tmp_path / "cold")
    cold.update(grid.isel(time=0))
    assert cold.last_time == grid.indexes["time"][0]


def test_another_calendar_is_refused():
    model = LinearForecaster(5, verbose=False).fit(make_grid(60, stamps=stamps(60, "D", "noleap")))
    with pytest.raises(
        DataError,
        match=r"dates of the calendar 360_day as stamps, .* fitted on dates of the calendar noleap.*convert_calendar",
    ):
        model.predict(make_grid(60, stamps=stamps(60, "D", "360_day")))
    with pytest.raises(DataError, match="datetimes without a zone as stamps"):
        model.predict(make_grid(60, stamps=pd.date_range("2000-01-01", periods=60)))


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_plots(calendar):
    import matplotlib.pyplot as plt

    grid = make_grid(60, stamps=stamps(60, "D", calendar))
    model = LinearForecaster(5, verbose=False).fit(grid.isel(time=slice(50)))
    assert model.plot(actual=grid).lines
    assert model.backtest(grid, n_windows=2).plot().lines
    plt.close("all")
    ends = drawable(grid.indexes["time"][[0, -1]])
    assert ends[0] < ends[1]
