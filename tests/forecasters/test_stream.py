"""A stream's forecasts are those of `predict` on the same history."""

import pickle
import threading

import numpy as np
import pandas as pd
import pytest

import tsssm
from small_models import randomise
from tsssm import Forecaster, LinearForecaster, SeasonalNaive
from tsssm.errors import ConfigError, DataError, StreamError

DEVIATION = np.array([7.0, 3.6e3, 0.1])  # of the frame's columns, roughly


def difference(stream, model, y, X=None, future=None):
    """Largest difference of all quantiles, in units of the series' deviation."""
    streamed = stream.predict_quantiles(future).to_numpy()
    batch = model.predict_quantiles(y, X).to_numpy()
    assert streamed.shape == batch.shape
    return np.abs((streamed - batch).reshape(len(batch), len(y.columns), -1) / DEVIATION[: len(y.columns), None]).max()


def follow(stream, frame, price, first, last):
    for row in range(first, last):
        stream.update(frame.iloc[row].to_numpy(), frame.index[row], price.iloc[row])


def test_equals_predict_at_every_phase(fitted, frame, price):
    stream = fitted.stream()
    for row in range(500, 520):  # more than three times the six phases
        follow(stream, frame, price, row, row + 1)
        future = price.iloc[row + 1 : row + 13]
        assert difference(stream, fitted, frame.iloc[: row + 1], price, future) < 1e-5


@pytest.mark.parametrize("history", [1, 2, 5, 6, 7, 61, 102, 103])
def test_starts_from_any_history(fitted, frame, price, history):
    short = frame[["a", "c"]].bfill()
    stream = fitted.stream(short.iloc[:history], price)
    for row in range(history, history + 8):
        assert difference(stream, fitted, short.iloc[:row], price, price.iloc[row : row + 12]) < 1e-5
        follow(stream, short, price, row, row + 1)


def test_starts_cold_with_series_that_begin_at_different_rows(fitted, frame, price):
    stream = fitted.stream(frame.iloc[:0], price)
    follow(stream, frame, price, 0, 130)  # series b begins at row 101
    assert difference(stream, fitted, frame.iloc[:130], price, price.iloc[130:142]) < 1e-5


def test_patch_mode_equals_predict_at_patch_boundaries(fitted, frame, price):
    stream = fitted.stream(refresh="patch")
    for row in range(500, 525):
        if (row - 500) % 6 == 0:
            assert difference(stream, fitted, frame.iloc[:row], price, price.iloc[row : row + 12]) < 1e-5
        else:
            assert np.isfinite(stream.predict(price.iloc[row : row + 12]).to_numpy()).all()
        follow(stream, frame, price, row, row + 1)


def test_patch_mode_speaks_on_from_the_last_boundary(fitted, frame, price):
    """j rows on: the network's part is that of the boundary, j steps along; the base is fresh."""
    stream, back = fitted.stream(refresh="patch"), 4
    boundary = fitted._forecast(frame.iloc[:500], price)[1]
    follow(stream, frame, price, 500, 500 + back)
    fresh = fitted._forecast(frame.iloc[: 500 + back], price)[1]
    point = stream.predict(price.iloc[504:516]).to_numpy().T
    expected = 0.5 * (fresh.base[:, : 12 - back] + boundary.network[:, back:])
    np.testing.assert_allclose(point[:, : 12 - back] / DEVIATION[:, None], expected / DEVIATION[:, None], atol=1e-5)
    moved = fresh.base[:, 12 - back :] + (boundary.point - boundary.base)[:, -1:]
    np.testing.assert_allclose(point[:, 12 - back :] / DEVIATION[:, None], moved / DEVIATION[:, None], atol=1e-5)


def test_patch_mode_starts_cold(fitted, frame, price):
    stream = fitted.stream(frame.iloc[:0], price, refresh="patch")
    one = frame[["a"]].iloc[200:].bfill()
    alone = fitted.stream(one.iloc[:0], price, refresh="patch")
    for row in range(7):
        alone.update(one.iloc[row].to_numpy(), one.index[row], price.iloc[200 + row])
    # boundaries are counted from the first observation, so the seventh row ends a patch
    assert difference(alone, fitted, one.iloc[:7], price.iloc[200:], price.iloc[207:219]) < 1e-5
    follow(stream, frame, price, 0, 103)
    assert np.isfinite(stream.predict(price.iloc[103:115]).to_numpy()).all()


