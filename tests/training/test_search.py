"""The search for a schedule: what it tries, what it keeps, when it ends."""

import time

import numpy as np
import pytest

from tsssm import MambaForecaster, Training
from tsssm.errors import ConfigError
from tsssm.forecasters import learn

SMALL = {"d_model": 8, "n_layers": 1, "batch_size": 8, "verbose": False}
Y = 20 + 5 * np.sin(np.arange(400) * 2 * np.pi / 12) + np.random.default_rng(0).normal(size=400)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(learn, "LENGTHS", (10, 20, 40))


def test_what_is_clearly_better_on_the_validation_part_is_kept():
    model = MambaForecaster(6, **SMALL).fit(Y)
    tried = model.schedules_
    assert tried["learning_rate"].tolist()[:2] == list(learn.RATES)
    assert tried["steps"].tolist()[:2] == [10, 10]
    rate = model.history_["learning_rate"].max()
    kept = (tried["steps"] == len(model.history_)) & np.isclose(tried["learning_rate"], rate)
    assert kept.sum() == 1
    assert tried["error"][kept].item() <= tried["error"][0]
    assert (tried["learning_rate"][2:] == tried["learning_rate"][kept].item()).all()
    assert "chosen from" in str(model.summary())


@pytest.mark.parametrize("rates", [(1e-7, 2e-2), (2e-2, 1e-7)])
def test_a_hopeless_rate_is_left(monkeypatch, rates):
    monkeypatch.setattr(learn, "LENGTHS", (30,))
    monkeypatch.setattr(learn, "RATES", rates)
    assert MambaForecaster(6, **SMALL).fit(Y).history_["learning_rate"].max() == pytest.approx(2e-2)


def test_a_branch_equals_the_schedule_trained_from_the_start():
    """The curve of the longest schedule tried has no seam: step after step, high rate first, then the fall."""
    model = MambaForecaster(6, **SMALL, learning_rate=8e-3).fit(Y)
    rate = model.history_["learning_rate"].to_numpy()
    steps = len(rate)
    assert model.history_["step"].tolist() == list(range(1, steps + 1))
    assert rate[: round(0.8 * steps) + 1] == pytest.approx(np.full(round(0.8 * steps) + 1, 8e-3))
    assert (np.diff(rate[round(0.8 * steps) :]) < 0).all()


def test_the_share_is_one_that_validation_prefers():
    model = MambaForecaster(6, **SMALL).fit(Y)
    share = model.model_.spec.network_share
    errors = model.validation_["mase"]
    assert errors["both"] == pytest.approx(errors[["both", "base", "network"]].min())
    assert share in (0.0, 0.5, 1.0)
    if share != 0.5:
        assert errors["both"] == errors["network" if share else "base"]


def test_without_a_validation_part_nothing_is_searched():
    model = MambaForecaster(6, **SMALL, validation_size=0).fit(Y)
    assert model.schedules_.empty
    assert len(model.history_) == 10
    assert model.model_.spec.network_share == 0.5


def test_a_short_time_budget_tries_one_schedule():
    model = MambaForecaster(6, **SMALL, time_budget=1e-3).fit(Y)
    assert len(model.schedules_) == 1
    assert np.isfinite(model.predict()).all()


def test_a_time_budget_bounds_what_follows_a_resume(tmp_path, monkeypatch):
    """What is loaded takes no time; nobody knows then how long a step takes, so the clock has to be asked."""
    from lightning.pytorch.callbacks import Callback

    kept = {"checkpoint_dir": tmp_path, "checkpoint_every": 5}
    MambaForecaster(6, **SMALL, learning_rate=8e-3, training=Training(**kept)).fit(Y)
    for file in tmp_path.glob("*steps-[24]0*"):
        file.unlink()  # as if the first schedule alone had ended

    class Slow(Callback):
        def on_train_batch_end(self, *_):
            time.sleep(0.2)

    monkeypatch.setattr(learn, "LENGTHS", (10, 60))
    slow = Training(**kept, callbacks=(Slow(),))
    again = MambaForecaster(6, **SMALL, learning_rate=8e-3, time_budget=2.0, training=slow).fit(Y)
    assert again.resumed_from_step_ == 10
    assert again.schedules_["steps"][0] == 10
    assert again.schedules_["steps"].max() < 60  # which would take 10 seconds


def test_a_validation_part_with_little_in_it():
    """Of many series few cutoffs are judged; the one value that was observed must be among their targets."""
    y = np.random.default_rng(0).normal(size=(120, 450))
    y[-12:] = np.nan
    y[-5, 17] = 1.0
    model = MambaForecaster(1, **SMALL, patch_length=6).fit(y)
    assert np.isfinite(model.schedules_["error"]).all()
    assert np.isfinite(model.validation_["mae"]).all()


def test_a_rate_that_diverges_is_not_chosen(monkeypatch):
    monkeypatch.setattr(learn, "RATES", (2e-3, 1e30))
    model = MambaForecaster(6, **SMALL).fit(Y)
    assert np.isinf(model.schedules_["error"][1])
    assert model.history_["learning_rate"].max() == pytest.approx(2e-3)


def test_validation_loss_reaches_callbacks():
    from lightning.pytorch.callbacks import Callback

    seen = []

    class Listen(Callback):
        def on_validation_end(self, trainer, module):
            seen.append((module.step, float(trainer.callback_metrics["validation_loss"])))

    training = Training(validate_every=4, callbacks=(Listen(),))
    model = MambaForecaster(6, max_steps=9, **SMALL, training=training).fit(Y)
    assert [step for step, _ in seen] == [4, 8]
    assert all(0 < error < 10 for _, error in seen)
    with pytest.raises(ConfigError, match="validate_every=4, but there is no validation part"):
        MambaForecaster(6, max_steps=9, validation_size=0, **SMALL, training=training).fit(Y)
    plain = MambaForecaster(6, max_steps=9, **SMALL).fit(Y)
    assert np.array_equal(plain.predict(), model.predict())  # looking changes nothing
