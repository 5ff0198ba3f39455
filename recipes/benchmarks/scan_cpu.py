"""The selective scan on one CPU thread, forward and backward, against a parallel scan in torch and attention.

    python recipes/benchmarks/scan_cpu.py

Contenders run in turns; medians of the process's CPU time and of wall time. Needs the package `mambapy` for one of
them, and goes without if it is not installed.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable

import torch
from torch.nn.functional import scaled_dot_product_attention, silu

from interleaved import time_in_turns
from report import write_report
from tsssm_kernels import selective_scan

SIZES = {(32, 512, 128, 16): 9, (8, 4096, 256, 16): 2}  # (batch, length, channels, state): rounds
HEADS = (16, 32, 64)  # widths of attention's heads
SEED = 0


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
    write_report("scan_cpu", figures)


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


if __name__ == "__main__":
    main()
