"""Saved models, damaged, forged, cut off while written or replaced while read: the same numbers, or refused."""

import json
import os
import pickle
import resource
import shutil
import signal
import struct
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import torch

import tsssm
from forecasters import save_loop
from forecasters.signed_edit import edit, edit_bytes, edit_tensors
from small_models import make_frame, randomise
from tsssm.errors import ModelFileError

SMALL = {"d_model": 8, "n_layers": 2, "max_steps": 2, "verbose": False, "patch_length": 6}
WEIGHTS, HISTORY, STATE = "weights.safetensors", "history.safetensors", "state.safetensors"
FILES = [("model", f) for f in ("config.json", WEIGHTS, HISTORY)] + [
    ("stream", f) for f in ("config.json", WEIGHTS, STATE)
]


@pytest.fixture(scope="module")
def frame():
    return make_frame(200).ffill().bfill()


@pytest.fixture(scope="module")
def model(frame):
    price = pd.DataFrame({"price": np.arange(210.0)}, pd.date_range(frame.index[0], periods=210, freq="h"))
    return randomise(tsssm.MambaForecaster(5, **SMALL).fit(frame, price))


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """A saved forecaster and a saved stream."""
    folder = tmp_path_factory.mktemp("whole")
    model.save(folder / "model")
    model.stream().save(folder / "stream")
    return folder


@pytest.fixture
def saved(whole, tmp_path):
    """A copy to damage."""
    for kind in ("model", "stream"):
        shutil.copytree(whole / kind, tmp_path / kind)
    return tmp_path


def forecasts(folder):
    """The forecasts of what a folder holds."""
    loaded = tsssm.load(folder)
    if isinstance(loaded, tsssm.Forecaster):
        return loaded.predict_quantiles().to_numpy()
    index = pd.date_range(loaded.last_time + pd.Timedelta("1h"), periods=5, freq="h")
    return loaded.predict_quantiles(pd.DataFrame({"price": np.arange(200.0, 205.0)}, index)).to_numpy()


def refused_or_the_same(folder, expected):
    """Whether it was refused."""
    try:
        again = forecasts(folder)
    except ModelFileError:
        return True
    np.testing.assert_array_equal(again, expected)
    return False


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_every_truncation_is_refused(whole, saved, kind, name):
    data = (whole / kind / name).read_bytes()
    lengths = {0, 1, 7, 8, 9, len(data) - 1, *np.random.default_rng(0).integers(len(data), size=40).tolist()}
    for length in sorted(lengths):
        (saved / kind / name).write_bytes(data[:length])
        with pytest.raises(ModelFileError, match=rf"{name} is (damaged|not of)"):
            tsssm.load(saved / kind)


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_every_flipped_bit_is_refused_or_harmless(whole, saved, kind, name):
    data, expected = (whole / kind / name).read_bytes(), forecasts(whole / kind)
    random = np.random.default_rng(1)
    places = {*range(min(64, len(data))), *random.integers(len(data), size=250).tolist(), len(data) - 1}
    refused = 0
    for place in sorted(places):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(random.integers(8))
        (saved / kind / name).write_bytes(bytes(flipped))
        refused += refused_or_the_same(saved / kind, expected)
    # of the configuration, a space may become another kind of space
    assert refused >= (0.7 if name == "config.json" else 1.0) * len(places)


def test_added_bytes_are_refused(whole, saved):
    for kind, name in FILES:
        data = (whole / kind / name).read_bytes()
        for added in (b"\0", b"{}", data):
            (saved / kind / name).write_bytes(data + added)
            with pytest.raises(ModelFileError):
                tsssm.load(saved / kind)
        (saved / kind / name).write_bytes(data)
        forecasts(saved / kind)


def test_files_of_two_models_do_not_mix(frame, whole, saved):
    other = randomise(tsssm.MambaForecaster(5, random_state=1, **SMALL).fit(frame))
    other.save(saved / "other")
    for name in (WEIGHTS, HISTORY):
        shutil.copy(saved / "other" / name, saved / "model" / name)
        with pytest.raises(ModelFileError, match=rf"{name} is damaged: its sha256"):
            tsssm.load(saved / "model")
        shutil.copy(whole / "model" / name, saved / "model" / name)