def test_horizon_shorter_than_a_patch_in_patch_mode(frame):
    model = Forecaster(2, patch_length=6, context_length=30, d_model=8, n_layers=2, max_steps=2, verbose=False)
    y = frame["a"].ffill()
    randomise(model.fit(y.iloc[:300]))
    stream = model.stream(refresh="patch")
    for row in range(300, 312):
        stream.update(y.iloc[row])
        assert np.isfinite(stream.predict().to_numpy()).all()
    np.testing.assert_allclose(stream.predict(), model.predict(y.iloc[:312]), rtol=1e-6)


@pytest.mark.parametrize("refresh", ["step", "patch"])
def test_save_and_load_in_the_middle(fitted, frame, price, tmp_path, refresh):
    stream = fitted.stream(refresh=refresh)
    follow(stream, frame, price, 500, 507)
    stream.save(tmp_path / "stream")
    again = tsssm.load(tmp_path / "stream")
    copy = pickle.loads(pickle.dumps(stream))
    for row in range(507, 520):
        follow(stream, frame, price, row, row + 1)
        follow(again, frame, price, row, row + 1)
        follow(copy, frame, price, row, row + 1)
    future = price.iloc[520:532]
    pd.testing.assert_frame_equal(stream.predict_quantiles(future), again.predict_quantiles(future))
    pd.testing.assert_frame_equal(stream.predict_interval(future), copy.predict_interval(future))
    assert again.last_time == frame.index[519]
    assert again.state_bytes() == stream.state_bytes()


def test_a_cold_stream_is_saved_too(fitted, frame, price, tmp_path):
    fitted.stream(frame.iloc[:0], price).save(tmp_path / "cold")
    again = tsssm.load(tmp_path / "cold")
    follow(again, frame, price, 0, 110)
    assert difference(again, fitted, frame.iloc[:110], price, price.iloc[110:122]) < 1e-5


def test_skipped_rows_are_unobserved_with_gaps_masked(fitted, frame, price):
    stream = fitted.stream()
    follow(stream, frame, price, 500, 503)
    stream.update(frame.iloc[506].to_numpy(), frame.index[506], price.iloc[506])
    gappy = frame.iloc[[*range(503), 506]]
    assert difference(stream, fitted, gappy, price.iloc[[*range(503), *range(506, 520)]], price.iloc[507:519]) < 1e-5


def test_skipped_rows_are_refused_otherwise(frame):
    y = frame["a"].ffill()
    stream = LinearForecaster(4, verbose=False).fit(y.iloc[:300]).stream()
    before = stream.predict()
    with pytest.raises(StreamError, match=r"2 rows are missing before 2024-03-13 14:00:00: .* 2024-03-13 12:00:00"):
        stream.update(1.0, pd.Timestamp("2024-03-13 14:00"))
    pd.testing.assert_series_equal(stream.predict(), before)


@pytest.mark.parametrize(
    ("value", "time", "message"),
    [
        (1.0, "2024-03-13 11:00", "repeats the last stamp"),
        (1.0, "2024-03-12 11:00", "is not after the last stamp 2024-03-13 11:00:00"),
        (1.0, "2024-03-13 12:30", "off the frequency"),
        (np.inf, None, "infinite"),
        ("1.0", None, "no number"),
        (True, None, "True is no number"),
        ([1.0, 2.0], None, "needs 1 values"),
        ([[1.0]], None, "no number"),
        (1e31, None, "beyond"),
        (10**400, None, "infinite"),
        (pd.Series([1.0, 2.0], ["a", "a"]), None, "'a' is given twice"),
        (1.0, "2124-03-13 12:00", "Check the stamp"),
        ({"b": 1.0}, None, "unknown series 'b'"),
        (pd.Series([1.0], ["b"]), None, "unknown series 'b'"),
        (1.0, pd.Timestamp("2024-03-13 12:00", tz="UTC"), "zone"),
    ],
)
def test_refused_updates_leave_the_state_unchanged(frame, value, time, message):
    y = frame["a"].ffill()
    stream = LinearForecaster(4, verbose=False).fit(y.iloc[:300]).stream()
    before = stream.predict()
    with pytest.raises(StreamError, match=message):
        stream.update(value, pd.Timestamp(time) if isinstance(time, str) else time)
    pd.testing.assert_series_equal(stream.predict(), before)
    stream.update(5.0)
    assert stream.last_time == pd.Timestamp("2024-03-13 12:00")


def test_values_by_name_and_partial_rows(fitted, frame, price):
    by_name, by_order = fitted.stream(), fitted.stream()
    by_name.update({"c": 0.5, "a": 101.0}, X={"holiday": 1.0, "price": 0.3})
    by_order.update([101.0, np.nan, 0.5], X=[0.3, 1.0])
    future = price.iloc[501:513]
    pd.testing.assert_frame_equal(by_name.predict(future), by_order.predict(future))


