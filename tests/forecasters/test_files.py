"""Saved models and streams: the same numbers back, or a plain refusal."""

import os
import resource
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import tsssm
from forecasters.signed_edit import edit
from small_models import make_frame, randomise
from tsssm import Forecaster, LinearForecaster, MambaForecaster, SeasonalNaive, Training
from tsssm.errors import ConfigError, DataError, ModelFileError
from tsssm.mixers import Mamba

SMALL = {"d_model": 8, "n_layers": 2, "max_steps": 2, "verbose": False}


@pytest.fixture(scope="module")
def frame():
    return make_frame(400).ffill().bfill()


@pytest.fixture(scope="module")
def model(frame):
    x = pd.DataFrame({"price": np.arange(420.0)}, pd.date_range(frame.index[0], periods=420, freq="h"))
    settings = {"quantiles": [0.1, 0.9], "training": Training(weight_decay=0.1)}
    return randomise(Forecaster(np.int64(5), patch_length=6, **settings, **SMALL).fit(frame, x))


def test_a_loaded_forecaster_gives_the_same_numbers(model, tmp_path):
    model.save(tmp_path / "model")
    again = tsssm.load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.predict_quantiles(), model.predict_quantiles())
    assert type(again) is Forecaster
    assert again.get_params()["training"] == model.training
    assert again.horizon == 5
    assert again.training_end_ == model.training_end_
    pd.testing.assert_frame_equal(again.validation_, model.validation_)
    assert str(again.summary()) == str(model.summary())
    assert sorted(os.listdir(tmp_path / "model")) == [
        "README.md",
        "config.json",
        "history.safetensors",
        "weights.safetensors",
    ]
    assert "MASE" in (tmp_path / "model" / "README.md").read_text()
    again.save(tmp_path / "again")
    assert (tmp_path / "again" / "weights.safetensors").read_bytes() == (
        tmp_path / "model" / "weights.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("forecaster", [LinearForecaster, SeasonalNaive])
def test_forecasters_without_a_network(forecaster, frame, tmp_path):
    fitted = forecaster(4, verbose=False).fit(frame)
    fitted.save(tmp_path / "model")
    pd.testing.assert_frame_equal(tsssm.load(tmp_path / "model").predict_interval(), fitted.predict_interval())


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2024-03-30", periods=100, freq="h", tz="Europe/Berlin"),
        pd.period_range("1990-01", periods=100, freq="M"),
        pd.RangeIndex(0, 200, 2),
    ],
)
def test_every_kind_of_index(index, tmp_path):
    fitted = LinearForecaster(3, verbose=False).fit(pd.Series(np.arange(100.0), index))
    fitted.save(tmp_path / "model")
    pd.testing.assert_series_equal(tsssm.load(tmp_path / "model").predict(), fitted.predict())


def test_arrays(tmp_path):
    fitted = LinearForecaster(3, verbose=False).fit(np.arange(200.0).reshape(100, 2))
    fitted.save(tmp_path / "model")
    np.testing.assert_array_equal(tsssm.load(tmp_path / "model").predict(), fitted.predict())


def test_without_history(model, frame, tmp_path):
    model.save(tmp_path / "model", history=False)
    assert "history.safetensors" not in os.listdir(tmp_path / "model")
    again = tsssm.load(tmp_path / "model")
    x = pd.DataFrame({"price": np.arange(420.0)}, pd.date_range(frame.index[0], periods=420, freq="h"))
    pd.testing.assert_frame_equal(again.predict(frame, x), model.predict())
    for call in (again.predict, again.stream):
        with pytest.raises(DataError, match="saved without its data"):
            call()
    again.save(tmp_path / "again")
    pd.testing.assert_frame_equal(tsssm.load(tmp_path / "again").predict(frame, x), model.predict())


class Averaging(Mamba):
    """A mixer of a user's own."""


def test_a_mixer_of_ones_own(frame, tmp_path):
    fitted = Forecaster(4, mixer=Averaging, **SMALL).fit(frame)
    fitted.save(tmp_path / "model")
    fitted.stream().save(tmp_path / "stream")
    with pytest.raises(ConfigError, match="'Averaging' is not known"):
        tsssm.load(tmp_path / "model")
    again = tsssm.load(tmp_path / "model", mixers=[Averaging])
    assert again.mixer is Averaging
    pd.testing.assert_frame_equal(again.predict(), fitted.predict())
    stream = tsssm.load(tmp_path / "stream", mixers=[Averaging])
    np.testing.assert_allclose(stream.predict(), fitted.predict(), rtol=1e-4)


def test_saving_replaces_a_model_and_nothing_else(model, frame, tmp_path, monkeypatch):
    LinearForecaster(3, verbose=False).fit(frame).save(tmp_path / "model")
    model.save(tmp_path / "model")
    assert tsssm.load(tmp_path / "model").horizon == 5
    assert os.listdir(tmp_path) == ["model"]
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelFileError, match=r"papers holds something that is not a saved model"):
        model.save(tmp_path / "papers")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelFileError, match="is a file"):
        model.save(tmp_path / "file")
    assert (tmp_path / "papers" / "thesis.txt").read_text() == "years of work"
    monkeypatch.chdir(tmp_path / "papers")
    with pytest.raises(ModelFileError, match="not a saved model"):
        model.save(".")
    (tmp_path / "empty").mkdir()
    model.save(tmp_path / "empty")
    assert tsssm.load(tmp_path / "empty").horizon == 5