HUGE = 10**9


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("model", lambda c: c.update({"class": "Nothing"})),
        ("model", lambda c: c.update({"class": ["Forecaster"]})),
        ("model", lambda c: c.update(kind="pickle")),
        ("model", lambda c: c.update(files={})),
        ("model", lambda c: c.update(files=[WEIGHTS])),
        ("model", lambda c: c["files"].update({"../model/" + WEIGHTS: c["files"][WEIGHTS]})),
        ("model", lambda c: c["files"].update({"/etc/passwd": "0"})),
        ("model", lambda c: c["files"].update({"..": "0"})),
        ("model", lambda c: c["files"].update({"weights\0.safetensors": "0"})),
        ("model", lambda c: c["files"].update({WEIGHTS: None})),
        ("model", lambda c: c["model"]["spec"].update(mixer_settings={"state_size": HUGE})),
        ("model", lambda c: c["model"]["spec"].update(mixer_settings={"expand": -3})),
        ("model", lambda c: c["model"]["spec"].update(d_model=HUGE)),
        ("model", lambda c: c["model"]["spec"].update(n_layers=HUGE)),
        ("model", lambda c: c["model"]["spec"].update(horizon=HUGE)),
        ("model", lambda c: c["model"]["spec"].update(patch_length=HUGE)),
        ("model", lambda c: c["model"]["spec"].update(lags=HUGE)),
        ("model", lambda c: c["model"]["spec"].update(levels=[0.1, 0.9])),
        ("model", lambda c: c["model"]["spec"].update(covariates=["price", "wind"])),
        ("model", lambda c: c["model"].update(n_covariates=HUGE)),
        ("model", lambda c: c["model"].update(priors=None)),
        ("model", lambda c: c["params"].update(eval="1")),
        ("model", lambda c: c["params"]["training"].update(callbacks=["os.system"], surprise=1)),
        ("model", lambda c: c["training_end"].update(rows=HUGE)),
        ("model", lambda c: c["training_end"].update(first="yesterday")),
        ("model", lambda c: c["training_end"].update(freq="fortnight")),
        ("model", lambda c: c["known"]["timeline"].update(rows=HUGE)),
        ("model", lambda c: c["known"]["timeline"].update(rows=-1)),
        ("model", lambda c: c["known"]["timeline"].update(tz="Mars/Olympus")),
        ("model", lambda c: c["known"]["kind"].update(columns=None)),
        ("stream", lambda c: c["settings"].update(refresh="sometimes")),
        ("stream", lambda c: c["model"]["spec"].update(patch_length=HUGE)),
        ("stream", lambda c: c.update(n_covariates=HUGE)),
        ("stream", lambda c: c.update(names=["a", "b"])),
        ("stream", lambda c: c.update(names=[["a"], None, {"x": 1}])),
        ("stream", lambda c: c.update(names="abc" * 10)),
        ("stream", lambda c: c["timeline"].update(rows=HUGE)),
        ("stream", lambda c: c.update(wall="teatime")),
    ],
)
def test_forged_configurations_are_refused(saved, kind, change):
    edit(saved / kind, change)
    with pytest.raises(ModelFileError, match=f"{kind}"):
        tsssm.load(saved / kind)


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("model", WEIGHTS, lambda t: t.update(extra=torch.ones(1))),
        ("model", WEIGHTS, lambda t: t.pop("base.weights")),
        ("model", WEIGHTS, lambda t: t.update({"base.weights": t["base.weights"].float()})),
        ("model", WEIGHTS, lambda t: t.update({"network.norm.weight": t["network.norm.weight"].double()})),
        ("model", WEIGHTS, lambda t: t.update({"network.norm.weight": t["network.norm.weight"].to(torch.int32)})),
        ("model", WEIGHTS, lambda t: t.update({"base.weights": t["base.weights"].T.contiguous()})),
        ("model", WEIGHTS, lambda t: t["network.norm.weight"].__setitem__(3, float("nan"))),
        ("model", WEIGHTS, lambda t: t["base.weights"].__setitem__((0, 0), float("nan"))),
        ("model", HISTORY, lambda t: t.update(values=t["values"][:-1])),
        ("model", HISTORY, lambda t: t.update(values=t["values"].float())),
        ("model", HISTORY, lambda t: t.update(inserted=t["inserted"].long())),
        ("model", HISTORY, lambda t: t.update(x=t["x"][:100])),
        ("model", HISTORY, lambda t: t.update(x=torch.ones(210, 2, dtype=torch.float64))),
        ("model", HISTORY, lambda t: t.update(x=torch.tensor(1.0))),
        ("model", HISTORY, lambda t: t.pop("x")),
        ("stream", STATE, lambda t: t.pop("age")),
        ("stream", STATE, lambda t: t.update(surprise=torch.ones(1))),
        ("stream", STATE, lambda t: t.update(age=t["age"].double())),
        ("stream", STATE, lambda t: t.update(values=t["values"][0])),
        ("stream", STATE, lambda t: t.update({"phases.0.0.h": t["phases.0.0.h"][:1]})),
    ],
)
def test_forged_tensors_are_refused(saved, kind, name, change):
    edit_tensors(saved / kind, name, change)
    with pytest.raises(ModelFileError, match=f"{kind}"):
        tsssm.load(saved / kind)


