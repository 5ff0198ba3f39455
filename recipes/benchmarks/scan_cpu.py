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

SIZES = {(32, 512, 128, 16): 9, (8, 4096, 256, 16): 3}  # (batch, length, channels, state): rounds
HEAD = 64  # of attention's heads: the fastest of 16, 32 and 64
SEED = 0

FIRST_CALL = """
import time, torch
from tsssm_kernels import selective_scan
u = torch.randn(2, 16, 32, requires_grad=True)
B = torch.randn(2, 16, 16)
begin = time.perf_counter()
y, _ = selective_scan(u, u.abs(), -torch.rand(32, 16), B, B, z=u)
y.sum().backward()
print(time.perf_counter() - begin)
"""


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    results = {}
    for size, rounds in SIZES.items():
        times = time_in_turns({"tsssm": ours(*size), **parallel_scan(*size), "attention": attention(*size)}, rounds)
        scan = times["tsssm"]["cpu_ms"]
        ratios = {name: round(time["cpu_ms"] / scan, 1) for name, time in times.items() if name != "tsssm"}
        results[str(size)] = {"times": times, "cpu_time_in_units_of_tsssm": ratios}
        print(size, results[str(size)])
    figures = {"seed": SEED, "head_width": HEAD, "rounds": list(SIZES.values()), "forward_and_backward": results}
    write_report("scan_cpu", {**figures, "first_call_seconds": first_call()})


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


def attention(batch: int, length: int, channels: int, state: int) -> Callable[[], object]:
    """Causal attention of the same width, without its projections."""
    parts = [torch.randn(batch, channels // HEAD, length, HEAD, requires_grad=True) for _ in range(3)]

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


def first_call() -> dict[str, float]:
    """Seconds of the first forward and backward in a process, without and with compiled code in the cache."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("compiling", "from the cache"):
            environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
            command = [sys.executable, "-c", FIRST_CALL]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            seconds[name] = round(float(done.stdout), 2)
    print(seconds)
    return seconds


if __name__ == "__main__":
    main()
