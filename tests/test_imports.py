"""What an import costs: heavy libraries are loaded when first needed, and nothing warns on the way."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

HEAVY = ("dask", "lightning", "matplotlib", "numba", "optuna", "polars", "triton", "typer", "xarray", "zarr")


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `code`, with every warning an error."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    # the child finds the packages where this process found them
    command = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n{script}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", command, *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_probe_sees_what_is_loaded():
    assert "decimal" in loaded_by("import decimal")
    with pytest.raises(AssertionError, match="a warning"):
        loaded_by("import warnings; warnings.warn('a warning')")


def test_import_tsssm_loads_nothing_heavy():
    assert not loaded_by("import tsssm") & {*HEAVY, "numpy", "pandas", "scipy", "sklearn", "torch"}


@pytest.mark.parametrize("package", ["tsssm_kernels", "tsssm_datasets"])
def test_the_other_packages_import_without_the_library(package):
    loaded = loaded_by(f"import {package}")
    assert package in loaded
    assert not loaded & {*HEAVY, "tsssm", "sklearn"}


def test_a_forecaster_is_imported_without_what_only_some_calls_need():
    loaded = loaded_by("from tsssm import MambaForecaster")
    assert "torch" in loaded
    assert not loaded & set(HEAVY)


USE = """
import sys
import tsssm
model = tsssm.load(sys.argv[1])
forecast = model.predict()
stream = model.stream()
stream.update(0.5)
assert len(stream.predict()) == len(forecast) == 4
assert model.model_.step.why_not is None
"""

COMPILE = """
import sys
import torch
from tsssm_kernels import compile_step
step = compile_step(lambda x: [torch.tanh(x)], [torch.ones(1, 3)])
assert step(torch.zeros(2, 3))[0].shape == (2, 3)
assert "torch._dynamo" not in sys.modules, "a second's work, of no use here"
"""


def test_a_saved_model_is_used_without_lightning(tmp_path):
    from tsssm import Forecaster

    y = np.sin(np.arange(200.0) * 2 * np.pi / 12)
    model = Forecaster(horizon=4, patch_length=12, max_steps=2, d_model=8, n_layers=2, verbose=False).fit(y)
    model.save(tmp_path / "model")
    loaded = loaded_by(USE, str(tmp_path / "model"))
    assert "torch" in loaded
    # Numba compiles the scaler at its first use; torch computes with tensors on no device, by which saved shapes are
    # checked, by way of its compiler, which imports Triton where it is installed
    assert not loaded & (set(HEAVY) - {"numba", "triton"})


def test_a_step_is_compiled_without_torchs_compiler():
    assert "numba" in loaded_by(COMPILE)


def test_every_public_package_imports_without_warnings():
    names = ("data", "errors", "forecasters", "linear", "metrics", "mixers", "network", "plotting", "training")
    code = "\n".join(f"import tsssm.{name}" for name in (*names, "comparison", "tuning"))
    loaded = loaded_by(f"{code}\nimport tsssm_kernels.selective_scan, tsssm_datasets")
    assert "tsssm" in loaded
    assert "optuna" not in loaded
