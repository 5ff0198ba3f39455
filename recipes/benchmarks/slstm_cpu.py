"""The sLSTM on one CPU thread, forward and backward, against its loop in torch and torch's LSTM.

    python recipes/benchmarks/slstm_cpu.py

Contenders run in turns; medians of the process's CPU time and of wall time.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable

import torch

from interleaved import time_in_turns
from report import write_report
from tsssm_kernels import slstm

SIZES = {(32, 128, 64): 9, (8, 1024, 128): 5}  # (batch, length, width): rounds
HEADS = (1, 4)
SEED = 0


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    results = {}
    for size, rounds in SIZES.items():
        contenders = {"torch.nn.LSTM": torch_lstm(*size)}
        for heads in HEADS:
            contenders[f"{heads} heads"] = operator(*size, heads, None)
            contenders[f"{heads} heads, with the projection of inputs"] = with_projection(*size, heads)
            contenders[f"{heads} heads, loop in torch"] = operator(*size, heads, "reference")
        results[str(size)] = time_in_turns(contenders, rounds)
        print(size, results[str(size)])
    write_report("slstm_cpu", {"seed": SEED, "rounds": list(SIZES.values()), "forward_and_backward": results})


def recurrent_weights(width: int, heads: int) -> torch.Tensor:
    of_head = width // heads
    return (torch.randn(heads, 4, of_head, of_head) / (2 * of_head**0.5)).requires_grad_()


def operator(batch: int, length: int, width: int, heads: int, backend: str | None) -> Callable[[], object]:
    gates = torch.randn(batch, length, heads, 4, width // heads, requires_grad=True)
    recurrent = recurrent_weights(width, heads)

    def run() -> None:
        y, _ = slstm(gates, recurrent, backend=backend)
        torch.autograd.grad(y, [gates, recurrent], y.detach())

    return run


def with_projection(batch: int, length: int, width: int, heads: int) -> Callable[[], object]:
    """What an LSTM computes: gates from inputs of the same width, then the recurrence."""
    x = torch.randn(batch, length, width, requires_grad=True)
    project, recurrent = torch.nn.Linear(width, 4 * width), recurrent_weights(width, heads)

    def run() -> None:
        y, _ = slstm(project(x).unflatten(-1, (heads, 4, width // heads)), recurrent)
        torch.autograd.grad(y, [x, recurrent, *project.parameters()], y.detach())

    return run


def torch_lstm(batch: int, length: int, width: int) -> Callable[[], object]:
    x = torch.randn(batch, length, width, requires_grad=True)
    lstm = torch.nn.LSTM(width, width, batch_first=True)

    def run() -> None:
        y, _ = lstm(x)
        torch.autograd.grad(y, [x, *lstm.parameters()], y.detach())

    return run


if __name__ == "__main__":
    main()
