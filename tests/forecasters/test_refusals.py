"""What is refused at the door, with messages that name the place, the value and the remedy."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

import tsssm
from tsssm import LinearForecaster, MambaForecaster, SeasonalNaive, Training
from tsssm.errors import ConfigError, DataError, NotFittedError

HOURS = pd.date_range("2024-01-01", periods=60, freq="h")
Y = pd.Series(np.sin(np.arange(60.0)), HOURS, name="load")


def linear(**settings):
    return LinearForecaster(3, verbose=False, **settings)


def with_value(value, row=7):
    y = Y.astype(object) if isinstance(value, str) else Y.copy()
    y.iloc[row] = value
    return y


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y.iloc[:0], "y is empty"),
        (with_value(np.inf), r"'load'.*inf.*2024-01-01 07:00:00"),
        (with_value(1e31), r"'load'.*1e\+31 at\s+2024-01-01 07:00:00"),
        (Y.where(Y.index == Y.index[0]), "two observed values"),
        (with_value(-np.inf), r"'load'.*-inf.*2024-01-01 07:00:00"),
        (Y.astype(str), "'load'.*text"),
        (Y > 0, "'load'.*bool"),
        (Y + 1j, "'load'.*complex"),
        (Y.set_axis(HOURS.astype(str)), r"to_datetime"),
        (Y.iloc[[0, 1, 1, 2]], r"2024-01-01 01:00:00"),
        (Y.iloc[::-1], "sort"),
        (Y.drop(HOURS[[5, 6]]), r"2 .*2024-01-01 05:00:00.*gaps=.mask"),
        (Y * np.nan, "'load'.*no observed value"),
        (Y.iloc[:1].set_axis(pd.DatetimeIndex(HOURS[:1], freq=None)), "freq="),
        (pd.DataFrame({"a": Y, "b": np.nan}), "'b'.*no observed value"),
        (pd.DataFrame({"a": Y, "b": Y.astype(str)}), "'b'"),
        (pd.DataFrame(index=HOURS), "without columns"),
        (pd.DataFrame({"unique_id": ["a"] * 60, "ds": HOURS, "y": Y.to_numpy()}), "long frames .* later version"),
        (np.zeros((2, 3, 4)), r"\(2, 3, 4\)"),
        (np.array(["1", "2"]), "text|str"),
        ([1.0, 2.0, 3.0], "list"),
        (torch.ones(5), "numpy()"),
    ],
)
def test_targets(y, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        linear().fit(y)


def test_mixed_time_zones():
    stamps = [pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-02", tz="Europe/Berlin")]
    with pytest.raises(DataError, match="zone"):
        linear().fit(pd.Series([1.0, 2.0], pd.Index(stamps, dtype=object)))


@pytest.mark.parametrize("keyword", ["X_past", "static"])
def test_what_comes_later_is_refused_by_name(keyword):
    with pytest.raises(DataError, match=f"{keyword} comes with a later version"):
        linear().fit(Y, **{keyword: Y.to_frame()})


def test_past_covariates_of_predict_come_later():
    with pytest.raises(DataError, match="X_past comes with a later version"):
        linear().fit(Y).predict(X_past=Y.to_frame())


@pytest.mark.parametrize("name", ["Columns"])
def test_later_functions_are_refused_by_name(name):
    with pytest.raises(AttributeError, match=f"{name} comes with a later version"):
        getattr(tsssm, name)


X = pd.DataFrame({"price": np.arange(70.0), "open": [True, False] * 35}, pd.date_range(HOURS[0], periods=70, freq="h"))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X.iloc[:50], r"lacks 10 of the 60 rows.*2024-01-03 02:00:00"),
        (X.iloc[3:], r"lacks 3 of the 70 rows.*2024-01-01 00:00:00"),
        (X.assign(price=X["price"].where(X["price"] != 9)), r"'price' is nan at 2024-01-01 09:00:00"),
        (X.assign(price=X["price"].where(X["price"] != 9, np.inf)), r"'price' is inf at 2024-01-01 09:00:00"),
        (X.assign(kind="a"), "'kind'.*categories come with a later version"),
        (X.to_numpy(), "without stamps"),
        (X.tz_localize("UTC"), "zone"),
        ("price", "X is a str"),
    ],
)
def test_covariates(x, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        linear().fit(Y, x)


def test_covariates_of_predict():
    small = MambaForecaster(3, d_model=8, n_layers=1, max_steps=1, verbose=False)
    model = clone(small).fit(Y, X.iloc[:61])
    with pytest.raises(DataError, match="fit's X ends 1 steps past y"):
        model.predict()
    with pytest.raises(DataError, match="X is missing: the forecaster was fitted with price, open"):
        model.predict(Y)
    with pytest.raises(DataError, match=r"lacks the columns \['open'\]"):
        model.predict(X=X[["price"]])
    with pytest.raises(DataError, match="lacks 2 of the 3 rows"):
        model.predict(X=X.iloc[:61])
    assert model.predict(X=X).index[0] == X.index[60]
    small.fit(Y)
    with pytest.raises(DataError, match="fitted without covariates"):
        small.predict(Y, X)
    with pytest.raises(DataError, match="fitted without covariates"):
        small.predict(X=X)


def test_forecasters_without_a_network_take_covariates_and_say_that_they_do_not_use_them():
    model = linear().fit(Y, X)
    assert "X (price, open) is not used" in model.notes_[0]
    pd.testing.assert_series_equal(model.predict(Y, X), linear().fit(Y).predict())
    pd.testing.assert_series_equal(model.predict(), linear().fit(Y).predict())


FAULTS = [
    ({"horizon": True}, "horizon must be an integer of at least 1; got True"),
    ({"horizon": 0}, "horizon must be an integer of at least 1; got 0"),
    ({"horizon": 2.0}, "got 2.0"),
    ({"quantiles": (0.1, 1.0)}, "levels between 0 and 1"),
    ({"quantiles": (0.9, 0.1)}, "must increase"),
    ({"quantiles": 0.5}, "sequence of levels"),
    ({"quantiles": ()}, "levels between 0 and 1"),
    ({"season_length": 0}, 'season_length must be an integer of at least 1 or "auto"; got 0'),
    ({"patch_length": "long"}, "patch_length"),
    ({"context_length": -5}, "context_length"),
    ({"d_model": 0}, "d_model"),
    ({"n_layers": 1.5}, "n_layers"),
    ({"dropout": 1.0}, "dropout must be a number from 0 to below 1"),
    ({"calendar": "week"}, "calendar"),
    ({"calendar": ("fortnight",)}, "fortnight"),
    ({"gaps": "fill"}, "gaps must be 'refuse' or 'mask'; got 'fill'"),
    ({"validation_size": -1}, "validation_size"),
    ({"max_steps": "long"}, 'max_steps must be an integer of at least 1 or "auto"'),
    ({"learning_rate": "fast"}, 'learning_rate must be a number above 0 or "auto"'),
    ({"max_steps": 0}, "max_steps must be an integer of at least 1"),
    ({"learning_rate": float("nan")}, "learning_rate must be a number above 0"),
    ({"time_budget": -1}, "time_budget"),
    ({"training": {}}, "training must be a tsssm.Training"),
    ({"training": Training(checkpoint_every=0)}, "checkpoint_every must be an integer of at least 1"),
    ({"training": Training(resume="always")}, "training.resume must be 'auto' or 'never'"),
    ({"training": Training(weight_decay=-1)}, "weight_decay"),
    ({"calendar": 5}, "calendar must be"),
    ({"calendar": [["day"]]}, "calendar must be"),
    ({"random_state": 2**70}, "random_state must be"),
    ({"quantiles": (0.3, 0.3 + 1e-9)}, "must increase"),
    ({"training": Training(strategy="nonsense")}, "training.strategy must be"),
    ({"training": Training(callbacks=(5,))}, "training.callbacks must be"),  # type: ignore[arg-type]
    ({"training": Training(warmup=5)}, "training.warmup must be"),
    ({"device": 0}, "device must be"),
    ({"device": "tpuu"}, 'device must be "auto", "cpu" or "cuda"; got \'tpuu\''),
    ({"training": Training(precision="half")}, "training.precision must be"),
    ({"random_state": None}, "random_state"),
    ({"verbose": 1}, "verbose must be True or False; got 1"),
    ({"base": "lasso"}, "base must be 'ridge' or None; got 'lasso'"),
    ({"mixer": "transformer"}, "mixer='transformer' is not known; known are"),
    ({"mixer": int}, "mixer"),
    ({"batch_size": 0}, "batch_size"),
]


@pytest.mark.parametrize(("settings", "message"), FAULTS)
def test_settings(settings, message):
    with pytest.raises(ConfigError) as raised:
        MambaForecaster(**{"horizon": 3, "verbose": False, **settings}).fit(Y)
    assert message in str(raised.value)


def test_all_faults_come_in_one_message():
    with pytest.raises(ConfigError) as raised:
        MambaForecaster(0, dropout=2, gaps="fill").fit(Y)
    assert all(name in str(raised.value) for name in ("horizon", "dropout", "gaps"))


def test_unknown_settings_are_a_type_error():
    with pytest.raises(TypeError, match="horizn"):
        MambaForecaster(3, horizn=4)


def test_forecasters_without_a_network_refuse_one():
    with pytest.raises(ConfigError, match="LinearForecaster has no network"):
        linear(mixer="mamba").fit(Y)
    with pytest.raises(ConfigError, match="SeasonalNaive has its own base"):
        SeasonalNaive(3, base=None).fit(Y)
    with pytest.raises(ConfigError, match="nothing to forecast with"):
        linear(base=None).fit(Y)


@pytest.mark.parametrize(
    "call", ["predict", "predict_quantiles", "predict_interval", "stream", "summary", "state_bytes"]
)
def test_nothing_before_fit(call):
    with pytest.raises(NotFittedError, match="LinearForecaster is not fitted yet"):
        getattr(linear(), call)()


def test_longer_horizons_and_outer_levels():
    model = linear().fit(Y)
    with pytest.raises(ConfigError, match="horizon=4 is longer than the trained one, 3"):
        model.predict(horizon=4)
    with pytest.raises(ConfigError, match="horizon must be"):
        model.predict(horizon=True)
    with pytest.raises(ConfigError, match=r"level 0.01 lies beyond the trained ones, 0.05 to 0.95"):
        model.predict_quantiles(levels=[0.01, 0.5])
    with pytest.raises(ConfigError, match="levels is empty"):
        model.predict_quantiles(levels=[])
    with pytest.raises(ConfigError, match="coverage must be a number between 0 and 1; got 80"):
        model.predict_interval(coverage=80)


def test_other_frequencies_and_kinds_of_index():
    model = linear().fit(Y)
    with pytest.raises(DataError, match="'h'"):
        model.predict(Y.asfreq("2h"))
    with pytest.raises(DataError, match=r"y has integers as stamps, .* fitted on datetimes without a zone"):
        model.predict(Y.to_numpy())
    with pytest.raises(DataError, match="y has datetimes in UTC as stamps"):
        model.predict(Y.tz_localize("UTC"))
    with pytest.raises(DataError):
        model.predict(Y.reset_index(drop=True))


def test_lengths():
    with pytest.raises(DataError, match=r"needs 25 rows in its training part.*patch_length=24.*\('load'\) has 7"):
        linear(patch_length=24).fit(Y.iloc[:10])
    with pytest.raises(DataError, match="validation_size=59 leaves nothing to learn from"):
        linear(validation_size=59).fit(Y)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_windows": 0}, ConfigError, "n_windows must be an integer of at least 1; got 0"),
        ({"step": -1}, ConfigError, "step must be"),
        ({"refit": 1}, ConfigError, "refit must be True or False; got 1"),
        ({"horizon": 9}, ConfigError, "horizon=9 is longer"),
        ({"n_windows": 40}, DataError, "enough for 19 windows of horizon 3 and step 3, not for n_windows=40"),
    ],
)
def test_backtest_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        linear().fit(Y).backtest(Y, **arguments)
