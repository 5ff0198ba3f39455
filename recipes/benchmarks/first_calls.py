"""CPU time of an operator's first call, forward and backward, with nothing compiled yet and from the cache.

    python recipes/benchmarks/first_calls.py

Each operator runs in processes of its own with a cache folder of its own: so it compiles all that it needs, also
what it shares with others. What is written is the time of the first call beyond the second's. Before it, torch has run
another form of the operator, with first calls of its own, and Numba is imported; what that import takes is written
too, and what that of `torch._dynamo` would, which registration by `torch.library.custom_op` costs. Of several rounds
the least counts: what else a machine does can only add.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

import torch

from every_operator import (
    Example,
    attention_example,
    decay_example,
    delta_example,
    diagonal_example,
    long_convolution_example,
    mamba_example,
    scan_example,
    short_convolution_example,
    slstm_example,
)
from report import write_report
from tsssm_kernels import mamba_inner_step

BATCH, LENGTH, ROUNDS, SEED = 2, 16, 3, 0
EXAMPLES: dict[str, Callable[[int, int], Example]] = {
    "selective_scan": scan_example,
    "mamba_inner": mamba_example,
    "decay_attention": decay_example,
    "delta_rule": delta_example,
    "diagonal_scan": diagonal_example,
    "diagonal_scan, with gaps": partial(diagonal_example, gaps=True),
    "slstm": slstm_example,
    "causal_conv1d": short_convolution_example,
    "long_convolution, by sums": long_convolution_example,
    "window_attention": attention_example,
}
STEP = "mamba_inner_step"  # forward alone: there is no compiled step with gradients
IMPORTS = ("numba", "torch._dynamo")


def main() -> None:
    found: dict[str, dict[str, float]] = {}
    for name in (*EXAMPLES, STEP):
        rounds = [compile_and_read(name) for _ in range(ROUNDS)]
        found[name] = {key: _least([seconds[key] for seconds in rounds]) for key in rounds[0]}
        print(name, found[name], flush=True)
    imports = {name: _least([measure(f"import {name}") for _ in range(ROUNDS)]) for name in IMPORTS}
    print("import", imports)
    figures = {"seed": SEED, "rounds": ROUNDS, "batch": BATCH, "length": LENGTH}
    write_report("first_calls", {**figures, "cpu_seconds": found, "import_cpu_seconds": imports})


def compile_and_read(name: str) -> dict[str, float]:
    """Seconds of the first call in a process that compiles, and in the next."""
    with tempfile.TemporaryDirectory() as folder:
        return {key: measure(name, folder) for key in ("compiled", "from the cache")}


def measure(name: str, cache: str = "") -> float:
    """What this script, called with a name, prints in a process of its own."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    command = [sys.executable, __file__, name]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def first_call(name: str) -> float:
    """Seconds of CPU time of a first call in this process, beyond the second."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    if name.startswith("import "):
        return seconds(lambda: __import__(name.removeprefix("import ")))
    run = step() if name == STEP else forward_and_backward(EXAMPLES[name](BATCH, LENGTH))
    run("reference")  # torch's own first calls
    __import__("numba")
    return seconds(lambda: run("cpu")) - seconds(lambda: run("cpu"))


def forward_and_backward(example: Example) -> Callable[[str], object]:
    def run(backend: str) -> object:
        y = example.output(backend)
        return torch.autograd.grad(y, example.tensors(), y.detach())

    return run


def step() -> Callable[[str], object]:
    inputs = {name: x.detach() for name, x in mamba_example(BATCH, LENGTH).inputs.items()}
    xz, channels = inputs.pop("xz"), inputs["D"].shape[0]
    rest = {"tail": torch.zeros(BATCH, 3, channels), "state": torch.zeros(BATCH, *inputs["A"].shape)}

    def run(backend: str) -> object:
        os.environ["TSSSM_BACKEND"] = backend
        return mamba_inner_step(xz[:, 0], **inputs, **rest)

    return run


def seconds(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def _least(values: list[float]) -> float:
    return round(min(values), 2)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(first_call(sys.argv[1]))
    else:
        main()
