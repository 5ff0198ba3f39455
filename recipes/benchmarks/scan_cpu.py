"""The selective scan on one CPU thread, forward and backward, against a parallel scan in torch and attention.

    python recipes/benchmarks/scan_cpu.py

Contenders run in turns; medians of the process's CPU time and of wall time. Needs the package `mambapy` for one of
them, and goes without if it is not installed.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import subprocess
import sys
import tempfile
from collections.abc import Callable

import torch
from torch.nn.functional import scaled_dot_product_attention, silu

from interleaved import time_in_turns
from report import write_report
from tsssm_kernels import selective_scan

SIZES = {(32, 512, 128, 16): 9, (8, 4096, 256, 16): 2}  # (batch, length, channels, state): rounds
HEADS = (16, 32, 64)  # widths of attention's heads
SEED = 0

FIRST_CALLS = """
import time, torch
from tsssm_kernels import mamba_inner, mamba_inner_step, selective_scan
u = torch.randn(2, 16, 32, requires_grad=True)
xz = torch.randn(2, 16, 64, requires_grad=True)
A, B, D = -torch.rand(32, 16), torch.randn(2, 16, 16), torch.ones(32)
weights = torch.randn(4, 32), D, torch.randn(34, 32), torch.randn(32, 2), D, A, D
tail, state = torch.zeros(2, 3, 32), torch.zeros(2, 32, 16)

def scan(backend="cpu"):
    selective_scan(u, u.abs(), A, B, B, z=u, backend=backend)[0].sum().backward()

def inner(backend="cpu"):
    mamba_inner(xz, *weights, tail=tail, initial_state=state, backend=backend)[0].sum().backward()

def step():
    with torch.no_grad():
        mamba_inner_step(xz[:, 0], *weights, tail=tail, state=state)

def seconds(run):
    begin = time.process_time()
    run()
    return time.process_time() - begin

scan("chunked"), inner("chunked")  # torch's own first calls
imports = [seconds(lambda: __import__(name)) for name in ("torch._dynamo", "numba")]
print(*imports, *(seconds(run) - seconds(run) for run in (scan, inner, step)))
"""


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    results = {}
    for size, rounds in SIZES.items():
        attentions = {f"attention, heads of {head}": attention(*size, head) for head in HEADS}
        times = time_in_turns({"tsssm": ours(*size), **parallel_scan(*size), **attentions}, rounds)
        scan = times["tsssm"]["cpu_ms"]
        ratios = {name: round(time["cpu_ms"] / scan, 1) for name, time in times.items() if name != "tsssm"}
        results[str(size)] = {"times": times, "cpu_time_in_units_of_tsssm": ratios}
        print(size, results[str(size)])
    figures = {"seed": SEED, "rounds": list(SIZES.values()), "forward_and_backward": results}
    write_report("scan_cpu", {**figures, "first_call_seconds": first_calls()})


def ours(batch: int, length: int, channels: int, state: int) -> Callable[[], object]:
    """The library's scan with gate, skip and softplus."""
    inputs = make_inputs(batch, length, channels, state)

    def run() -> None:
        y, _ = selective_scan(**inputs, delta_softplus=True)
        torch.autograd.grad(y, list(inputs.values()), inputs["u"].detach())

    return run


def parallel_scan(batch: int, length: int, channels: int, state: int) -> dict[str, Callable[[], object]]:
    """mambapy's parallel scan and what its block computes around it."""
    try:
        from mambapy.pscan import pscan
    except ImportError:
        print("mambapy is not installed: its parallel scan is left out (pip install mambapy)")
        return {}
    inputs = make_inputs(batch, length, channels, state)

    def run() -> None:
        u, delta, A, B, C, D, z = inputs.values()
        step = torch.nn.functional.softplus(delta).unsqueeze(-1)
        states = pscan(torch.exp(step * A), step * B.unsqueeze(2) * u.unsqueeze(-1))
        y = ((states @ C.unsqueeze(-1)).squeeze(3) + D * u) * silu(z)
        torch.autograd.grad(y, list(inputs.values()), u.detach())

    return {"mambapy": run}


def attention(batch: int, length: int, channels: int, state: int, head: int) -> Callable[[], object]:
    """Causal attention of the same width, without its projections."""
    parts = [torch.randn(batch, channels // head, length, head, requires_grad=True) for _ in range(3)]

    def run() -> None:
        y = scaled_dot_product_attention(*parts, is_causal=True)
        torch.autograd.grad(y, parts, parts[0].detach())

    return run


def make_inputs(batch: int, length: int, channels: int, state: int) -> dict[str, torch.Tensor]:
    inputs = {
        "u": torch.randn(batch, length, channels),
        "delta": torch.randn(batch, length, channels) - 3,
        "A": -torch.arange(1.0, state + 1).repeat(channels, 1),
        "B": torch.randn(batch, length, state),
        "C": torch.randn(batch, length, state),
        "D": torch.randn(channels),
        "z": torch.randn(batch, length, channels),
    }
    return {name: value.requires_grad_() for name, value in inputs.items()}


def first_calls() -> dict[str, dict[str, float]]:
    """CPU time of the first calls in a process beyond the second, without and with compiled code in the cache.

    Torch has run the operators in its own form before. "scan" and "inner" are forward and backward. The import of
    `torch._dynamo` is what registration by `torch.library.custom_op` would cost besides.
    """
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("compiling", "from the cache"):
            environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
            command = [sys.executable, "-c", FIRST_CALLS]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            names = ("import torch._dynamo", "import numba", "scan", "inner, after the scan", "step, after both")
            found[name] = {key: round(float(part), 2) for key, part in zip(names, done.stdout.split())}
    print(found)
    return found


if __name__ == "__main__":
    main()
