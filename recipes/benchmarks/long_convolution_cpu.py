"""The long convolution on one CPU thread: its two forms, attention, torch's own convolution, and a step of a stream.

    python recipes/benchmarks/long_convolution_cpu.py

The same number of inputs in sequences of each length, and a kernel as long as the sequence, forward and backward;
then kernels of different lengths on one length of sequence; then sequences with resets; then one step. Contenders run
in turns; medians of the process's CPU time and of wall time.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import importlib
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad, scaled_dot_product_attention

from interleaved import time_in_turns
from report import write_report
from tsssm_kernels import long_convolution, long_convolution_step

cpu = importlib.import_module("tsssm_kernels.long_convolution.cpu")

STEPS, CHANNELS, HEAD, SEED = 16384, 128, 32, 0
ROUNDS = {128: 9, 512: 9, 1024: 9, 2048: 5, 4096: 5, 16384: 3}  # by length
DIRECT_UP_TO = 512  # taps, of torch's convolution
LENGTH, TAPS = 4096, (4, 16, 64, 256, 512, 1024, 2048)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    lengths = {str(length): against_attention(length, rounds) for length, rounds in ROUNDS.items()}
    taps = {str(count): of_taps(count) for count in TAPS}
    resets = {name: with_resets(*of) for name, of in {"sums": (512, 512), "transforms": (2048, 2048)}.items()}
    steps = {str(count): one_step(count) for count in (256, 4096)}
    figures = {"lengths": lengths, f"taps, length {LENGTH}": taps, "resets": resets, "one_step": steps}
    write_report("long_convolution_cpu", {"seed": SEED, "steps": STEPS, "channels": CHANNELS, **figures})


def against_attention(length: int, rounds: int) -> dict[str, object]:
    """A kernel as long as the sequence, against attention of the same width."""
    u = torch.randn(STEPS // length, length, CHANNELS)
    contenders = forms(u, torch.randn(length, CHANNELS) / length)
    heads = [torch.randn(len(u), CHANNELS // HEAD, length, HEAD) for _ in range(3)]
    contenders["attention"] = forward_and_backward(partial(scaled_dot_product_attention, is_causal=True), *heads)
    if length > 4096:
        del contenders["sums"]
    if length <= DIRECT_UP_TO:
        x, weight = u.transpose(1, 2).contiguous(), torch.randn(CHANNELS, 1, length) / length
        contenders["torch's conv1d, its layout"] = forward_and_backward(depthwise, x, weight)
    return report(f"length {length}", contenders, rounds)


def of_taps(count: int) -> dict[str, object]:
    """Kernels of different lengths."""
    u = torch.randn(STEPS // LENGTH, LENGTH, CHANNELS)
    return report(f"taps {count}", forms(u, torch.randn(count, CHANNELS) / count), 9)


def with_resets(length: int, taps: int) -> dict[str, object]:
    """The same without resets, with one in every series, and with one every 50 steps, at random."""
    u, kernel = torch.randn(STEPS // length, length, CHANNELS), torch.randn(taps, CHANNELS) / taps
    one = torch.zeros(u.shape[:2], dtype=torch.bool)
    one[torch.arange(len(u)), torch.randint(1, length, (len(u),))] = True
    cases = {"none": None, "one": one, "every 50 steps": torch.rand(u.shape[:2]) < 1 / 50}
    runs = {name: forward_and_backward(partial(convolve, None, resets), u, kernel) for name, resets in cases.items()}
    return report(f"resets, length {length}", runs, 7)


def one_step(taps: int) -> dict[str, object]:
    """A step of one series, and of it the copy of the state."""
    u, kernel, state = torch.randn(1, CHANNELS), torch.randn(taps, CHANNELS), torch.randn(1, taps - 1, CHANNELS)
    block = torch.randn(1, 64, CHANNELS)
    runs: dict[str, Callable[[], object]] = {
        "step, 100 times": lambda: [long_convolution_step(u, kernel, state=state) for _ in range(100)],
        "copy of the state, 100 times": lambda: [state.clone() for _ in range(100)],
        "block of 64 steps": lambda: long_convolution(block, kernel, initial_state=state),
    }
    with torch.no_grad():
        return report(f"step, taps {taps}", runs, 15)


def forms(u: Tensor, kernel: Tensor) -> dict[str, Callable[[], object]]:
    """Both forms, the one that the operator chooses, and plain torch."""
    chosen = {"operator": cpu.PRODUCTS, "sums": float("inf"), "transforms": 0}
    runs = {
        name: forward_and_backward(partial(convolve, products, None), u, kernel) for name, products in chosen.items()
    }
    runs["transforms in torch"] = forward_and_backward(partial(in_torch), u, kernel)
    return runs


def forward_and_backward(function: Callable[..., Tensor], *tensors: Tensor) -> Callable[[], object]:
    """A run which gives the gradients of all tensors."""
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    incoming = torch.randn_like(tensors[0])
    return lambda: torch.autograd.grad(function(*leaves), leaves, incoming)


def convolve(products: float | None, resets: Tensor | None, u: Tensor, kernel: Tensor) -> Tensor:
    before = cpu.PRODUCTS
    try:
        cpu.PRODUCTS = before if products is None else products
        return long_convolution(u, kernel, resets=resets, backend="cpu")[0]
    finally:
        cpu.PRODUCTS = before


def in_torch(u: Tensor, kernel: Tensor) -> Tensor:
    return long_convolution(u, kernel, backend="chunked")[0]


def depthwise(x: Tensor, weight: Tensor) -> Tensor:
    return conv1d(pad(x, (weight.shape[2] - 1, 0)), weight, groups=len(weight))


def report(name: str, runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, object]:
    times = time_in_turns(runs, rounds)
    print(name, {contender: time["cpu_ms"] for contender, time in times.items()}, flush=True)
    return dict(times)


if __name__ == "__main__":
    main()
