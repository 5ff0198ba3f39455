"""`tune` keeps its contract: what is tried, what is counted, what comes out, what is left as it was."""

from __future__ import annotations

import math
import random
import signal

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from sklearn.base import clone

from tsssm import LinearForecaster, Training
from tsssm.errors import ConfigError, DataError
from tuning.small_search import SPACE, Y, search, small_model, without_times


def test_the_first_trial_is_the_model_as_given():
    model = small_model(learning_rate="auto", dropout=0.1)
    before = model.get_params(deep=False)
    trials = search(model, n_trials=2).trials
    assert trials["given"].tolist() == [True, False]
    assert trials.loc[0, list(SPACE)].to_dict() == {"learning_rate": "auto", "d_model": 8, "dropout": 0.1}
    assert trials["score"][0] == clone(model).fit(Y).validation_["mase"]["both"]
    assert model.get_params(deep=False) == before
    assert not hasattr(model, "model_")


def test_the_best_model_is_a_fit_with_the_best_settings():
    training = Training(weight_decay=0.1)
    result = search(small_model(training=training, max_steps=5), n_trials=6)
    complete = result.trials[result.trials["state"] == "complete"]
    best = complete["score"].astype(float).idxmin()
    assert result.best_params == result.trials.loc[best, list(SPACE)].to_dict()
    assert list(result.best_params) == list(SPACE)
    again = clone(small_model(training=training, max_steps=5)).set_params(**result.best_params).fit(Y)
    np.testing.assert_array_equal(result.best_model.predict(), again.predict())
    assert result.best_model.get_params(deep=False) == again.get_params(deep=False)  # no callback of the search is left
    assert again.validation_["mase"]["both"] == complete["score"][best]
    assert best != 0, "the search should find something better than three steps at 2e-3"


def test_the_best_is_the_model_as_given_where_nothing_is_better():
    result = search(small_model(learning_rate=0.05, max_steps=5), space={"learning_rate": [0.05, 1e-9]}, n_trials=3)
    assert result.best_params == {"learning_rate": 0.05}
    assert result.trials["score"].min() == result.trials["score"][0]


def test_the_study_holds_what_the_result_says():
    result = search()
    assert result.study.best_value == result.trials["score"].min()
    for number, row in result.trials[~result.trials["given"]].iterrows():
        assert result.study.trials[number].params == row[list(SPACE)].to_dict()


def test_metrics():
    by_mae = search(metric="mae")
    assert by_mae.best_model.validation_["mae"]["both"] == by_mae.trials["score"].min()

    def negative_steps(model):
        return -len(model.history_)

    longest = search(space={"max_steps": (2, 4)}, metric=negative_steps, n_trials=5)
    assert longest.metric == "negative_steps"
    assert longest.best_params == {"max_steps": int(longest.trials["max_steps"].max())}
    assert longest.trials["score"].min() == -longest.best_params["max_steps"]


def test_frames_and_covariates():
    index = pd.date_range("2024-01-01", periods=len(Y) + 6, freq="h")
    y = pd.DataFrame({"a": Y, "b": -Y}, index[: len(Y)])
    X = pd.DataFrame({"price": np.arange(len(index)) % 5.0}, index)
    forecast = search(y=y, X=X).best_model.predict()
    assert list(forecast.columns) == ["a", "b"]
    assert list(forecast.index) == list(index[-6:])


def test_a_forecaster_without_a_network_needs_a_space():
    linear = LinearForecaster(6, patch_length=12, verbose=False)
    with pytest.raises(ConfigError, match="LinearForecaster has no network and so no default space"):
        search(linear, space=None)
    result = search(linear, space={"patch_length": [6, 12, 24]}, n_trials=4)
    assert (result.trials["state"] == "complete").all()
    assert result.best_model.model_.spec.patch_length == result.best_params["patch_length"]


# -- failures and interruptions ----------------------------------------------------------------------------------------


def test_a_failed_trial_is_recorded_with_its_reason_and_the_search_goes_on():
    result = search(space={"patch_length": [12, 500]}, n_trials=6)
    failed = result.trials["patch_length"] == 500
    assert 0 < failed.sum() < 5
    assert (result.trials.loc[failed, "state"] == "failed").all()
    assert result.trials.loc[failed, "score"].isna().all()
    assert result.trials.loc[failed, "failure"].str.startswith("DataError: y needs 501 rows").all()
    assert (result.trials.loc[~failed, "state"] == "complete").all()
    assert result.trials.loc[~failed, "failure"].isna().all()
    assert result.best_params == {"patch_length": 12}


def test_a_diverged_trial_is_a_failed_one():
    result = search(space={"learning_rate": [1e-2, 1e30]}, n_trials=5)
    failed = result.trials["state"] == "failed"
    assert failed.any()
    assert failed.equals(result.trials["learning_rate"] == 1e30)
    assert result.trials.loc[failed, "failure"].str.contains("training diverged").all()


