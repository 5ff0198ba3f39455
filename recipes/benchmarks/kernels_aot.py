"""Every Triton kernel compiled ahead of time, no GPU needed: registers, spills, shared memory, matrix units.

    python recipes/benchmarks/kernels_aot.py [--targets sm_90] [--cases "slstm, 4 heads of 32"] [--check]

``TRITON_INTERPRET`` must not be set. Kernels and tiles are those that a call of the operator, forward and backward, in
float32 and in bfloat16, would launch. The report is written where all cases and targets were compiled. With `--check`
nothing is written: the command fails where a kernel of NVIDIA's spills registers, lacks the matrix units' instructions
that are promised, or takes more shared memory than there is.
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

from kernel_cases import CASES as TIMED
from kernel_cases import COMPILED, Case
from report import write_report
from tsssm_kernels.ahead_of_time import TARGETS, compile_launch
from tsssm_kernels.gpu_launch import Launch, recorded_launches

CASES: dict[str, Case] = TIMED | COMPILED
SHARED = {"sm_80": 163, "sm_90": 227, "sm_100": 227, "gfx942": 64}  # KiB of a program at most, by the makers' manuals
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
    if options.check or (options.targets, options.cases) != (list(TARGETS), list(CASES)):
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
    given = {key: _argument(x, dtype) if isinstance(x, Tensor) else x for key, x in inputs.items()}
    with recorded_launches() as launches:
        y, state = case.function(**given, backend="triton")
        (_total(y) + _total(state) if case.through_state else _total(y)).backward()
    return launches


def _argument(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers are differentiated in."""
    if x.dtype == torch.bool:
        return x
    return x.to(x.dtype if x.is_complex() else dtype).requires_grad_()


def is_fault(row: dict[str, Any]) -> bool:
    """Spills, products of matrices without the units made for them, too much memory; AMD's spills are told alone."""
    if row["shared"] > 1024 * SHARED[row["target"]]:
        return True
    return row["target"].startswith("sm_") and (row["spills"] > 0 or (CASES[row["case"]].dots and row["dots"] == 0))


def _total(made: Any) -> Tensor:
    """Of all real numbers in an output or a state."""
    if isinstance(made, Tensor):
        return (torch.view_as_real(made) if made.is_complex() else made).float().sum()
    return sum((_total(part) for part in made if part is not None), torch.zeros(()))


def _distinct(launches: list[Launch]) -> list[Launch]:
    """One of each kernel and tile; arguments do not differ otherwise."""
    return list({(one.kernel.fn.__name__, str(one.constants)): one for one in launches}.values())


if __name__ == "__main__":
    main()
