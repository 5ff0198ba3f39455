"""Recurrences with matrix states on one CPU thread, forward and backward, against causal attention of the same width.

    python recipes/benchmarks/operators_cpu.py [--lengths 32 128 ...] [--heads 16 32 64]

8,192 tokens of 128 channels in sequences of each length, heads of each width, states of width times width. Contenders
run in turns; medians of the process's CPU time. Prints and writes, besides all times, the shortest length from which
each operator's compiled form is ahead of attention, and for some lengths the times of the chunked form.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize, scaled_dot_product_attention

from interleaved import time_in_turns
from report import write_report
from tsssm_kernels import decay_attention, delta_rule

TOKENS, CHANNELS = 8192, 128
LENGTHS, HEADS = (16, 32, 64, 128, 256, 512, 1024, 4096), (16, 32, 64)
CHUNKED_LENGTHS = (32, 512, 4096)
ROUNDS, CHUNKED_ROUNDS, SEED = 7, 1, 0
OPERATORS = ("decay attention", "decay attention, by key", "delta rule", "delta rule, by key")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS)
    parser.add_argument("--heads", nargs="+", type=int, default=HEADS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    times: dict[int, dict[int, dict[str, float]]] = {}
    for width in options.heads:
        times[width] = {}
        for length in options.lengths:
            compiled, chunked = contenders(length, width)
            turns = time_in_turns(compiled, ROUNDS)
            if length in CHUNKED_LENGTHS:
                turns |= time_in_turns(chunked, CHUNKED_ROUNDS)
            found = times[width][length] = {name: time["cpu_ms"] for name, time in turns.items()}
            ratios = {name: f"{ms:.1f} ms, {ms / found['attention']:.2f}" for name, ms in found.items()}
            print(width, length, ratios, flush=True)
    ahead = {width: {name: ahead_from(by_length, name) for name in OPERATORS} for width, by_length in times.items()}
    print("ahead of attention from this length on:", ahead)
    figures = {"seed": SEED, "rounds": ROUNDS, "tokens": TOKENS, "channels": CHANNELS, "chunked_rounds": CHUNKED_ROUNDS}
    write_report("operators_cpu", {**figures, "cpu_ms_by_head_width_and_length": times, "ahead_from_length": ahead})


def contenders(length: int, width: int) -> list[dict[str, Callable[[], object]]]:
    """Attention and the compiled forms, and the chunked ones."""
    batch, heads = max(1, TOKENS // length), CHANNELS // width
    q, k, v, a = (torch.randn(batch, length, heads, width) for _ in range(4))
    a = normalize(a, dim=-1)
    of_head, of_key = -torch.rand(batch, length, heads), -torch.rand(batch, length, heads, width)

    def decay(log_decay: Tensor, backend: str) -> Callable[[], object]:
        inputs = [x.clone().requires_grad_() for x in (q, k, v, log_decay)]
        return lambda: backward(decay_attention(*inputs, backend=backend)[0], inputs)

    def delta(log_decay: Tensor, backend: str) -> Callable[[], object]:
        inputs = [x.clone().requires_grad_() for x in (q, k, v, -a, a / 2, log_decay)]
        return lambda: backward(delta_rule(*inputs, backend=backend)[0], inputs)

    def attention() -> object:
        y = scaled_dot_product_attention(*(x.transpose(1, 2) for x in parts), is_causal=True)
        return backward(y, parts)

    parts = [x.clone().requires_grad_() for x in (q, k, v)]
    return [
        {
            "attention": attention,
            "decay attention": decay(of_head, "cpu"),
            "decay attention, by key": decay(of_key, "cpu"),
            "delta rule": delta(of_head, "cpu"),
            "delta rule, by key": delta(of_key, "cpu"),
        },
        {
            "decay attention, chunked": decay(of_head, "chunked"),
            "decay attention, by key, chunked": decay(of_key, "chunked"),
            "delta rule, chunked": delta(of_head, "chunked"),
            "delta rule, by key, chunked": delta(of_key, "chunked"),
        },
    ]


def backward(y: Tensor, inputs: list[Tensor]) -> object:
    return torch.autograd.grad(y, inputs, y.detach())


def ahead_from(by_length: dict[int, dict[str, float]], name: str) -> int | None:
    """The shortest length from which on it takes less time than attention at every length, if there is one."""
    found = None
    for length in sorted(by_length, reverse=True):
        if by_length[length][name] >= by_length[length]["attention"]:
            break
        found = length
    return found


if __name__ == "__main__":
    main()
