"""What a space may hold, and what the default one does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from tsssm import HybridForecaster, MambaForecaster, SeasonalNaive, TransformerForecaster, tune
from tsssm.errors import ConfigError, DataError
from tsssm.tuning import default_space
from tsssm.tuning.space import fitting_settings, read_space
from tuning.small_search import Y, search, small_model


def hourly(rows):
    return pd.Series(np.random.default_rng(0).normal(size=rows), pd.date_range("2024-01-01", periods=rows, freq="h"))


@pytest.mark.parametrize("rows", [300, 1000, 3000])
def test_contexts_of_the_default_space_are_what_a_fit_takes(rows):
    model, y = MambaForecaster(24, max_steps=1, d_model=8, n_layers=1, verbose=False), hourly(rows)
    contexts = default_space(model, y).get("context_length", [])
    assert contexts == {300: [], 1000: [360, 720], 3000: [360, 720, 1440]}[rows]
    for context in contexts[-1:]:
        assert clone(model).set_params(context_length=context).fit(y).model_.spec.context_length == context


def test_late_series_count_from_their_first_observation():
    y = hourly(3000)
    y.iloc[:2200] = np.nan
    assert default_space(MambaForecaster(24), y)["context_length"] == [360, 720]


@pytest.mark.parametrize("forecaster", [MambaForecaster, TransformerForecaster])
def test_both_ends_of_the_default_space_can_be_fitted(forecaster):
    model = forecaster(6, patch_length=12, verbose=False)
    space = default_space(model, Y) | {"max_steps": (1, 1)}
    for end in (0, -1):
        settings = {
            name: values[end] if isinstance(values, list) else values[:2][end] for name, values in space.items()
        }
        fitted = clone(model).set_params(**settings).fit(Y)
        assert np.isfinite(fitted.validation_["mase"]["both"])


def test_the_default_space_is_used_and_holds_the_defaults():
    model = MambaForecaster(24)
    space = read_space(default_space(model, hourly(3000)))
    assert space.params(space.own(model)) == {"d_model": 64, "n_layers": 2, "dropout": 0.2}
    trials = tune(small_model(), Y, n_trials=1).trials
    assert set(default_space(small_model(), Y)) <= set(trials.columns)


def test_default_space_refusals():
    with pytest.raises(ConfigError, match="SeasonalNaive has no network"):
        default_space(SeasonalNaive(6), Y)
    with pytest.raises(DataError, match="needs 25 rows"):
        default_space(MambaForecaster(6, patch_length=24), Y[:20])


def test_draws_are_of_the_kind_that_was_asked_for():
    space = {"n_layers": (1, 2), "batch_size": (4, 9, "log"), "dropout": (0, 0.5), "base": ["ridge", None]}
    trials = search(space=space, n_trials=6).trials[1:]
    assert trials["n_layers"].isin([1, 2]).all()
    assert trials["batch_size"].between(4, 9).all()
    assert all(isinstance(value, int) for column in ("n_layers", "batch_size") for value in trials[column].tolist())
    assert trials["dropout"].between(0, 0.5).all()
    assert trials["dropout"].nunique() > 1
    assert set(trials["base"].dropna()) == {"ridge"}
    assert trials["base"].isna().any()


def test_choices_may_be_any_setting(tmp_path):
    choices = [None, {"state_size": 4}, {"state_size": 8}]
    space, journal = {"mixer_settings": choices, "learning_rate": [0.001, 0.05]}, tmp_path / "study.journal"
    search(small_model(max_steps=5), space=space, n_trials=6, storage=journal)
    result = search(small_model(max_steps=5), space=space, n_trials=6, storage=journal)  # read back from the file
    assert all(any(value == choice for choice in choices) for value in result.trials["mixer_settings"])
    assert result.best_model.mixer_settings == result.best_params["mixer_settings"]
    assert result.trials["mixer_settings"].map(repr).nunique() > 1


def test_mixers_and_their_settings(tmp_path):
    space = {
        "mixer": ["mamba", "mlp", "mamba+attention"],
        "mixer__state_size": (2, 8),
        "mixer__attention__n_heads": [1, 2],
    }
    model, journal = small_model(n_layers="auto", mixer_settings={"expand": 1}, max_steps=1), tmp_path / "journal"
    search(model, space=space, n_trials=5, storage=journal)
    result = search(model, space=space, n_trials=8, storage=journal)  # read back from the file
    trials = result.trials[1:]
    assert set(trials["mixer"]) == set(space["mixer"])
    of_mamba, of_attention = trials["mixer"] != "mlp", trials["mixer"] == "mamba+attention"
    assert (trials["state"] == "complete").all()  # an MLP has no `expand`, which the model has been given
    assert trials["mixer__state_size"].notna().tolist() == of_mamba.tolist()
    assert trials["mixer__attention__n_heads"].notna().tolist() == of_attention.tolist()
    best = result.best_params
    settings = {n.removeprefix("mixer__"): value for n, value in best.items() if n.startswith("mixer__")}
    own = {} if best["mixer"] == "mlp" else {"expand": 1}
    assert (result.best_model.mixer_settings or {}) == own | settings


def test_the_default_depths_of_a_pattern_are_whole_patterns():
    assert default_space(HybridForecaster(6), Y)["n_layers"] == [2, 4]
    assert default_space(MambaForecaster(6, mixer="mamba*2+attention", n_layers=6), Y)["n_layers"] == [3, 6]
    assert default_space(MambaForecaster(6, n_layers=5), Y)["n_layers"] == (1, 3)


def test_layers_of_a_trial_are_whole_patterns():
    """The default space is that of the model's mixer, of which a pattern need not be a part."""
    model = small_model(n_layers="auto", max_steps=1)
    space = default_space(model, Y) | {"mixer": ["mamba*2+attention", "mlp"], "max_steps": [1], "d_model": [8]}
    assert space["n_layers"] == (1, 3)
    result = search(model, space=space, n_trials=7)
    trials = result.trials[1:]
    assert (trials["state"] == "complete").all()
    patterns = trials["mixer"] != "mlp"
    assert set(trials["n_layers"][patterns]) == {3}
    assert trials["n_layers"][~patterns].between(1, 3).all()
    best = clone(model).set_params(**result.best_params)
    assert len(best._checked_stack()) == result.best_params["n_layers"]


