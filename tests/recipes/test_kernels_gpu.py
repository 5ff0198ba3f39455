"""The script for a GPU loses nothing to a contender that fails, and keeps the interpreter's times out of the docs."""

from __future__ import annotations

import importlib
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch

pytest.importorskip("triton", minversion="3.6", reason="needs Triton, which there is for Linux")

BENCHMARKS = Path(__file__).parents[2] / "recipes" / "benchmarks"


@pytest.fixture
def kernels_gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("kernels_gpu")


def test_a_contender_that_fails_is_told_and_the_others_are_measured(kernels_gpu):
    x = torch.ones(3, requires_grad=True)

    def fail():
        raise torch.OutOfMemoryError("of\nall")

    contest = kernels_gpu.Contest({"fla": fail, "triton": lambda: 2 * x}, [x], torch.empty(1))
    times = kernels_gpu.interleaved(contest, Namespace(rounds=2, device="cpu"))
    assert times["fla"] == {"error": "OutOfMemoryError: of all"}
    assert times["triton"]["forward_ms"] > 0
    assert times["triton"]["both_ms"] > 0


def test_inputs_that_do_not_fit_leave_a_row(kernels_gpu, monkeypatch):
    def fail(*anything):
        raise torch.OutOfMemoryError("inputs")

    monkeypatch.setattr(kernels_gpu, "contest_of", fail)
    (row,) = kernels_gpu.measure("slstm, 4 heads of 32", 8, "float32", Namespace(steps=16, rounds=1, device="cpu"))
    assert row["error"] == "OutOfMemoryError: inputs"
    assert (row["batch"], row["contender"]) == (2, "triton")


def test_tables_have_ratios_and_what_failed(kernels_gpu):
    about = {"case": "slstm, 4 heads of 32", "dtype": "float32", "length": 512}
    rows = [
        about | {"contender": "triton", "forward_ms": 1.0, "both_ms": 3.0, "share_of_floor": 0.25},
        about | {"contender": "fla", "forward_ms": 1.0, "both_ms": 2.0},
        about | {"contender": "chunked", "error": "OutOfMemoryError"},
    ]
    steps = [{"mixer": "mamba", "precision": "bf16-mixed", "ours_ms": 2.0, "transformer_ms": 4.0}]
    report = {"device": "D", "steps": 8, "rounds": 3, "right": ["a"], "wrong": {"b": "off"}}
    page = kernels_gpu.page(report | {"operators": rows, "training_steps": steps})
    assert "| slstm, 4 heads of 32 | float32 | 512 | 1 | 3 | 1.500 |  |  |  | 0.250 |" in page
    assert "| mamba | bf16-mixed | 2 | 4 |" in page
    assert "- slstm, 4 heads of 32, float32, 512, chunked: OutOfMemoryError" in page
    assert "- b: off" in page


@pytest.mark.parametrize("out", [[], ["--out", str(BENCHMARKS.parents[1] / "docs" / "benchmarks")]])
def test_times_of_the_interpreter_stay_out_of_the_docs(out, kernels_gpu, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["kernels_gpu.py", "--device", "cpu", *out])
    with pytest.raises(SystemExit):
        kernels_gpu.main()
    assert "name another folder" in capsys.readouterr().err