def test_all_trials_failing_is_a_plain_error():
    asked = []

    def nonsense(model):
        asked.append(model)
        return math.nan

    with pytest.raises(ConfigError, match=r"none of 3 trials is complete.*nonsense is nan, not a finite") as caught:
        search(metric=nonsense)
    assert len(asked) == 3
    assert isinstance(caught.value.__cause__, ConfigError)


@pytest.mark.parametrize(("y", "validation_size"), [(Y, 0), (Y[:17], "auto"), (np.append(Y, np.full(30, np.nan)), 30)])
def test_without_a_validation_part_there_is_nothing_to_compare_by(y, validation_size):
    model = small_model(validation_size=validation_size, patch_length=6)
    with pytest.raises(DataError, match="there is none: no series is long enough to spare one, or nothing is observed"):
        search(model, y)

    def steps(model):
        return len(model.history_)

    assert (search(model, y, metric=steps, n_trials=2).trials["state"] == "complete").all()


@pytest.mark.filterwarnings("error")
def test_data_that_the_model_cannot_be_fitted_on_are_refused_at_once():
    storage = optuna.storages.InMemoryStorage()
    repeats = np.tile(np.arange(12.0), 20)  # its seasonal naive error is 0
    for _ in range(2):  # what failed so is not resumed from
        with pytest.raises(DataError, match=r'MASE has no value here.* Pass metric="mae"'):
            search(small_model(season_length=12), repeats, storage=storage, n_trials=5)
    (study,) = optuna.get_all_study_summaries(storage)
    assert study.n_trials == 2
    assert (search(small_model(season_length=12), repeats, metric="mae").trials["state"] == "complete").all()


class StopInFit(Callback):
    """Ctrl-C in the second step of the n-th fit. Class attributes: each trial has its own copy."""

    nth, fits = 0, 0

    def on_train_start(self, *_):
        StopInFit.fits += 1

    def on_train_batch_start(self, trainer, module, *_):
        if StopInFit.fits == StopInFit.nth and module.step == 1:
            signal.raise_signal(signal.SIGINT)


def interrupted_model(monkeypatch, nth):
    monkeypatch.setattr(StopInFit, "nth", nth)
    monkeypatch.setattr(StopInFit, "fits", 0)
    return small_model(training=Training(callbacks=(StopInFit(),)))


def test_ctrl_c_returns_the_best_so_far_and_the_search_can_go_on(monkeypatch, tmp_path):
    model = interrupted_model(monkeypatch, nth=3)
    result = search(model, n_trials=5, storage=tmp_path / "study.journal")
    assert result.interrupted
    assert "Ctrl-C ended the search early" in result.summary()
    assert result.trials["state"].tolist() == ["complete", "complete", "unfinished"]
    assert result.trials["score"].isna().tolist() == [False, False, True]
    assert result.best_model.validation_["mase"]["both"] == result.trials["score"].min()
    assert len(result.best_model.predict()) == 6

    result = search(model, n_trials=5, storage=tmp_path / "study.journal")
    assert not result.interrupted
    assert result.trials["state"].value_counts().to_dict() == {"complete": 5, "unfinished": 1}


def test_ctrl_c_before_any_result_reaches_the_caller(monkeypatch, tmp_path):
    model = interrupted_model(monkeypatch, nth=1)
    with pytest.raises(KeyboardInterrupt):
        search(model, storage=tmp_path / "study.journal")
    trials = search(model, storage=tmp_path / "study.journal").trials
    assert trials["given"].tolist() == [True, True, False, False]  # what was cut off is tried again
    assert trials["state"].tolist() == ["unfinished", "complete", "complete", "complete"]


def test_a_time_budget_ends_the_search_after_a_complete_trial():
    assert len(search(time_budget=1e-9, n_trials=50).trials) == 1


# -- what a search leaves alone ----------------------------------------------------------------------------------------


def test_the_same_random_state_repeats_the_search():
    first, second = (search(n_trials=4) for _ in range(2))
    pd.testing.assert_frame_equal(without_times(first.trials), without_times(second.trials))
    np.testing.assert_array_equal(first.best_model.predict(), second.best_model.predict())
    other = search(small_model(random_state=1), n_trials=4)
    assert not set(first.trials["dropout"][1:]) & set(other.trials["dropout"][1:])


def test_global_state_is_left_as_it_was():
    optuna.logging.set_verbosity(optuna.logging.INFO)
    states = lambda: (random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist())  # noqa: E731, NPY002
    before = states()
    search()
    assert states() == before
    assert optuna.logging.get_verbosity() == optuna.logging.INFO


def test_silent_unless_verbose(capfd):
    search()
    assert capfd.readouterr() == ("", "")
    search(small_model(verbose=True))
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("tune: trial 0 (1 of 3), learning_rate=auto, d_model=8, dropout=0.2: mase ")


def test_checkpoints_of_the_model_are_not_shared_by_trials(tmp_path):
    model = small_model(training=Training(checkpoint_dir=tmp_path / "checkpoints", checkpoint_every=1))
    result = search(model)
    assert not (tmp_path / "checkpoints").exists()
    assert result.best_model.training == model.training