@pytest.mark.parametrize(
    ("X", "message"),
    [(None, "needs X with price, holiday"), ({"price": 1.0}, "lacks column 'holiday'"), ([1.0, np.nan], "is NaN")],
)
def test_covariates_of_an_update_are_checked(fitted, X, message):
    with pytest.raises(StreamError, match=message):
        fitted.stream().update([1.0, 2.0, 3.0], X=X)


def test_covariates_of_another_row_are_refused(fitted, price):
    with pytest.raises(StreamError, match="X is of 2024-03-01 05:00:00, but the observation is of 2024-03-21 20:00:00"):
        fitted.stream().update([1.0, 2.0, 3.0], X=price.iloc[[5]])


def test_covariates_of_a_forecast_are_checked(fitted, price):
    stream = fitted.stream()
    with pytest.raises(DataError, match="X must give price, holiday for the 12 steps from 2024-03-21 20:00"):
        stream.predict()
    with pytest.raises(DataError, match="lacks 2 of the 12 rows"):
        stream.predict(price.iloc[500:510])


def test_nothing_is_forecast_before_the_first_observation(frame):
    y = frame["a"].ffill()
    stream = SeasonalNaive(4, season_length=24, verbose=False).fit(y.iloc[:300]).stream(y.iloc[:0])
    with pytest.raises(StreamError, match="before the first observation"):
        stream.predict()
    stream.update(np.nan, y.index[0])
    with pytest.raises(StreamError, match="none yet of series \\['a'\\]"):
        stream.predict()
    stream.update(3.0)
    np.testing.assert_array_equal(stream.predict(), [3.0] * 4)


def test_a_cold_stream_needs_the_first_stamp(frame):
    y = frame["a"].ffill()
    stream = SeasonalNaive(4, season_length=24, verbose=False).fit(y.iloc[:300]).stream(y.iloc[:0])
    with pytest.raises(StreamError, match="Give the time of the first row"):
        stream.update(1.0)


def test_patch_mode_needs_a_base(frame):
    model = Forecaster(4, base=None, d_model=8, n_layers=2, max_steps=1, verbose=False).fit(frame["a"].ffill())
    assert model.stream().predict().shape == (4,)
    with pytest.raises(ConfigError, match="base=None"):
        model.stream(refresh="patch")
    with pytest.raises(ConfigError, match='"step" or "patch"'):
        model.state_bytes("hourly")


@pytest.mark.parametrize("forecaster", [LinearForecaster, SeasonalNaive])
def test_forecasters_without_a_network_stream_too(frame, forecaster):
    y = frame.ffill().bfill()
    model = forecaster(5, verbose=False).fit(y.iloc[:400])
    stream = model.stream()
    for row in range(400, 410):
        stream.update(y.iloc[row])
        assert difference(stream, model, y.iloc[: row + 1]) < 1e-6


def test_arrays_stream_by_position():
    y = np.random.default_rng(0).normal(size=(200, 2))
    model = LinearForecaster(3, patch_length=5, verbose=False).fit(y[:150])
    stream = model.stream()
    for row in range(150, 160):
        stream.update(y[row])
    np.testing.assert_allclose(stream.predict(), model.predict(y[:160]), atol=1e-6)
    assert stream.last_time == 159
    with pytest.raises(StreamError):
        stream.update(y[0], 159)


def test_state_bytes_say_all_that_grows_with_series(fitted):
    one, stream = fitted.state_bytes(), fitted.stream()
    shared = stream._state.covariates.nbytes  # the only array that all series share
    assert stream.state_bytes() - shared == 3 * (one - shared)
    assert fitted.state_bytes("patch") < one / 2
    pickled = len(pickle.dumps(stream)) - len(pickle.dumps(stream._model))
    assert pickled < 2 * stream.state_bytes() + 60_000  # nothing of the history is hidden beside the state


def test_threads_may_share_a_stream(frame):
    y = frame["a"].ffill()
    model = LinearForecaster(4, verbose=False).fit(y.iloc[:300])
    stream = model.stream()
    threads = [threading.Thread(target=lambda: [stream.update(1.0) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stream.last_time == y.index[299] + 200 * y.index.freq
    grown = pd.concat([y.iloc[:300], pd.Series(1.0, pd.date_range(y.index[300], periods=200, freq="h"), name="a")])
    np.testing.assert_allclose(stream.predict(), model.predict(grown), rtol=1e-9)
