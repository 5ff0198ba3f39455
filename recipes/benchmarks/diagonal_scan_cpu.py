"""The diagonal scan on one CPU thread, forward and backward, against S4D's convolution and attention.

    python recipes/benchmarks/diagonal_scan_cpu.py

Contenders run in turns; medians of the process's CPU time and of wall time. Where time between steps differs, the
chunked form is timed too, once.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable

import torch
from torch.nn.functional import scaled_dot_product_attention

from interleaved import time_in_turns
from report import write_report
from tsssm_kernels import diagonal_scan

STEPS, WIDTH, HEAD = 8192, 128, 32  # of all series together; channels; of attention's heads
LENGTHS = {32: 9, 128: 9, 512: 7, 4096: 3}  # rounds
STATES = (8, 32)
CHUNKED_ROUNDS = 1
SEED = 0


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    results = {}
    for length, rounds in LENGTHS.items():
        contenders = {"attention": attention(length)}
        for state in STATES:
            contenders[f"scan, state {state}"] = scan(length, state, with_gaps=False)
            contenders[f"scan with gaps, state {state}"] = scan(length, state, with_gaps=True)
            contenders[f"convolution, state {state}"] = convolution(length, state)
        chunked = {f"chunked with gaps, state {n}": scan(length, n, with_gaps=True, backend="chunked") for n in STATES}
        results[str(length)] = time_in_turns(contenders, rounds) | time_in_turns(chunked, CHUNKED_ROUNDS)
        print(length, results[str(length)])
    figures = {"seed": SEED, "steps": STEPS, "channels": WIDTH, "width_of_heads": HEAD, "rounds": LENGTHS}
    figures["chunked_rounds"] = CHUNKED_ROUNDS
    write_report("diagonal_scan_cpu", {**figures, "forward_and_backward": results})


def make_inputs(length: int, state: int) -> list[torch.Tensor]:
    """Inputs and S4D-Lin parameters."""
    step = torch.logspace(-3, -1, WIDTH).unsqueeze(-1)
    log_A = step * torch.complex(torch.full((state,), -0.5), torch.pi * torch.arange(state))
    weights = [torch.randn(WIDTH, state, dtype=torch.complex64) for _ in range(2)]
    inputs = [torch.randn(STEPS // length, length, WIDTH), log_A, *weights, torch.randn(WIDTH)]
    return [x.requires_grad_() for x in inputs]


def scan(length: int, state: int, with_gaps: bool, backend: str = "cpu") -> Callable[[], object]:
    inputs = make_inputs(length, state)
    gaps = torch.rand(STEPS // length, length) if with_gaps else None

    def run() -> None:
        y, _ = diagonal_scan(*inputs, time_gaps=gaps, backend=backend)
        torch.autograd.grad(y, inputs, y.detach())

    return run


def convolution(length: int, state: int) -> Callable[[], object]:
    """The same output by way of powers of the transitions and Fourier transforms."""
    inputs = make_inputs(length, state)

    def run() -> None:
        u, log_A, B, C, D = inputs
        powers = (log_A.unsqueeze(-1) * torch.arange(length)).exp()
        kernel = 2 * torch.einsum("cn,cnl->cl", C * B, powers).real
        transformed = torch.fft.rfft(u.mT, n=2 * length) * torch.fft.rfft(kernel, n=2 * length)
        y = torch.fft.irfft(transformed, n=2 * length)[..., :length].mT + D * u
        torch.autograd.grad(y, inputs, y.detach())

    return run


def attention(length: int) -> Callable[[], object]:
    """Causal attention of the same width, without its projections."""
    parts = [torch.randn(STEPS // length, WIDTH // HEAD, length, HEAD, requires_grad=True) for _ in range(3)]

    def run() -> None:
        y = scaled_dot_product_attention(*parts, is_causal=True)
        torch.autograd.grad(y, parts, y.detach())

    return run


if __name__ == "__main__":
    main()