class Bomb:
    def __reduce__(self):
        return os.mkdir, (os.environ["TSSSM_TEST_BOMB"],)


def header(entries):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "forge",
    [
        lambda data: pickle.dumps(Bomb()),
        lambda data: b"",
        lambda data: struct.pack("<Q", 2**63) + data[8:],
        lambda data: header({"a": {"dtype": "F64", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}) + bytes(8),
        lambda data: header({"a": {"dtype": "F64", "shape": [HUGE], "data_offsets": [0, 8 * HUGE]}}) + bytes(8),
        lambda data: header({"a": {"dtype": "F64", "shape": [-1], "data_offsets": [8, 0]}}) + bytes(8),
        lambda data: header({"a\0b": {"dtype": "F99", "shape": [1], "data_offsets": [0, 8]}}) + bytes(8),
        lambda data: struct.pack("<Q", 200_000) + b"[" * 200_000,
    ],
)
@pytest.mark.parametrize(("kind", "name"), [("model", WEIGHTS), ("stream", STATE)])
def test_what_is_no_safetensors_is_refused_and_never_run(saved, monkeypatch, forge, kind, name):
    bomb = saved / "bomb"
    monkeypatch.setenv("TSSSM_TEST_BOMB", str(bomb))
    edit_bytes(saved / kind, name, forge)
    with pytest.raises(ModelFileError, match=f"{name} is damaged"):
        tsssm.load(saved / kind)
    assert not bomb.exists()


@pytest.mark.parametrize(
    "text",
    [
        b"\x80\x04\x95",
        b"null",
        b"[]",
        b'"tsssm"',
        b"{" * 100_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"1" * 10_000,
        b'{"format": "tsssm", "version": 2}',
        b'{"format": "tsssm", "version": 2, "digest": {"a": NaN}}',
        b'{"format": "tsssm", "version": "2"}',
        b'{"format": "tsssm", "version": true}',
        b"\xff\xfe{}",
        b"\0" * 500,
    ],
)
def test_any_other_configuration_is_refused(saved, text):
    (saved / "model" / "config.json").write_bytes(text)
    with pytest.raises(ModelFileError, match=r"config\.json"):
        tsssm.load(saved / "model")


def test_links_and_folders_in_place_of_files(whole, saved):
    expected, folder = forecasts(whole / "model"), saved / "model"
    for name in ("config.json", WEIGHTS):
        (folder / name).unlink()
        (folder / name).symlink_to(whole / "model" / name)
    np.testing.assert_array_equal(forecasts(folder), expected)  # a link to the very file
    for target in ("/dev/zero", "/etc/passwd", str(saved / "nowhere"), str(folder)):
        (folder / WEIGHTS).unlink()
        (folder / WEIGHTS).symlink_to(target)
        with pytest.raises(ModelFileError, match=f"{WEIGHTS} is (missing|damaged)"):
            tsssm.load(folder)
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / WEIGHTS)
    with pytest.raises(ModelFileError, match=f"{WEIGHTS} is missing"):
        tsssm.load(folder)


def test_saving_through_a_link_replaces_what_it_points_to_and_follows_none_inside(model, whole, saved):
    (saved / "link").symlink_to(saved / "model")
    (saved / "model" / "notes").symlink_to(whole)
    model.save(saved / "link")
    assert (saved / "link").is_symlink()
    np.testing.assert_array_equal(forecasts(saved / "model"), forecasts(whole / "model"))
    assert sorted(os.listdir(whole)) == ["model", "stream"]  # the link went, what it pointed to stayed


def test_a_class_that_could_not_be_loaded_is_refused_when_saved(model, frame, tmp_path):
    class Mine(tsssm.LinearForecaster):
        pass

    with pytest.raises(ModelFileError, match="a Mine cannot be saved"):
        Mine(3, verbose=False).fit(frame).save(tmp_path / "model")
    assert os.listdir(tmp_path) == []


