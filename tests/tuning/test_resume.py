"""A search goes on from its storage: in another process, after a kill, and only if it is the same search."""

from __future__ import annotations

import os
import signal

import numpy as np
import optuna
import pandas as pd
import pytest

from tsssm.errors import ConfigError
from tuning.small_search import SPACE, Y, process, search, small_model, wait_for, without_times


def test_resumed_is_as_without_a_break(tmp_path):
    whole = search(n_trials=5)
    search(n_trials=2, storage=tmp_path / "study.journal")
    resumed = search(n_trials=5, storage=str(tmp_path / "study.journal"))
    pd.testing.assert_frame_equal(without_times(resumed.trials), without_times(whole.trials))
    np.testing.assert_array_equal(resumed.best_model.predict(), whole.best_model.predict())
    assert resumed.best_params == whole.best_params


SEARCH = """
from tuning.small_search import search
result = search(n_trials=3, storage=sys.argv[1])
print(*map(float, result.best_model.predict()))
"""


def test_a_new_process_goes_on_and_knows_the_best(tmp_path):
    child = process(SEARCH, tmp_path / "study.journal")
    forecast = np.array(child.communicate(timeout=300)[0].split(), dtype=float)
    assert child.returncode == 0
    result = search(n_trials=3, storage=tmp_path / "study.journal")  # all are there: none is run
    assert len(result.trials) == 3
    np.testing.assert_array_equal(result.best_model.predict(), forecast)
    result = search(n_trials=4, storage=tmp_path / "study.journal")
    assert result.trials["state"].tolist() == ["complete"] * 4
    assert result.best_model.validation_["mase"]["both"] == result.trials["score"].min()


def test_what_is_found_is_told(tmp_path, capsys):
    search(storage=tmp_path / "study.journal")
    capsys.readouterr()
    search(small_model(verbose=True), storage=tmp_path / "study.journal")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tune: 3 trials of this search are in the storage"
    assert lines[1].endswith("the best, was run earlier or elsewhere and is fitted again")


HANG = """
import pathlib, time
from lightning.pytorch.callbacks import Callback
from tsssm import Training
from tuning.small_search import search, small_model

class Hang(Callback):
    fits = 0
    def on_train_batch_end(self, trainer, module, *_):
        Hang.fits += module.step == 1
        if Hang.fits == int(sys.argv[3]) and module.step == 2:
            pathlib.Path(sys.argv[2]).touch()
            time.sleep(600)

search(small_model(training=Training(callbacks=(Hang(),))), n_trials=5, storage=sys.argv[1])
"""


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
@pytest.mark.parametrize("nth", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_killed_in_the_middle_of_a_trial_and_resumed(tmp_path, nth):
    child = process(HANG, tmp_path / "study.journal", tmp_path / "hangs", nth)
    wait_for(tmp_path / "hangs", child)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL

    result = search(n_trials=5, storage=tmp_path / "study.journal")
    states = ["complete"] * 6
    states[nth - 1] = "unfinished"
    assert result.trials["state"].tolist() == states
    assert np.isnan(result.trials["score"][nth - 1])
    given = result.trials.index[result.trials["given"]].tolist()
    assert given == ([0, 1] if nth == 1 else [0])  # the model as given is tried to its end
    assert len(search(n_trials=5, storage=tmp_path / "study.journal").trials) == 6


def test_a_database_is_a_storage_too(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    search(n_trials=1, storage=url)
    assert len(search(n_trials=2, storage=url).trials) == 2


def test_another_search_is_refused_and_told_apart(tmp_path):
    journal = tmp_path / "study.journal"
    search(n_trials=1, storage=journal)
    others = {
        "data: ": {"y": Y + 1},
        "random_state: 0 there, 1 here": {"model": small_model(random_state=1)},
        "n_layers: 1 there, 2 here": {"model": small_model(n_layers=2)},
        "space of dropout": {"space": SPACE | {"dropout": (0.0, 0.5)}},
        "metric: mase there, mae here": {"metric": "mae"},
    }
    for difference, arguments in others.items():
        with pytest.raises(ConfigError, match=f"study 'tsssm' of storage=.* is another search \\(.*{difference}"):
            search(storage=journal, **arguments)
    assert len(search(y=Y + 1, n_trials=2, storage=journal, study_name="moved up").trials) == 2
    assert len(search(n_trials=1, storage=journal).trials) == 1


def test_a_study_that_tune_did_not_make_is_refused(tmp_path):
    storage = optuna.storages.InMemoryStorage()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.create_study(storage=storage, study_name="mine").optimize(lambda trial: 1.0, n_trials=1)
    with pytest.raises(ConfigError, match=r"study 'mine' .* holds trials that tune did not make"):
        search(storage=storage, study_name="mine")


@pytest.mark.parametrize("content", [b"time,load\n1,2\n", b"1\n", b"notes", b'{"op_code":0}\nnotes', b'{"op":0}\n'])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path, content):
    file = tmp_path / "load.csv"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="is a file, but no Optuna journal"):
        search(storage=file)
    assert file.read_bytes() == content


@pytest.mark.parametrize("cut", [1, 30, "line"])
def test_a_journal_that_a_crash_cut_off_goes_on(tmp_path, cut):
    journal = tmp_path / "study.journal"
    search(n_trials=2, storage=journal)
    content = journal.read_bytes()
    lines = content.splitlines(keepends=True)
    left = len(content) - cut if cut != "line" else len(content) - len(lines[-1]) + 1
    journal.write_bytes(content[:left])
    with pytest.warns(UserWarning, match="a crash cut off the last record"):
        result = search(n_trials=3, storage=journal)
    assert (result.trials["state"] == "complete").sum() == 3
    assert all(line.startswith(b'{"op_code"') for line in journal.read_bytes().splitlines())


def test_a_journal_cut_off_in_its_first_record_begins_anew(tmp_path):
    journal = tmp_path / "study.journal"
    journal.write_bytes(b'{"op_code":0,"worker')
    with pytest.warns(UserWarning, match="after 20 bytes"):
        assert len(search(n_trials=1, storage=journal).trials) == 1


def test_bad_storages(tmp_path):
    with pytest.raises(ConfigError, match=r"is a folder. Name a file, such as .*study\.journal"):
        search(storage=tmp_path)
    with pytest.raises(ConfigError, match="storage must be a path, a URL, an Optuna storage or None; got 3"):
        search(storage=3)


def test_the_folder_of_a_journal_is_made(tmp_path):
    search(n_trials=1, storage=tmp_path / "new" / "study.journal")
    assert (tmp_path / "new" / "study.journal").exists()
