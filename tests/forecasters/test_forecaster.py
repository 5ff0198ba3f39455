import copy
import logging
import os
import pickle
import random
import subprocess
import sys
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from small_models import make_frame, randomise
from tsssm import Forecaster, LinearForecaster, MambaForecaster, SeasonalNaive
from tsssm.errors import ConfigError

HOURS = pd.date_range("2024-01-01", periods=400, freq="h", name="when")
WAVE = pd.Series(10 + np.sin(np.arange(400) * 2 * np.pi / 24), HOURS, name="load")
SMALL = {"d_model": 8, "n_layers": 2, "max_steps": 2, "verbose": False}


def test_forecasts_come_back_as_what_y_was():
    frame = pd.DataFrame({"b": WAVE, "a": 2 * WAVE.astype("float32")})
    frame.columns.name = "meter"
    model = LinearForecaster(4, verbose=False)
    point = model.fit(frame).predict()
    assert list(point.columns) == ["b", "a"]
    assert point.columns.name == "meter"
    assert point.index.name == "when"
    assert point.dtypes.tolist() == ["float64", "float32"]
    pd.testing.assert_index_equal(point.index, pd.date_range(HOURS[-1] + HOURS.freq, periods=4, freq="h", name="when"))
    quantiles = model.predict_quantiles(levels=[0.1, 0.5])
    assert quantiles.columns.tolist() == [("b", 0.1), ("b", 0.5), ("a", 0.1), ("a", 0.5)]
    pd.testing.assert_series_equal(quantiles["b", 0.5], point["b"], check_names=False)
    series = LinearForecaster(4, verbose=False).fit(WAVE)
    assert series.predict().name == "load"
    assert series.predict_quantiles().columns.tolist() == [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    assert series.predict_interval(coverage=0.5).columns.tolist() == ["lower", "upper"]
    array = LinearForecaster(4, verbose=False).fit(frame.to_numpy())
    assert array.predict().shape == (4, 2)
    assert array.predict_quantiles().shape == (4, 2, 7)
    assert LinearForecaster(4, verbose=False).fit(WAVE.to_numpy()).predict_interval().shape == (4, 2)


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2024-03-30", periods=200, freq="h", tz="Europe/Berlin"),  # over the change of clocks
        pd.period_range("1990-01", periods=200, freq="M"),
        pd.date_range("1700-01-01", periods=200, freq="D", unit="s"),
        pd.RangeIndex(5, 405, 2),
        pd.date_range("2020-01-01", periods=200, freq="MS"),
    ],
    ids=["zone", "period", "seconds", "integer", "months"],
)
def test_every_kind_of_index(index):
    y = pd.Series(np.arange(200.0), index)
    model = Forecaster(3, **SMALL).fit(y.iloc[:190])
    forecast = model.predict()
    assert forecast.index.equals(index[190:193])
    assert forecast.index.dtype == index.dtype
    stream = model.stream()
    stream.update(190.0, index[190])
    assert stream.predict().index.equals(index[191:194])
    np.testing.assert_allclose(stream.predict(), model.predict(y.iloc[:191]), rtol=1e-5)


def test_horizon_shorter_than_trained_is_the_beginning():
    model = LinearForecaster(6, verbose=False).fit(WAVE)
    pd.testing.assert_series_equal(model.predict(horizon=2), model.predict().iloc[:2])


def test_any_history_is_served():
    model = randomise(Forecaster(5, **SMALL).fit(WAVE))
    for rows in (1, 2, 23, 24, 25):
        forecast = model.predict_quantiles(WAVE.iloc[:rows])
        assert np.isfinite(forecast.to_numpy()).all()
        assert (np.diff(forecast.to_numpy(), axis=1) >= 0).all()
    holed = WAVE.copy()
    holed.iloc[50:] = np.nan  # nothing observed for longer than the base looks back on
    assert np.isfinite(model.predict(holed)).all()


def test_other_columns_than_in_fit_are_served_and_do_not_disturb_one_another():
    frame = make_frame().ffill().bfill()
    model = randomise(Forecaster(5, **SMALL).fit(frame[["a", "b"]]))
    both, unseen = model.predict(frame[["b", "a"]]), model.predict(frame[["c"]])
    np.testing.assert_allclose(both["a"], model.predict(frame[["a"]])["a"], rtol=1e-6)
    np.testing.assert_allclose(model.predict(frame)[["c"]], unseen, rtol=1e-4)


