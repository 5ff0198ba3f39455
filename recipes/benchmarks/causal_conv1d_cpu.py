"""The short causal convolution on one CPU thread, forward and backward, against torch's depthwise convolution.

    python recipes/benchmarks/causal_conv1d_cpu.py

Four taps and a bias, with SiLU and without. Torch's `conv1d` runs on the layout of the operator, (batch, length,
channels), with the transposes that takes, and on its own, (batch, channels, length). Contenders run in turns; medians
of the process's CPU time and of wall time.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad, silu

from interleaved import time_in_turns
from report import write_report
from tsssm_kernels import causal_conv1d

SHAPES = [(256, 32, 128), (32, 512, 128), (8, 4096, 256)]  # batch, length, channels
TAPS, ROUNDS, SEED = 4, 15, 0


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    figures = {}
    for shape in SHAPES:
        x, weight, bias = torch.randn(shape), torch.randn(TAPS, shape[2]), torch.randn(shape[2])
        own_layout = x.transpose(1, 2).contiguous(), weight.t().unsqueeze(1).contiguous(), bias
        for activation in (None, "silu"):
            contenders = {
                name: forward_and_backward(partial(causal_conv1d_of, backend, activation), x, weight, bias)
                for name, backend in (("compiled", "cpu"), ("shifted products in torch", "chunked"))
            }
            contenders["torch's conv1d"] = forward_and_backward(partial(transposed, activation), x, weight, bias)
            contenders["torch's conv1d, its layout"] = forward_and_backward(partial(plain, activation), *own_layout)
            name = f"{shape}, {activation or 'no activation'}"
            figures[name] = time_in_turns(contenders, ROUNDS)
            print(name, figures[name])
    write_report("causal_conv1d_cpu", {"seed": SEED, "taps": TAPS, "rounds": ROUNDS, "forward_and_backward": figures})


def forward_and_backward(function: Callable[..., Tensor], *tensors: Tensor) -> Callable[[], object]:
    """A run which gives the gradients of all tensors."""
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    incoming = torch.randn_like(tensors[0])
    return lambda: torch.autograd.grad(function(*leaves), leaves, incoming)


def causal_conv1d_of(backend: str, activation: str | None, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return causal_conv1d(x, weight, bias, activation=activation, backend=backend)[0]


def plain(activation: str | None, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    y = conv1d(pad(x, (TAPS - 1, 0)), weight, bias, groups=len(bias))
    return y if activation is None else silu(y)


def transposed(activation: str | None, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return plain(activation, x.transpose(1, 2), weight.t().unsqueeze(1), bias).transpose(1, 2)


if __name__ == "__main__":
    main()
