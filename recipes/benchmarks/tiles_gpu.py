"""Measure the tiles of the Triton kernels on a GPU, and write the fastest into their table.

    python recipes/benchmarks/tiles_gpu.py [--kernels decay_attention.states ...] [--length 4096]

For each kernel of ``gpu_tiles.json`` and each row of it, every tile with constants doubled or halved is timed on calls
of the operator at a width of that row, forward and backward, in float32 and bfloat16, in turns. Tiles that do not
compile, do not fit, or are cut down at that width are left out. What counts is the mean, over the calls, of a tile's
median to the least one. The rows of the architecture that was measured are written; those of others stay.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import kernel_cases
import tsssm_kernels.gpu_tiles as gpu_tiles
from kernel_cases import Case
from kernels_gpu import seconds
from tsssm_kernels.gpu_launch import recorded_launches

TABLE = Path(gpu_tiles.__file__).with_suffix(".json")
STEPS, ROUNDS = 131_072, 9
FACTORS = (0.5, 1, 2)
LEAST = {"KEYS": 16, "VALUES": 16, "SERIES": 16}  # what the matrix units take
WIDTH = 128  # of calls for rows that hold it; others have their own
DTYPES = (torch.float32, torch.bfloat16)

Row = dict[str, int]
Run = Callable[[], None]


def main() -> None:
    table = json.loads(TABLE.read_text())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernels", nargs="+", choices=table, default=list(table))
    parser.add_argument("--length", type=int, default=4096)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("There is no GPU here: nothing was measured.")
    name = gpu_tiles.architecture(torch.device("cuda"))
    for kernel in options.kernels:
        rows = [dict(row) for row in table[kernel].get(name, table[kernel]["any"])]
        for index in range(len(rows)):
            rows[index] = best(kernel, rows, index, name, options.length)
            print(kernel, rows[index], flush=True)
        table[kernel][name] = rows
        gpu_tiles.set_rows(kernel, name, rows)
        TABLE.write_text(written(table))


def best(kernel: str, rows: list[Row], index: int, name: str, length: int) -> Row:
    """The row whose calls take least time, of those around it."""
    runs = calls_of(kernel, width_of(rows, index), length, "cuda")

    def replaced(row: Row) -> list[Row]:
        return [*rows[:index], row, *rows[index + 1 :]]

    candidates = []
    for row in around(rows[index]):
        if not all(uses(run, kernel, replaced(row), index, name) for run in runs):
            print("not used as it is at this width:", row, flush=True)
            continue
        gpu_tiles.set_rows(kernel, name, replaced(row))
        try:
            for run in runs:
                seconds(run, "cuda")
        except Exception as error:  # a tile that is too large for the device says so in many ways
            print("left out:", row, type(error).__name__, flush=True)
        else:
            candidates.append(row)
    if not candidates:
        sys.exit(f"{kernel}: no tile around {rows[index]} runs on this device.")
    took: list[list[list[float]]] = [[[] for _ in runs] for _ in candidates]
    for _ in range(ROUNDS):
        for row, times in zip(candidates, took):
            gpu_tiles.set_rows(kernel, name, replaced(row))
            for run, some in zip(runs, times):
                some.append(seconds(run, "cuda"))
    medians = [[statistics.median(some) for some in times] for times in took]
    least = [min(column) for column in zip(*medians)]
    shares = [statistics.mean(one / fastest for one, fastest in zip(of_row, least)) for of_row in medians]
    return candidates[shares.index(min(shares))]


def around(row: Row) -> Iterator[Row]:
    """The row, and those with constants doubled or halved."""
    names = [key for key in row if key not in ("up_to", "num_stages")]
    for factors in itertools.product(FACTORS, repeat=len(names)):
        tried = row | {key: int(row[key] * factor) for key, factor in zip(names, factors)}
        if all(tried[key] >= LEAST.get(key, 1) for key in names) and tried["num_warps"] <= 16:
            yield tried


def width_of(rows: list[Row], index: int) -> int:
    """A width that is found in this row and in none before it."""
    before = rows[index - 1]["up_to"] if index else 0
    return min(rows[index]["up_to"], WIDTH) if before < WIDTH else min(rows[index]["up_to"], 2 * before)


def calls_of(kernel: str, width: int, length: int, device: str, steps: int = STEPS) -> list[Run]:
    """Forward and backward calls that run the kernel at a width, in each dtype."""
    return [call_of(case, length, device, kind, steps) for case in cases_of(kernel, width) for kind in DTYPES]


def cases_of(kernel: str, width: int) -> list[Case]:
    """The operator at a width, with all kinds of decays that the kernel serves."""
    operator, _, part = kernel.partition(".")
    heads = max(1, 256 // width)
    decays = {"key_gradients": ["keys"], "query_gradients": ["heads"], "written_gradients": ["heads"]}
    by_operator: dict[str, Callable[[], list[Case]]] = {
        "selective_scan": lambda: [kernel_cases.scan_case(128, width)],
        "decay_attention": lambda: [
            kernel_cases.attention_case(heads, width, decay) for decay in decays.get(part, ["heads", "keys"])
        ],
        "delta_rule": lambda: [kernel_cases.delta_case(heads, width, decay) for decay in ("heads", "keys")],
        "causal_conv1d": lambda: [kernel_cases.convolution_case(width, 4)],
        "slstm": lambda: [kernel_cases.slstm_case(heads, width)],
        "diagonal_scan": lambda: [kernel_cases.diagonal_case(128, width)],
    }
    return by_operator[operator]()


def call_of(case: Case, length: int, device: str, kind: torch.dtype, steps: int) -> Run:
    """Forward and backward."""
    inputs = case.make(lambda *shape: torch.randn(shape, device=device), max(1, steps // length), length)
    given = {
        key: x.to(kind if x.is_floating_point() else x.dtype).detach().requires_grad_() if isinstance(x, Tensor) else x
        for key, x in inputs.items()
    }
    tensors = [x for x in given.values() if isinstance(x, Tensor)]

    def run() -> None:
        y, _ = case.function(**given, backend="triton")
        torch.autograd.grad(y, tensors, torch.ones_like(y), allow_unused=True)

    return run


def uses(run: Run, kernel: str, rows: list[Row], index: int, name: str) -> bool:
    """Whether a call launches kernels with a row's tile as it stands, of all rows of a kernel."""
    before = gpu_tiles.TABLE[kernel].get(name, gpu_tiles.TABLE[kernel]["any"])
    marked = [row | ({"tuned": 1} if row is rows[index] else {}) for row in rows]
    gpu_tiles.set_rows(kernel, name, marked)
    try:
        with recorded_launches() as launches:
            run()
    finally:
        gpu_tiles.set_rows(kernel, name, before)
    of_row = [one.constants for one in launches if "tuned" in one.constants]
    tile = {key: value for key, value in rows[index].items() if key != "up_to"}
    return bool(of_row) and all(constants | tile == constants for constants in of_row)


def written(table: dict[str, Any]) -> str:
    """A line a row."""
    kernels = []
    for kernel, architectures in table.items():
        rows = [
            f'    "{name}": [\n' + ",\n".join(f"      {json.dumps(row)}" for row in some) + "\n    ]"
            for name, some in architectures.items()
        ]
        kernels.append(f'  "{kernel}": {{\n' + ",\n".join(rows) + "\n  }")
    return "{\n" + ",\n".join(kernels) + "\n}\n"


if __name__ == "__main__":
    main()
