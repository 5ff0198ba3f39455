"""The search for a schedule: what it tries, what it keeps, when it ends."""

import numpy as np
import pytest

from tsssm import MambaForecaster, Training
from tsssm.forecasters import learn

SMALL = {"d_model": 8, "n_layers": 1, "batch_size": 8, "verbose": False}
Y = 20 + 5 * np.sin(np.arange(400) * 2 * np.pi / 12) + np.random.default_rng(0).normal(size=400)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(learn, "LENGTHS", (10, 20, 40))


def test_the_best_on_the_validation_part_is_kept():
    model = MambaForecaster(6, **SMALL).fit(Y)
    tried = model.schedules_
    assert tried["learning_rate"].tolist()[:2] == list(learn.RATES)
    assert tried["steps"].tolist()[:2] == [10, 10]
    best = tried.loc[tried["error"].idxmin()]
    assert len(model.history_) == best["steps"]
    assert model.history_["learning_rate"].max() == best["learning_rate"]
    assert (tried["learning_rate"][2:] == tried.loc[tried["error"][:2].idxmin(), "learning_rate"]).all()
    assert "chosen from" in str(model.summary())


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
    plain = MambaForecaster(6, max_steps=9, **SMALL).fit(Y)
    assert np.array_equal(plain.predict(), model.predict())  # looking changes nothing
