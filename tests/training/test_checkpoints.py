"""Checkpoints: a killed training goes on and ends where an uninterrupted one does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tsssm import MambaForecaster, Training
from tsssm.errors import ConfigError, ModelFileError
from tsssm.training import Checkpoints

SMALL = {"d_model": 8, "n_layers": 1, "batch_size": 8, "verbose": False}
Y = 20 + 5 * np.sin(np.arange(400) * 2 * np.pi / 12) + np.random.default_rng(0).normal(size=400)

FIT = """
import sys, numpy as np
from tsssm import MambaForecaster, Training
y = 20 + 5 * np.sin(np.arange(400) * 2 * np.pi / 12) + np.random.default_rng(0).normal(size=400)
training = Training(checkpoint_dir=sys.argv[1], checkpoint_every=10)
MambaForecaster(6, max_steps=800, d_model=8, n_layers=1, batch_size=8, verbose=False, training=training).fit(y)
"""


def weights(model):
    return {name: value.numpy() for name, value in model.model_.network.state_dict().items()}


def assert_same_weights(one, other):
    for name, value in weights(one).items():
        np.testing.assert_allclose(value, weights(other)[name], atol=1e-6, rtol=0, err_msg=name)


def stop_after(step):
    from lightning.pytorch.callbacks import Callback

    class Crash(Callback):
        def on_train_batch_end(self, trainer, module, *rest):
            if module.step == step:
                raise OSError("the power is gone")

    return (Crash(),)


def started(folder):
    process = subprocess.Popen([sys.executable, "-c", FIT, str(folder)])
    for _ in range(1200):
        if any(Path(folder).glob("*.checkpoint.safetensors")):
            return process
        assert process.poll() is None, "the training ended before its first checkpoint"
        time.sleep(0.1)
    raise AssertionError("no checkpoint was written")


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
def test_killed_in_the_middle_and_resumed(tmp_path):
    process = started(tmp_path)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    file = next(tmp_path.glob("*.checkpoint.safetensors"))
    from safetensors import safe_open

    at = int(safe_open(file, "pt").metadata()["step"])
    assert at % 10 == 0
    assert 0 < at < 800
    with pytest.raises(ConfigError, match="another training"):
        Checkpoints(tmp_path, "another digest")


@pytest.mark.parametrize("max_steps", [37, "auto"])
def test_a_crashed_training_ends_where_a_whole_one_does(tmp_path, monkeypatch, max_steps):
    from tsssm.forecasters import learn

    monkeypatch.setattr(learn, "LENGTHS", (20, 40, 60))
    settings = SMALL | {"max_steps": max_steps}
    whole = MambaForecaster(6, **settings).fit(Y)
    assert whole.resumed_from_step_ is None
    kept = Training(checkpoint_dir=tmp_path / "run", checkpoint_every=7)
    crashing = Training(checkpoint_dir=tmp_path / "run", checkpoint_every=7, callbacks=stop_after(33))
    if max_steps == 37:
        with pytest.raises(OSError, match="power"):
            MambaForecaster(6, **settings, training=crashing).fit(Y)
        resumed = MambaForecaster(6, **settings, training=kept).fit(Y)
        assert resumed.resumed_from_step_ == 28
    else:
        resumed = MambaForecaster(6, **settings, training=kept).fit(Y)
        again = MambaForecaster(6, **settings, training=kept).fit(Y)
        assert again.resumed_from_step_ == max(again.schedules_["steps"])
        assert_same_weights(again, resumed)
    assert_same_weights(whole, resumed)
    assert whole.history_["loss"].tolist() == resumed.history_["loss"].tolist()


def test_a_killed_process_resumes_to_the_same_weights(tmp_path):
    """The real thing: SIGKILL in one process, the rest in another, against one that nobody disturbed."""
    code = FIT.replace("max_steps=800", "max_steps=120").replace(".fit(y)", ".fit(y).save(sys.argv[2])")
    slow = code.replace("training = ", "import time, lightning.pytorch.callbacks as c\n"
        "class Slow(c.Callback):\n    def on_train_batch_end(self, *rest): time.sleep(0.05)\ntraining = "
    ).replace("checkpoint_every=10", "checkpoint_every=10, callbacks=(Slow(),)")  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", slow, tmp_path / "run", tmp_path / "never"])
    while not any((tmp_path / "run").glob("*.checkpoint.safetensors")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not (tmp_path / "never").exists()
    subprocess.run([sys.executable, "-c", code, tmp_path / "run", tmp_path / "resumed"], check=True)
    subprocess.run([sys.executable, "-c", code, tmp_path / "other", tmp_path / "whole"], check=True)
    import tsssm

    assert_same_weights(tsssm.load(tmp_path / "resumed"), tsssm.load(tmp_path / "whole"))


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
def test_sigterm_writes_the_checkpoint_first(tmp_path):
    process = started(tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == -signal.SIGTERM
    assert not list(tmp_path.glob(".*"))  # nothing half written


def test_another_training_is_refused_and_begun_anew_on_request(tmp_path):
    training = Training(checkpoint_dir=tmp_path)
    MambaForecaster(6, max_steps=3, **SMALL, training=training).fit(Y)
    with pytest.raises(ConfigError, match=r"another training.*[\s\S]*checkpoint_dir"):
        MambaForecaster(6, max_steps=3, **SMALL, training=training).fit(Y[:-1])
    anew = Training(checkpoint_dir=tmp_path, resume="never")
    assert MambaForecaster(6, max_steps=3, **SMALL, training=anew).fit(Y[:-1]).resumed_from_step_ is None


def test_another_version_does_not_go_on(tmp_path, monkeypatch):
    """Its training may take other steps, and would end in a mixture of both."""
    training = Training(checkpoint_dir=tmp_path)
    MambaForecaster(6, max_steps=3, **SMALL, training=training).fit(Y)
    monkeypatch.setattr("tsssm.__version__", "0.0.1")
    with pytest.raises(ConfigError, match="version of tsssm"):
        MambaForecaster(6, max_steps=3, **SMALL, training=training).fit(Y)


def test_what_a_killed_writer_left_is_removed(tmp_path):
    half = tmp_path / ".training.checkpoint.safetensors.new-4711"
    half.write_bytes(b"half")
    Checkpoints(tmp_path, "a training")
    assert not half.exists()


def test_a_damaged_checkpoint_is_named(tmp_path):
    training = Training(checkpoint_dir=tmp_path)
    MambaForecaster(6, max_steps=3, **SMALL, training=training).fit(Y)
    file = next(tmp_path.glob("*.safetensors"))
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[-1] ^= 0x10  # of a tensor: the file opens
    for content, why in ((whole[:100], "header"), (b"", "header"), (bytes(flipped), "not those that were written")):
        file.write_bytes(content)
        with pytest.raises(ModelFileError, match=f"is damaged: .*{why}.*Delete it"):
            MambaForecaster(6, max_steps=3, **SMALL, training=training).fit(Y)
    file.unlink()
    assert MambaForecaster(6, max_steps=3, **SMALL, training=training).fit(Y).resumed_from_step_ is None


@pytest.mark.skipif(os.name == "nt", reason="no such limit on Windows")
def test_a_full_disk_leaves_the_earlier_checkpoint(tmp_path):
    import resource

    from tsssm.training.state import TrainingState

    checkpoints, limits = Checkpoints(tmp_path, "digest"), resource.getrlimit(resource.RLIMIT_FSIZE)
    checkpoints.save("part", TrainingState(1, {"a": torch.ones(3)}, {}, {}))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))  # no file may grow beyond 2 kB
        with pytest.raises(OSError, match=r"part\.checkpoint"):
            checkpoints.save("part", TrainingState(2, {"a": torch.ones(3_000)}, {}, {}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert checkpoints.load("part").step == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_no_checkpoint_or_no_folder(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "training.checkpoint.safetensors")  # without a word of what it is
    with pytest.raises(ConfigError, match="holds checkpoints of another training"):
        MambaForecaster(6, max_steps=3, **SMALL, training=Training(checkpoint_dir=tmp_path)).fit(Y)
    (tmp_path / "file").write_text("notes")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"a file is at this place\. Name a folder"):
            MambaForecaster(6, max_steps=3, **SMALL, training=Training(checkpoint_dir=place)).fit(Y)


def test_numpys_integers_are_integers(tmp_path):
    training = Training(checkpoint_dir=tmp_path)
    one = MambaForecaster(6, max_steps=3, random_state=3, **SMALL, training=training).fit(Y)
    same = MambaForecaster(6, max_steps=np.int64(3), random_state=np.int64(3), **SMALL, training=training).fit(Y)
    assert same.resumed_from_step_ == 3
    anew = MambaForecaster(6, max_steps=3, random_state=np.int64(3), **SMALL).fit(Y)
    assert_same_weights(one, anew)


def test_the_state_survives_the_file(tmp_path):
    from tsssm.training.state import TrainingState

    memory = {0: {"step": torch.tensor(3.0), "exp_avg": torch.randn(2, 3)}}
    state = TrainingState(3, {"a.b": torch.randn(2, 3)}, memory, {"loss": np.array([1.0, 0.5])})
    checkpoints = Checkpoints(tmp_path, "digest")
    checkpoints.save("part", state)
    again = checkpoints.load("part")
    assert again.step == 3
    assert torch.equal(again.weights["a.b"], state.weights["a.b"])
    assert torch.equal(again.memory[0]["exp_avg"], memory[0]["exp_avg"])
    assert again.curve["loss"].tolist() == [1.0, 0.5]
    assert checkpoints.load("other") is None
