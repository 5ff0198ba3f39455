"""Training: the schedule, the time budget, Ctrl-C, a plain Trainer."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from tsssm import MambaForecaster
from tsssm.data import Panel, WindowSource
from tsssm.mixers import Mamba
from tsssm.network import CausalScaler, ForecastNetwork
from tsssm.training import ForecastModule, Schedule, Training, WindowDataModule
from tsssm.training.module import parameter_groups

LEVELS = (0.1, 0.5, 0.9)
Y = 20 + 5 * np.sin(np.arange(500) * 2 * np.pi / 12)


def make_module(max_steps=40):
    torch.manual_seed(0)
    network = ForecastNetwork([Mamba], patch_length=6, n_covariates=0, horizon=6, levels=LEVELS, d_model=8, dropout=0.0)
    return ForecastModule(network, LEVELS, Schedule.cosine(max_steps, 1e-2))


def make_source():
    panel = Panel.from_columns(Y[:, None], np.zeros((500, 0)), ("y",))
    scaler = CausalScaler(15.0)
    location, scale = scaler.advance(panel.values[None], np.array([Y.std()]), scaler.initial_state(1))
    return WindowSource(panel, np.array([450]), location[0], scale[0], np.array([Y.std()]), 10, 6, 6)


def test_a_plain_trainer_lowers_the_loss():
    import lightning

    module, source = make_module(), make_source()
    batch = source.sample(np.arange(100, 400))
    before = module.loss(batch).item()
    trainer = lightning.Trainer(
        max_steps=40,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with pytest.warns(UserWarning, match="no `val_dataloader`"):
        trainer.fit(module, datamodule=WindowDataModule(source, batch_size=16))
    assert trainer.global_step == 40
    assert module.loss(batch).item() < 0.6 * before


def test_the_loss_is_in_deviations_of_the_series_and_skips_what_precedes_it():
    """An untrained network forecasts the scaler's mean; its loss is worked out by hand here."""
    module, source = make_module(), make_source()
    batch = source.sample(np.array([20]))  # ends after 21 values: tokens end at -33 .. 21, the first real one at 3
    assert batch.first_token.item() == 6
    values, expected = source.panel.series(0).astype(float), []
    for end in (3, 9, 15, 21):
        location, scale = source.location[end - 1], source.scale[end - 1]
        error = (values[end : end + 6] - location) / scale
        quantiles = np.array([-1.2815516, 0.0, 1.2815516])
        e = error[:, None] - quantiles
        expected += list(2 * np.maximum(LEVELS * e, (np.array(LEVELS) - 1) * e).mean(1) * scale / Y.std())
    assert module.loss(batch).item() == pytest.approx(np.mean(expected), rel=1e-5)


def test_what_precedes_the_series_changes_nothing():
    module, source = make_module(), make_source()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    batch = source.sample(np.array([20]))
    forecasts = module(batch)
    short = WindowSource(
        source.panel, source.train_lengths, source.location, source.scale, source.deviation, 4, 6, 6
    ).sample(np.array([20]))
    torch.testing.assert_close(forecasts[:, 6:], module(short), rtol=1e-5, atol=1e-6)


def test_the_schedule_warms_up_and_falls_to_zero():
    module = make_module(max_steps=100)
    factors = [module.schedule.factor(step) for step in range(101)]
    assert factors[0] == pytest.approx(0.2)
    assert max(factors) == pytest.approx(1.0)
    assert int(np.argmax(factors)) in (4, 5)
    assert factors[100] == pytest.approx(0.0, abs=1e-12)
    assert all(a >= b for a, b in zip(factors[5:], factors[6:]))


def test_decays_biases_and_norms_are_exempt_from_weight_decay():
    network = make_module().network
    decayed, exempt = parameter_groups(network, 0.05)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    exempt_names = {names[id(p)] for p in exempt["params"]}
    assert len(decayed["params"]) + len(exempt["params"]) == len(names)
    assert {"blocks.0.mixer.A_log", "blocks.0.mixer.D", "norm.weight", "embedding.bias"} <= exempt_names
    assert all(p.ndim > 1 for p in decayed["params"])
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (0.05, 0.0)


def test_batches_repeat_with_the_seed():
    source = make_source()

    def first(seed):
        return next(iter(WindowDataModule(source, batch_size=4, seed=seed).train_dataloader())).values

    assert torch.equal(torch.nan_to_num(first(1)), torch.nan_to_num(first(1)))
    assert not torch.equal(torch.nan_to_num(first(1)), torch.nan_to_num(first(2)))


def test_every_fourth_batch_has_long_windows():
    batches = iter(WindowDataModule(make_source(), batch_size=8).train_dataloader())
    shapes = [tuple(next(batches).location.shape) for _ in range(8)]
    assert shapes == [(8, 10), (8, 10), (8, 10), (2, 70)] * 2  # 450 rows hold seven contexts of 60


def test_a_time_budget_shortens_the_schedule():
    model = MambaForecaster(6, max_steps=100_000, time_budget=5.0, d_model=8, n_layers=1, verbose=False)
    begin = time.monotonic()
    model.fit(Y)
    assert time.monotonic() - begin < 60
    curve = model.history_
    assert 2 < len(curve) < 100_000
    assert curve["learning_rate"].iloc[-1] < 0.2 * curve["learning_rate"].max()  # it still falls towards zero
    assert np.isfinite(model.predict()).all()


def test_the_curve_has_every_step():
    model = MambaForecaster(6, max_steps=12, d_model=8, n_layers=1, verbose=False).fit(Y)
    assert model.history_["step"].tolist() == list(range(1, 13))
    assert model.history_["learning_rate"].iloc[1] == pytest.approx(2e-3)
    assert np.isfinite(model.history_["loss"]).all()


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
def test_ctrl_c_leaves_a_usable_model():
    code = """
import os, signal, threading, numpy as np
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
from tsssm import MambaForecaster, Training
from lightning.pytorch.callbacks import Callback
class Stop(Callback):
    def on_train_batch_end(self, trainer, *rest):
        if trainer.global_step == 7:
            os.kill(os.getpid(), signal.SIGINT)
training = Training(callbacks=(Stop(),))
model = MambaForecaster(6, max_steps=100_000, d_model=8, n_layers=1, verbose=False, training=training)
try:
    model.fit(np.sin(np.arange(500.0)))
except KeyboardInterrupt:
    assert len(model.history_) in (7, 8), len(model.history_)
    assert np.isfinite(model.predict()).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print("usable")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "usable", done.stderr
    assert done.returncode == 0


def test_fit_works_outside_the_main_thread():
    results = []

    def work():
        results.append(MambaForecaster(6, max_steps=2, d_model=8, n_layers=1, verbose=False).fit(Y).predict())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert np.isfinite(results[0]).all()
    assert signal.getsignal(signal.SIGINT) is not None


def test_settings_of_training_are_passed_on():
    seen = {}

    from lightning.pytorch.callbacks import Callback

    class Look(Callback):
        def on_train_start(self, trainer, module):
            seen["clip"] = trainer.gradient_clip_val
            seen["decay"] = trainer.optimizers[0].param_groups[0]["weight_decay"]
            seen["precision"] = trainer.precision

    training = Training(weight_decay=0.3, gradient_clip=0.7, precision="bf16-mixed", callbacks=(Look(),))
    model = MambaForecaster(6, max_steps=2, d_model=8, n_layers=1, verbose=False, training=training).fit(Y)
    assert seen == {"clip": 0.7, "decay": 0.3, "precision": "bf16-mixed"}
    assert np.isfinite(model.predict()).all()