def test_the_order_of_columns_does_not_matter():
    frame = make_frame(400).ffill().bfill()[["a", "c"]]
    one, two = LinearForecaster(5, verbose=False), LinearForecaster(5, verbose=False)
    pd.testing.assert_frame_equal(
        one.fit(frame).predict_quantiles()["a"], two.fit(frame[["c", "a"]]).predict_quantiles()["a"], rtol=1e-6
    )


def test_padding_leading_nan_and_a_later_start_are_one_case():
    model = randomise(Forecaster(5, **SMALL).fit(WAVE))
    padded = WAVE.copy()
    padded.iloc[:137] = np.nan
    np.testing.assert_allclose(model.predict(padded), model.predict(WAVE.iloc[137:]), rtol=1e-12)


def test_the_past_alone_decides():
    """Rows after a cutoff change nothing before it."""
    frame = make_frame().ffill().bfill()[["a"]]
    model = randomise(Forecaster(5, patch_length=6, **SMALL).fit(frame.iloc[:300]))
    changed = frame.copy()
    changed.iloc[600:] = changed.iloc[600:] * 3 + 7
    one = model.backtest(frame.iloc[:605], n_windows=30, step=3).forecasts
    two = model.backtest(changed.iloc[:605], n_windows=30, step=3).forecasts
    pd.testing.assert_frame_equal(one.drop(columns="y"), two.drop(columns="y"))


def test_small_steps_on_a_huge_level_are_not_lost():
    y = 1e12 + WAVE
    model = LinearForecaster(24, verbose=False).fit(y.iloc[:-24])
    np.testing.assert_allclose(model.predict() - 1e12, WAVE.iloc[-24:], atol=0.05)


@pytest.mark.parametrize("first", [0.0, 1e12])
def test_a_first_value_far_from_the_level_takes_no_digits(first):
    y = 1e8 + WAVE
    y.iloc[0] = first
    model = LinearForecaster(24, verbose=False).fit(1e8 + WAVE.iloc[:-24])
    np.testing.assert_allclose(model.predict(y.iloc[:-24]) - 1e8, WAVE.iloc[-24:], atol=0.05)


def test_a_constant_covariate_that_moves_does_not_explode():
    x = pd.DataFrame({"price": np.full(424, 0.1)}, pd.date_range(HOURS[0], periods=424, freq="h"))
    model = randomise(Forecaster(5, **SMALL).fit(WAVE.iloc[:150], x.iloc[:150]))
    moved = model.predict(X=x.iloc[150:] + 0.1)
    assert np.abs(moved - WAVE.mean()).max() < 50


def test_a_series_that_was_constant_in_training_does_not_widen_the_others():
    frame = pd.DataFrame({"a": WAVE + np.random.default_rng(0).normal(size=400) / 10})
    both = frame.assign(b=np.where(np.arange(400) < 370, 5.0, 6.0))
    settings = {"quantiles": (0.1, 0.5, 0.9), **SMALL}
    for forecaster in (LinearForecaster, MambaForecaster):
        alone, beside = (forecaster(5, **settings).fit(y).predict_interval(coverage=0.8) for y in (frame, both))
        width, widened = np.diff(alone.to_numpy()).mean(), np.diff(beside["a"].to_numpy()).mean()
        assert widened < (3 if forecaster is LinearForecaster else 1.5) * width


def test_a_validation_part_without_observations_is_said():
    y = WAVE.copy()
    y.iloc[-40:] = np.nan
    for forecaster in (LinearForecaster(3, verbose=False), MambaForecaster(3, **SMALL)):
        model = forecaster.fit(y)
        assert "nothing is observed in it" in model.notes_[0]
        interval = model.predict_interval()
        assert (interval["upper"] > interval["lower"]).all()


def test_divergence_is_told():
    with pytest.raises(ConfigError, match="training diverged"):
        MambaForecaster(3, **{**SMALL, "max_steps": 5}, learning_rate=1e30).fit(WAVE)