@pytest.fixture
def file_limit():
    """Sets the size beyond which no file grows; the nearest to a full disk that needs no disk."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("kind", ["model", "stream"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.999])
def test_a_full_disk_leaves_the_old_folder_and_nothing_else(model, whole, saved, file_limit, kind, share):
    what = model if kind == "model" else model.stream()
    if kind == "stream":
        price = pd.DataFrame({"price": [200.0]}, [model.training_end_ + pd.Timedelta("1h")])
        what.update([1.0, 2.0, 3.0], X=price)  # it would save another state
    largest = max(file.stat().st_size for file in (whole / kind).iterdir())
    file_limit(int(share * largest))
    with pytest.raises(OSError, match=r"File too large: '.*/(model|stream)/\w+\.(safetensors|json|md)'") as caught:
        what.save(saved / kind)
    file_limit(resource.RLIM_INFINITY)
    assert os.path.dirname(caught.value.filename) == str(saved / kind)
    assert sorted(os.listdir(saved)) == ["model", "stream"]
    np.testing.assert_array_equal(forecasts(saved / kind), forecasts(whole / kind))
    what.save(saved / kind)
    tsssm.load(saved / kind)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="nothing is read-only for root")
def test_a_read_only_place(model, whole, saved):
    os.chmod(saved, 0o500)
    try:
        with pytest.raises(PermissionError, match=r"'.*/model'"):
            model.save(saved / "model")
        forecasts(saved / "model")
    finally:
        os.chmod(saved, 0o700)
    os.chmod(saved / "model" / WEIGHTS, 0o000)
    with pytest.raises(ModelFileError, match=f"{WEIGHTS} cannot be read"):
        tsssm.load(saved / "model")


def test_a_place_where_no_folder_can_be_made_is_named(model, saved, monkeypatch):
    def refused(prefix, dir):
        raise PermissionError(13, "Permission denied", f"{dir}/{prefix}x8")

    monkeypatch.setattr("tempfile.mkdtemp", refused)
    with pytest.raises(PermissionError, match=r"'.*/model'"):
        model.save(saved / "model")


@pytest.mark.parametrize("step", [1, 2])
def test_a_failed_move_brings_the_old_folder_back(model, whole, saved, monkeypatch, step):
    calls, replace = [], os.replace

    def failing(source, target):
        calls.append(target)
        if len(calls) == step:
            raise OSError(5, "Input/output error")
        return replace(source, target)

    monkeypatch.setattr("os.replace", failing)
    with pytest.raises(OSError, match="Input/output"):
        model.save(saved / "model")
    assert sorted(os.listdir(saved)) == ["model", "stream"]
    np.testing.assert_array_equal(forecasts(saved / "model"), forecasts(whole / "model"))


@pytest.fixture(scope="module")
def two(frame, tmp_path_factory):
    """Two models to replace one another, and their forecasts."""
    folder = tmp_path_factory.mktemp("two")
    models = [tsssm.LinearForecaster(horizon, verbose=False).fit(frame) for horizon in (2, 3)]
    for model in models:
        model.save(folder / str(model.horizon))
    return [folder / "2", folder / "3"], {model.horizon: model.predict() for model in models}


def check_is_one_of(folder, expected):
    loaded = tsssm.load(folder)
    pd.testing.assert_frame_equal(loaded.predict(), expected[loaded.horizon])
    return loaded.horizon


@pytest.mark.slow
def test_a_process_killed_while_saving_leaves_the_old_or_the_new_model(two, tmp_path):
    folders, _ = two
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-W", "ignore", save_loop.__file__, "25", tmp_path / "model", *folders]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"2", "3"}
    assert done.stdout.count("\n") == 25
    # one that ends in order sweeps what is left of the model in waiting; half-written ones go after a day
    model = tsssm.load(folders[0])
    model.save(tmp_path / "model")
    left = [name for name in os.listdir(tmp_path) if name != "model"]
    assert all(name.startswith(".model.tsssm-new-") for name in left)
    for name in left:
        os.utime(tmp_path / name, (0, 0))
    model.save(tmp_path / "model")
    assert os.listdir(tmp_path) == ["model"]


def test_a_model_that_is_replaced_while_it_is_read(two, tmp_path):
    folders, expected = two
    models = [tsssm.load(folder) for folder in folders]
    models[0].save(tmp_path / "model")
    end = threading.Event()

    def replace():
        while not end.is_set():
            for model in models:
                model.save(tmp_path / "model")

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        seen = [check_is_one_of(tmp_path / "model", expected) for _ in range(60)]
    finally:
        end.set()
        writer.join()
    assert set(seen) == {2, 3}
