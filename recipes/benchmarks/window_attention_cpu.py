"""Window attention on one CPU thread, forward and backward, against torch's attention to the whole past.

    python recipes/benchmarks/window_attention_cpu.py

8,192 steps in sequences of several lengths. Contenders run in turns; medians of the process's CPU time and of wall
time.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable

import torch
from torch.nn.functional import scaled_dot_product_attention

from interleaved import time_in_turns
from report import write_report
from tsssm_kernels import window_attention

STEPS, WIDTH, ROUNDS, SEED = 8192, 64, 7, 0
LENGTHS = (64, 256, 1024, 4096)
WINDOWS = (30, 128)
HEADS = (16, 64)  # widths of heads
FORMS = ("cpu", "chunked")


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    times = {}
    for head in HEADS:
        for length in LENGTHS:
            contenders = {"scaled_dot_product_attention": whole_past(length, head)}
            for form in FORMS:
                for window in WINDOWS:
                    contenders[f"{form}, window {window}"] = ours(length, head, window, form, None)
            contenders["cpu, window 30, turning"] = ours(length, head, 30, "cpu", 1000.0)
            name = f"heads of {head}, length {length}"
            times[name] = time_in_turns(contenders, ROUNDS)
            print(name, times[name])
    figures = {"seed": SEED, "rounds": ROUNDS, "steps": STEPS, "width": WIDTH}
    write_report("window_attention_cpu", {**figures, "forward_and_backward": times})


def ours(length: int, head: int, window: int, form: str, rotary_base: float | None) -> Callable[[], object]:
    """The library's operator in one of its forms."""
    inputs = [torch.randn(STEPS // length, length, WIDTH // head, head, requires_grad=True) for _ in range(3)]

    def run() -> None:
        y, _ = window_attention(*inputs, window, rotary_base=rotary_base, backend=form)
        torch.autograd.grad(y, inputs, inputs[0].detach())

    return run


def whole_past(length: int, head: int) -> Callable[[], object]:
    """Torch's attention of each step to all before it."""
    inputs = [torch.randn(STEPS // length, WIDTH // head, length, head, requires_grad=True) for _ in range(3)]

    def run() -> None:
        y = scaled_dot_product_attention(*inputs, is_causal=True)
        torch.autograd.grad(y, inputs, inputs[0].detach())

    return run


if __name__ == "__main__":
    main()
