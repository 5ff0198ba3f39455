"""A search of seconds, for the tests and for the processes that they start."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tsssm import MambaForecaster, tune

Y = 20 + 5 * np.sin(np.arange(300) * 2 * np.pi / 12) + np.random.default_rng(0).normal(size=300)
SPACE = {"learning_rate": (1e-3, 1e-1, "log"), "d_model": [8, 12], "dropout": (0.0, 0.4)}


def small_model(**settings):
    sizes = {"d_model": 8, "n_layers": 1, "patch_length": 12, "context_length": 24, "max_steps": 3, "batch_size": 8}
    return MambaForecaster(6, **sizes | {"verbose": False} | settings)


def search(model=None, y=Y, X=None, **arguments):
    return tune(small_model() if model is None else model, y, X, **{"space": SPACE, "n_trials": 3} | arguments)


def without_times(trials: pd.DataFrame) -> pd.DataFrame:
    return trials.drop(columns="seconds")


def process(code: str, *arguments: object) -> subprocess.Popen:
    """A fresh interpreter that finds the packages and this module where this process found them."""
    paths = [*sys.path, str(Path(__file__).parents[1])]
    script = f"import sys; sys.path[:0] = {[path for path in paths if path]!r}\n{code}"
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def wait_for(file: Path, child: subprocess.Popen) -> None:
    for _ in range(1200):
        if file.exists():
            return
        assert child.poll() is None, "the process ended too early"
        time.sleep(0.1)
    raise AssertionError(f"{file} did not appear")
