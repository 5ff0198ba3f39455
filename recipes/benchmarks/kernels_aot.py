"""Every Triton kernel compiled ahead of time, no GPU needed: registers, spills, shared memory, matrix units.

    python recipes/benchmarks/kernels_aot.py [--targets sm_90] [--cases "slstm, 4 heads of 32"] [--check]

``TRITON_INTERPRET`` must not be set. Kernels and tiles are those that a call of the operator, forward and backward, in
float32 and in bfloat16, would launch. With `--check` nothing is written: the command fails where a kernel of NVIDIA's
spills registers, or lacks the matrix units' instructions that are promised.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from typing import Any

import torch
from torch import Tensor

from kernel_cases import CASES
from report import write_report
from tsssm_kernels.ahead_of_time import TARGETS, compile_launch
from tsssm_kernels.gpu_launch import Launch, recorded_launches

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
BATCH, LENGTH = 32, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", nargs="+", default=list(TARGETS))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    jobs = [(case, dtype, options.targets) for case in options.cases for dtype in DTYPES]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        rows = [row for some in pool.map(compile_case, *zip(*jobs)) for row in some]
    faults = sum(map(is_fault, rows))
    if options.check:
        sys.exit(bool(faults))
    settings = {"triton": version("triton"), "batch": BATCH, "length": LENGTH}
    write_report("kernels_aot", {**settings, "faults": faults, "kernels": rows})


def compile_case(name: str, dtype: str, targets: list[str]) -> list[dict[str, Any]]:
    """A row for each kernel and target."""
    warnings.filterwarnings("ignore", message="TRITON_DEFAULT_FP_FUSION")
    rows = []
    for launch in _distinct(launches_of(name, DTYPES[dtype])):
        tile = {key: value for key, value in launch.constants.items() if isinstance(value, int | bool)}
        for target in targets:
            made = compile_launch(launch, target)
            rows.append(
                {"case": name, "dtype": dtype, "kernel": launch.kernel.fn.__name__, "target": target, "tile": tile}
            )
            rows[-1] |= made._asdict()
        print(name, dtype, rows[-1]["kernel"], flush=True)
    for row in rows:
        if is_fault(row):
            print("not as promised:", row, flush=True)
    return rows


def launches_of(name: str, dtype: torch.dtype) -> list[Launch]:
    """What a call, and its backward pass, would launch."""
    case = CASES[name]
    inputs = case.make(lambda *shape: torch.zeros(shape), BATCH, LENGTH)
    given = {
        key: x.to(dtype if x.is_floating_point() else x.dtype).requires_grad_() if isinstance(x, Tensor) else x
        for key, x in inputs.items()
    }
    with recorded_launches() as launches:
        y, _ = case.function(**given, backend="triton")
        y.float().sum().backward()
    return launches


def is_fault(row: dict[str, Any]) -> bool:
    """Spilled registers, or products of matrices without the units made for them; what AMD's compiler does is told."""
    return row["target"].startswith("sm_") and (row["spills"] > 0 or (CASES[row["case"]].dots and row["dots"] == 0))


def _distinct(launches: list[Launch]) -> list[Launch]:
    """One of each kernel and tile; arguments do not differ otherwise."""
    return list({(one.kernel.fn.__name__, str(one.constants)): one for one in launches}.values())


if __name__ == "__main__":
    main()