def test_a_crash_while_writing_leaves_the_old_model(model, frame, tmp_path, monkeypatch):
    linear = LinearForecaster(3, verbose=False).fit(frame)
    linear.save(tmp_path / "model")

    def broken(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tsssm.forecasters.files.write_tensors", broken)
    with pytest.raises(OSError, match="No space left"):
        model.save(tmp_path / "model")
    assert os.listdir(tmp_path) == ["model"]
    pd.testing.assert_frame_equal(tsssm.load(tmp_path / "model").predict(), linear.predict())


def test_a_full_disk_leaves_the_old_model(model, frame, tmp_path):
    linear = LinearForecaster(3, verbose=False).fit(frame)
    linear.save(tmp_path / "model")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, limits[1]))  # no file may grow beyond 2 kB
        with pytest.raises(Exception, match=r"(?i)file too large|os error 27"):
            model.save(tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    assert os.listdir(tmp_path) == ["model"]
    pd.testing.assert_frame_equal(tsssm.load(tmp_path / "model").predict(), linear.predict())


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_damage_is_told(saved):
    weights = saved / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-7])
    with pytest.raises(ModelFileError, match=r"weights.safetensors is damaged: its sha256 is"):
        tsssm.load(saved)
    weights.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    with pytest.raises(ModelFileError, match="sha256"):
        tsssm.load(saved)
    weights.unlink()
    with pytest.raises(ModelFileError, match=r"weights\.safetensors is missing"):
        tsssm.load(saved)
    weights.write_bytes(whole)
    (saved / "config.json").write_text('{"format": "tsssm", "ver')
    with pytest.raises(ModelFileError, match=r"config\.json is damaged"):
        tsssm.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(version=99), "format version 99; this tsssm reads version 2"),
        (lambda c: c.update(format="other"), "not of tsssm's format"),
        (lambda c: c.update({"class": "os.system"}), "the saved class is 'os.system'"),
        (lambda c: c["model"]["spec"].update(d_model=16), "has shape"),
        (lambda c: c["model"]["spec"].update(n_layers=4), "missing"),
        (lambda c: c["model"]["spec"].update(n_layers=3), "the configuration is damaged: n_layers=3 does not fit"),
        (lambda c: c["model"]["spec"].update(base=None), "unknown"),
        (lambda c: c["model"].pop("spec"), "damaged"),
        (lambda c: c["model"]["spec"].update(surprise=1), "damaged"),
        (lambda c: c["files"].update({"../../secret": "00"}), "damaged"),
    ],
)
def test_configurations_that_do_not_fit_are_refused(saved, change, message):
    edit(saved, change)
    with pytest.raises(ModelFileError, match=message):
        tsssm.load(saved)


def test_a_model_of_a_class_whose_own_mixer_was_another_is_fitted_again_as_it_was(model, saved):
    """A class may take another mixer one day; what was saved says no more than that it took its own."""
    assert (type(model), model.mixer, model.model_.spec.mixer) == (Forecaster, None, "mamba+rotary_average")
    assert tsssm.load(saved).mixer is None
    edit(saved, lambda config: config.update({"class": "MambaForecaster"}))
    again = tsssm.load(saved)
    assert (type(again), again.mixer) == (MambaForecaster, "mamba+rotary_average")
    assert again.predict().equals(model.predict())


def test_a_folder_of_the_users_beside_the_model_is_left_alone(model, saved):
    saved.with_name("model.previous").mkdir()
    (saved.with_name("model.previous") / "thesis.txt").write_text("years of work")
    model.save(saved)
    assert (saved.with_name("model.previous") / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("path", [("d_model",), ("horizon",), ("levels",), ("n_layers",), ("patch_length",)])
@pytest.mark.parametrize("value", [-1, "many", None, [0.2, 3.0]])
def test_any_damage_to_the_sizes_is_told(saved, path, value):
    edit(saved, lambda c: c["model"]["spec"].update({path[0]: value}))
    with pytest.raises(ModelFileError):
        tsssm.load(saved)


def test_places_without_a_model(tmp_path):
    with pytest.raises(ModelFileError, match="there is no folder"):
        tsssm.load(tmp_path / "nowhere")
    with pytest.raises(ModelFileError, match=r"has no config.json"):
        tsssm.load(tmp_path)


def test_a_replacement_cut_off_between_its_moves_leaves_the_old_model(model, saved):
    shutil.move(saved, saved.with_name(".model.tsssm-previous"))
    pd.testing.assert_frame_equal(tsssm.load(saved).predict(), model.predict())


def test_loading_draws_no_random_numbers(saved):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    tsssm.load(saved)
    assert torch.equal(torch.get_rng_state(), before)


def test_names_json_cannot_hold_are_refused_and_nothing_is_written(tmp_path):
    y = pd.DataFrame({pd.Timestamp("2024-01-01"): np.arange(50.0)}, pd.date_range("2024-01-01", periods=50, freq="D"))
    with pytest.raises(DataError, match="cannot be saved"):
        LinearForecaster(3, verbose=False).fit(y).save(tmp_path / "model")
    assert os.listdir(tmp_path) == []