def test_fits_in_threads_repeat_and_leave_the_process_as_it_was():
    expected = MambaForecaster(4, **SMALL).fit(WAVE).predict()
    before, filters, results = torch.get_rng_state(), list(warnings.filters), []
    threads = [
        threading.Thread(target=lambda: results.append(MambaForecaster(4, **SMALL).fit(WAVE).predict()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        pd.testing.assert_series_equal(result, expected)
    assert torch.equal(torch.get_rng_state(), before)
    assert list(warnings.filters) == filters


def test_torch_settings_of_the_caller_do_not_matter():
    expected = MambaForecaster(4, **SMALL).fit(WAVE).predict()
    torch.set_default_dtype(torch.float64)
    try:
        model = MambaForecaster(4, **SMALL).fit(WAVE)  # its weights are drawn differently
        assert np.isfinite(model.predict()).all()
        assert next(model.model_.network.parameters()).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.inference_mode():
        pd.testing.assert_series_equal(MambaForecaster(4, **SMALL).fit(WAVE).predict(), expected)


def test_twenty_rows_train():
    y = pd.Series(np.arange(20.0) % 5, pd.date_range("2024-01-01", periods=20, freq="D"))
    model = MambaForecaster(3, **SMALL).fit(y)
    assert np.isfinite(model.predict()).all()
    assert len(model.validation_) == 3


def test_too_short_for_a_validation_part_is_said():
    model = LinearForecaster(10, verbose=False).fit(np.arange(25.0))
    assert "spare a validation part" in model.notes_[0]
    assert "spare a validation part" in str(model.summary())
    assert np.isfinite(model.predict_interval()).all()


def test_short_series_of_a_panel_help_as_far_as_they_go():
    frame = make_frame(300).ffill().bfill()
    frame.iloc[:290, 1] = np.nan
    model = MambaForecaster(12, **SMALL).fit(frame)
    assert np.isfinite(model.predict().to_numpy()).all()


def test_scikit_learn_keeps_its_promises():
    model = MambaForecaster(4, d_model=8, quantiles=[0.1, 0.9])
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert copied.quantiles is not None
    assert clone(model.set_params(dropout=0.1)).dropout == 0.1
    fits = []
    for point in ParameterGrid({"patch_length": [6, 12], "dropout": [0.0]}):
        fits.append(clone(model).set_params(**SMALL, **point).fit(WAVE))
    assert [fitted.model_.spec.patch_length for fitted in fits] == [6, 12]
    assert "MambaForecaster" in fits[0]._repr_html_()
    assert "horizon=4" in repr(fits[0])


def test_fit_repeats_to_the_bit_and_leaves_the_process_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("lightning.pytorch")
    MambaForecaster(4, **SMALL).fit(WAVE)  # Lightning's own import is not ours
    level, environment, filters = logger.level, dict(os.environ), list(warnings.filters)
    torch.manual_seed(5)
    random.seed(5)
    before = torch.get_rng_state(), random.getstate()
    one = MambaForecaster(4, **SMALL).fit(WAVE)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert (logger.level, dict(os.environ), list(warnings.filters)) == (level, environment, filters)
    two = MambaForecaster(4, **SMALL).fit(WAVE)
    for a, b in zip(one.model_.network.parameters(), two.model_.network.parameters()):
        assert torch.equal(a, b)
    other = MambaForecaster(4, random_state=1, **SMALL).fit(WAVE)
    assert not torch.equal(next(one.model_.network.parameters()), next(other.model_.network.parameters()))
    assert os.listdir(tmp_path) == []  # no lightning_logs, no checkpoints


def test_silence(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MambaForecaster(4, **SMALL).fit(WAVE)
    assert capfd.readouterr() == ("", "")


def test_y_is_left_as_it_was():
    y, frame = WAVE.copy(), make_frame(200)
    before = y.copy(), frame.copy()
    LinearForecaster(3, gaps="mask", verbose=False).fit(y).predict(frame["a"].rename("load"))
    pd.testing.assert_series_equal(y, before[0])
    pd.testing.assert_frame_equal(frame, before[1])


def test_known_future_covariates_are_used():
    """The target is a covariate of the same step; only a forecaster that sees the future row can know it."""
    x = pd.Series(
        np.random.default_rng(0).choice([0.0, 1.0], 624),
        pd.date_range("2024-01-01", periods=624, freq="h"),
        name="promotion",
    )
    y = (5 + 3 * x).iloc[:600].rename("sales")
    settings = {"d_model": 16, "n_layers": 2, "max_steps": 150, "learning_rate": 1e-2, "dropout": 0.0, "base": None}
    model = MambaForecaster(24, patch_length=12, calendar=None, verbose=False, **settings).fit(y, x)
    error = np.abs(model.predict().to_numpy() - (5 + 3 * x.iloc[600:]).to_numpy()).mean()
    assert error < 0.3  # without the covariate no forecast has less than 1.5 on average


def test_rows_of_x_that_a_mask_inserted_need_not_be_given():
    x = pd.DataFrame({"price": np.arange(430.0)}, pd.date_range("2024-01-01", periods=430, freq="h"))
    holes = WAVE.index[[50, 51, 200]]
    model = randomise(Forecaster(5, gaps="mask", **SMALL).fit(WAVE.drop(holes), x.drop(holes)))
    np.testing.assert_allclose(model.predict(WAVE.drop(holes), x), model.predict(WAVE.drop(holes), x.drop(holes)))


def test_pickle_and_deepcopy_keep_the_forecasts():
    model = randomise(Forecaster(5, **SMALL).fit(WAVE))
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        pd.testing.assert_frame_equal(other.predict_quantiles(), model.predict_quantiles())
    text = str(pickle.dumps(model))
    assert "lightning" not in text


def test_threads_predict_the_same_numbers():
    model = randomise(Forecaster(5, **SMALL).fit(WAVE))
    expected, results = model.predict(), []
    threads = [threading.Thread(target=lambda: results.append(model.predict())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for result in results:
        pd.testing.assert_series_equal(result, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_predicts():
    code = """
import os, numpy as np, torch
from tsssm import MambaForecaster
model = MambaForecaster(4, d_model=8, n_layers=1, max_steps=2, verbose=False).fit(np.sin(np.arange(400.0)))
torch.randn(1000, 1000) @ torch.randn(1000, 1000)
expected = model.predict()
child = os.fork()
if child == 0:
    os._exit(0 if np.allclose(model.predict(), expected) else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0


def test_summary_tells_the_facts():
    model = MambaForecaster(4, **SMALL).fit(WAVE)
    text = str(model.summary())
    for fact in (
        f"{model.n_parameters_:,}",
        f"{model.state_bytes():,} bytes",
        f"{model.state_bytes('patch'):,}",
        "2 steps",
        str(model.training_end_),
        "network",
    ):
        assert fact in text
    assert model.n_parameters_ == sum(p.numel() for p in model.model_.network.parameters())


def test_validation_errors_are_those_of_the_forecasts():
    """Mean absolute error over every target of the validation part, from every cutoff that reaches it."""
    model = SeasonalNaive(3, season_length=24, validation_size=40, verbose=False).fit(WAVE + np.arange(400) / 10)
    y = (WAVE + np.arange(400) / 10).to_numpy()
    errors = []
    for cutoff in range(400 - 40 - 2, 400):
        forecast = y[cutoff - 24 : cutoff - 21]
        actual = y[cutoff : cutoff + 3]
        steps = np.arange(cutoff, cutoff + len(actual))
        errors += list(np.abs(actual - forecast[: len(actual)])[steps >= 360])
    assert model.validation_.loc["base", "mae"] == pytest.approx(np.mean(errors), rel=1e-4)


def test_plot_draws_history_forecast_and_actuals():
    model = LinearForecaster(24, verbose=False).fit(WAVE.iloc[:-24])
    ax = model.plot(actual=WAVE)
    drawn = [line.get_ydata() for line in ax.lines]
    assert any(len(data) >= 24 and np.allclose(data[-24:], WAVE.iloc[-24:]) for data in drawn)
    assert any(len(data) in (24, 25) and np.allclose(data[-24:], model.predict()) for data in drawn)
    import matplotlib.pyplot as plt

    plt.close(ax.figure)
