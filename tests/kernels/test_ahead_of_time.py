"""Kernels compile without a GPU, spill no registers and multiply on the matrix units; the pages tell what was found."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "recipes" / "benchmarks"
REPORT = json.loads((ROOT / "docs" / "benchmarks" / "kernels_aot.json").read_text())
OPERATORS = sorted({row["case"].split(",")[0] for row in REPORT["kernels"]})
CASES = (
    "selective_scan, 128 channels of 16",
    "decay_attention, heads, 4 heads of 32",
    "delta_rule, heads, 4 heads of 32",
    "slstm, 4 heads of 32",
)


@pytest.mark.slow
def test_kernels_compile_as_promised():
    pytest.importorskip("triton", reason="needs Triton, which there is for Linux")
    settings = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    settings["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "kernels"), str(ROOT / "datasets")])
    command = [sys.executable, str(BENCHMARKS / "kernels_aot.py"), "--check", "--targets", "sm_90", "--cases", *CASES]
    result = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert all(case in result.stdout for case in CASES)


def test_the_report_has_no_fault_but_a_known_one():
    of_nvidia = [row for row in REPORT["kernels"] if row["target"].startswith("sm_")]
    assert {row["target"] for row in of_nvidia} == {"sm_80", "sm_90", "sm_100"}
    spilling = [row for row in of_nvidia if row["spills"]]
    known = ("delta_rule, keys, 4 heads of 64", "float32", "delta_backward", "sm_90")
    assert {tuple(row[key] for key in ("case", "dtype", "kernel", "target")) for row in spilling} <= {known}
    assert all(row["spills"] <= 32 for row in spilling)
    assert REPORT["faults"] == len(spilling)


@pytest.mark.parametrize("operator", OPERATORS)
def test_pages_have_the_report(operator, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    page = (ROOT / "docs" / "operators" / f"{operator}.md").read_text()
    assert importlib.import_module("kernels_page").fill(page, operator, REPORT) == page