@pytest.mark.parametrize(("mixer", "drawn", "taken"), [("mlp", 5, 5), ("mamba*2+attention", 2, 3), (["mlp"] * 2, 7, 6)])
def test_whole_patterns(mixer, drawn, taken):
    assert fitting_settings(small_model(), {"mixer": mixer, "n_layers": drawn})["n_layers"] == taken
    assert fitting_settings(small_model(), {"mixer": mixer, "n_layers": "auto"})["n_layers"] == "auto"


REFUSED = {
    "no dict": ([("dropout", (0, 1))], "space must be a dict of settings"),
    "empty": ({}, "space must be a dict of settings"),
    "unknown": ({"width": [8]}, "space names 'width', which is no setting; there are base, batch_size"),
    "of no mixer": ({"mixer__window": [8]}, "'mixer__window', which is no setting of the mixers; .*mixer__state_size"),
    "two alike": ({"d_model": [8, 16, 8]}, r"space\['d_model'\] has two choices that read the same"),
    "no name": ({8: [8]}, "space names 8, which is no setting"),
    "of no such mixer": (
        {"mixer": ["mlp", "nothing"], "mixer__mamba__state_size": [8]},
        "no setting of the mixers; there are mixer__width, mixer__mlp__width$",
    ),
    "fixed": ({"horizon": [6, 12]}, "space names 'horizon', which changes what the error measures"),
    "a bare value": ({"dropout": 0.1}, r"space\['dropout'\] must be \(low, high\)"),
    "no choice": ({"dropout": []}, r"space\['dropout'\] must be \(low, high\)"),
    "four": ({"dropout": (0.1, 0.2, 0.3, 0.4)}, r"space\['dropout'\] must be \(low, high\)"),
    "no log": ({"dropout": (0.1, 0.2, "ln")}, r"space\['dropout'\] must be \(low, high\)"),
    "text": ({"dropout": ("a", "b")}, r"space\['dropout'\] must be two numbers"),
    "turned round": ({"dropout": (0.4, 0.1)}, r"two numbers, the lower one first; got \(0.4, 0.1\)"),
    "log of zero": ({"dropout": (0.0, 0.1, "log")}, "must lie above 0"),
    "beyond the setting": ({"dropout": (0.0, 1.5)}, r"space\['dropout'\]: dropout must be .* below 1; got 1.5"),
    "float for a count": ({"d_model": (8.0, 16.0)}, r"space\['d_model'\]: d_model must be an integer .* got 8.0"),
    "bad choice": ({"base": ["ridge", "trend"]}, r"space\['base'\]: base must be .* got 'trend'"),
}


@pytest.mark.parametrize(("space", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_spaces(space, message):
    with pytest.raises(ConfigError, match=message):
        search(space=space)


def test_all_faults_come_in_one_message():
    space = {"dropout": (0.4, 0.1), "width": [8], "d_model": [8, "wide"]}
    with pytest.raises(ConfigError) as caught:
        search(space=space, n_trials=0, time_budget=-1, metric="rmse")
    lines = str(caught.value).splitlines()
    assert lines[0] == "invalid search:"
    for part, line in zip(("n_trials", "time_budget", "metric", "dropout", "width", "d_model"), lines[1:], strict=True):
        assert line.startswith("- ")
        assert part in line


@pytest.mark.parametrize("n_trials", [0, -1, 1.5, True, "10", None])
def test_bad_counts(n_trials):
    with pytest.raises(ConfigError, match=f"n_trials must be an integer of at least 1; got {n_trials!r}"):
        search(n_trials=n_trials)


def test_bad_models():
    with pytest.raises(ConfigError, match="model must be a forecaster, such as MambaForecaster"):
        tune(MambaForecaster, Y)
    with pytest.raises(ConfigError, match="dropout must be a number from 0 to below 1; got 3"):
        search(small_model(dropout=3))
