"""The artists of a plot carry the data given, in the form a reader expects."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.dates import num2date

from tsssm.errors import DataError
from tsssm.plotting import plot_backtest, plot_error_by_step, plot_forecast

INDEXES = {
    "hours": pd.date_range("2024-03-01", periods=40, freq="h"),
    "hours with a zone": pd.date_range("2024-10-26", periods=40, freq="h", tz="Europe/Berlin"),
    "months": pd.period_range("2020-01", periods=40, freq="M"),
    "integers": pd.RangeIndex(100, 140),
    "nanoseconds": pd.date_range("2024-03-01", periods=40, freq="D").as_unit("ns"),
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def forecast_of(index):
    """History, point, quantiles and actual on an index of 40 entries."""
    y = pd.Series(np.random.default_rng(0).normal(size=40).cumsum(), index=index, name="demand")
    history, actual = y[:30], y[30:]
    point = actual + 0.3
    quantiles = pd.DataFrame({level: point + offset for level, offset in [(0.1, -2.0), (0.25, -1.0), (0.5, 0.0)]})
    quantiles[0.75], quantiles[0.9] = point + 1.0, point + 2.0
    return history, point, quantiles, actual


def named_lines(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def bands(ax):
    return [artist for artist in ax.collections if isinstance(artist, PolyCollection)]


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_forecast_lines_and_bands_carry_the_data(index):
    history, point, quantiles, actual = forecast_of(index)
    ax = plot_forecast(history, point, quantiles, actual, title="Demand")
    ax.figure.canvas.draw()  # formatters and layout run here
    lines = named_lines(ax)
    assert list(lines) == ["history", "actual", "forecast"]
    for label, series in (("history", history), ("actual", actual), ("forecast", point)):
        np.testing.assert_array_equal(lines[label].get_ydata(), series.to_numpy())
    assert [band.get_label() for band in bands(ax)] == ["80% interval", "50% interval"]
    for band, (low, high) in zip(bands(ax), [(0.1, 0.9), (0.25, 0.75)]):
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.min() == quantiles[low].min()
        assert heights.max() == quantiles[high].max()
    assert ax.get_ylabel() == "demand"
    assert ax.get_title(loc="left") == "Demand"
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["history", "actual", "forecast", "80% interval", "50% interval"]
    assert all(label.get_text() for label in ax.get_xticklabels() if label.get_visible())


def test_inner_bands_are_darker():
    ax = plot_forecast(*forecast_of(INDEXES["hours"])[:3])
    outer, inner = (band.get_facecolor()[0, :3].mean() for band in bands(ax))
    assert inner < outer < 1.0


def test_times_are_drawn_where_they_are_and_labelled_in_their_zone():
    history, point, _, _ = forecast_of(INDEXES["hours with a zone"])
    ax = plot_forecast(history, point)
    x = named_lines(ax)["history"].get_xdata(orig=False)
    # Clocks go back in this night: the line must go on all the same.
    np.testing.assert_allclose(np.diff(x), 1.0 / 24.0, rtol=1e-6)
    assert pd.Timestamp(num2date(x[0])) == history.index[0]
    ax.figure.canvas.draw()
    assert ax.get_xlabel() == "Europe/Berlin"
    for position in ax.get_xticks():
        local = pd.Timestamp(num2date(position)).tz_convert("Europe/Berlin")
        assert local.hour % 3 == 0
        assert local.minute == 0


def test_one_step_ahead_is_visible():
    history, point, quantiles, actual = forecast_of(INDEXES["hours"])
    ax = plot_forecast(history, point[:1], quantiles[:1], actual[:1])
    assert [named_lines(ax)[label].get_marker() for label in ("forecast", "actual")] == ["o", "o"]
    spans = [artist.get_segments()[0][:, 1].tolist() for artist in ax.collections if isinstance(artist, LineCollection)]
    row = quantiles.iloc[0]
    assert spans == [[row[0.1], row[0.9]], [row[0.25], row[0.75]]]


def test_gaps_stay_gaps_and_a_level_alone_is_a_line():
    history, point, quantiles, _ = forecast_of(INDEXES["integers"])
    history.iloc[5] = np.nan
    ax = plot_forecast(history, point, quantiles[[0.1, 0.5]])
    assert np.isnan(named_lines(ax)["history"].get_ydata()[5])
    np.testing.assert_array_equal(named_lines(ax)["quantile 0.1"].get_ydata(), quantiles[0.1])
    assert bands(ax) == []


def test_given_axes_are_used_and_nothing_is_changed():
    given = forecast_of(INDEXES["hours"])
    before = [part.copy() for part in given]
    _, ax = plt.subplots()
    assert plot_forecast(*given, ax=ax) is ax
    assert len(plt.get_fignums()) == 1
    for part, copy in zip(given, before):
        assert part.equals(copy)


def test_cold_start_has_no_history():
    history, point, _, _ = forecast_of(INDEXES["hours"])
    ax = plot_forecast(history[:0], point)
    assert list(named_lines(ax)) == ["forecast"]


def test_wrong_forecasts_are_refused():
    history, point, quantiles, _ = forecast_of(INDEXES["hours"])
    with pytest.raises(DataError, match="history must be a pandas Series, not DataFrame"):
        plot_forecast(history.to_frame(), point)
    with pytest.raises(DataError, match="10 rows and point has 9"):
        plot_forecast(history, point[:9], quantiles)
    with pytest.raises(DataError, match="'upper'"):
        plot_forecast(history, point, quantiles.rename(columns={0.9: "upper"}))
    with pytest.raises(DataError, match="not Series"):
        plot_forecast(history, point, quantiles[0.5])


def windows_of(index, step=10):
    """Three windows of ten steps, `step` apart, of series a and b."""
    rows = []
    for series, size in (("a", 1.0), ("b", 100.0)):
        y = pd.Series(size * np.sin(np.arange(40.0)), index=index)
        for start in (5, 5 + step, 5 + 2 * step):
            window = y[start : start + 10]
            rows.append(
                pd.DataFrame(
                    {
                        "series": series,
                        "cutoff": index[start - 1],
                        "time": window.index,
                        "step": np.arange(1, 11),
                        "y": window.to_numpy(),
                        "point": window.to_numpy() + size * np.arange(1, 11),
                        "base": window.to_numpy() - 2.0 * size,
                        "q0.05": window.to_numpy() - size,
                        "q0.95": window.to_numpy() + 12.0 * size,
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_backtest_draws_each_window_over_the_observations(index):
    frame = windows_of(index)
    ax = plot_backtest(frame, series="b", title="Backtest")
    ax.figure.canvas.draw()
    chosen = frame[frame["series"] == "b"]
    np.testing.assert_array_equal(named_lines(ax)["actual"].get_ydata(), chosen["y"])
    points = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) == 10]
    np.testing.assert_array_equal(np.concatenate(points), chosen["point"])
    assert len(bands(ax)) == 3
    for band, (_, window) in zip(bands(ax), chosen.groupby("cutoff")):
        heights = band.get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == (window["q0.05"].min(), window["q0.95"].max())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["actual", "forecast", "90% interval"]
    assert ax.get_ylabel() == "b"


def test_backtest_with_overlapping_windows_draws_each_observation_once():
    frame = windows_of(INDEXES["hours"], step=4)
    frame = frame[frame["series"] == "a"].sample(frac=1.0, random_state=0).drop(columns=["q0.05", "q0.95"])
    ax = plot_backtest(frame)
    np.testing.assert_allclose(named_lines(ax)["actual"].get_ydata(), np.sin(np.arange(5.0, 23.0)))
    assert bands(ax) == []


def test_wrong_backtests_are_refused():
    frame = windows_of(INDEXES["hours"])
    with pytest.raises(DataError, match="2 series: name one of them, such as series='a'"):
        plot_backtest(frame)
    with pytest.raises(DataError, match=r"'c' is not in forecasts.*\['a', 'b'\]"):
        plot_backtest(frame, series="c")
    with pytest.raises(DataError, match=r"lack the columns \['cutoff'\]"):
        plot_backtest(frame.drop(columns="cutoff"), series="a")
    with pytest.raises(DataError, match="no rows"):
        plot_backtest(frame[:0])


def test_error_by_step():
    frame = windows_of(INDEXES["hours"])
    frame = frame[frame["series"] == "a"].assign(network=np.nan)
    frame.loc[frame.index[0], "y"] = np.nan  # not scored
    ax = plot_error_by_step(frame)
    ax.figure.canvas.draw()
    assert list(named_lines(ax)) == ["forecast", "base"]
    np.testing.assert_array_equal(named_lines(ax)["forecast"].get_xdata(), np.arange(1, 11))
    np.testing.assert_allclose(named_lines(ax)["forecast"].get_ydata(), np.arange(1.0, 11.0))
    np.testing.assert_allclose(named_lines(ax)["base"].get_ydata(), 2.0)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("steps ahead", "mean absolute error")
    with pytest.raises(DataError, match=r"\['step', 'point'\]"):
        plot_error_by_step(frame[["y"]])


def test_importing_the_plots_does_not_import_matplotlib():
    import subprocess
    import sys

    code = "import sys, tsssm.plotting; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
