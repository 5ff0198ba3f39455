"""Measure the tiles of the Triton kernels on a GPU, and write the fastest into their table.

    python recipes/benchmarks/tiles_gpu.py [--kernels decay_attention.states ...] [--length 4096]

For each kernel of ``gpu_tiles.json`` and each row of it, every tile with constants doubled or halved is timed on a call
of the operator at that width, forward and backward, in turns; tiles that do not compile are left out. The rows of the
architecture that was measured are written; those of others stay.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import tsssm_kernels.gpu_tiles as gpu_tiles
from kernel_cases import CASES
from kernels_gpu import seconds

TABLE = Path(gpu_tiles.__file__).with_suffix(".json")
STEPS, ROUNDS = 131_072, 9
FACTORS = (0.5, 1, 2)
OPERATORS = {"decay_attention.key_gradients": "decay_attention, keys", "decay_attention": "decay_attention, heads"}


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


def best(kernel: str, rows: list[dict[str, int]], index: int, name: str, length: int) -> dict[str, int]:
    """The row whose call takes least time, of those around it."""
    run = call_of(kernel, rows[index]["up_to"], length)
    candidates = list(around(rows[index]))
    times: list[list[float]] = [[] for _ in candidates]
    for turn in range(-1, ROUNDS):
        for tried, took in zip(candidates, times):
            gpu_tiles.set_rows(kernel, name, [*rows[:index], tried, *rows[index + 1 :]])
            try:
                one = seconds(run, "cuda")
            except Exception as error:  # a tile that is too large for the device says so in many ways
                print("left out:", tried, type(error).__name__, flush=True)
                one = float("inf")
            if turn >= 0:
                took.append(one)
    return min(zip(times, candidates), key=lambda pair: statistics.median(pair[0]))[1]


def around(row: dict[str, int]) -> Iterator[dict[str, int]]:
    """The row, and those with constants doubled or halved."""
    names = [key for key in row if key not in ("up_to", "num_stages")]
    for factors in itertools.product(FACTORS, repeat=len(names)):
        tried = row | {key: int(row[key] * factor) for key, factor in zip(names, factors)}
        least = {"KEYS": 16, "VALUES": 16}
        if all(tried[key] >= least.get(key, 1) for key in names) and tried.get("num_warps", 1) <= 16:
            yield tried


def call_of(kernel: str, width: int, length: int) -> Any:
    """A forward and backward call that runs the kernel, at the case whose width is nearest."""
    operator = next(
        case for start, case in [*OPERATORS.items(), ("", kernel.split(".")[0])] if kernel.startswith(start)
    )
    names = [name for name in CASES if name.startswith(operator)]
    case = CASES[min(names, key=lambda name: abs(int(name.split()[-1]) - width) if name.split()[-1].isdigit() else 0)]
    inputs = case.make(lambda *shape: torch.randn(shape, device="cuda"), max(1, STEPS // length), length)
    tensors = [x.detach().requires_grad_() for x in inputs.values() if isinstance(x, Tensor)]
    given = dict(inputs) | dict(zip((key for key, x in inputs.items() if isinstance(x, Tensor)), tensors))

    def run() -> None:
        y, _ = case.function(**given, backend="triton")
        torch.autograd.grad(y, tensors, torch.ones_like(y), allow_unused=True)

    return run


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
