"""An example of every compiled operator, of sizes as networks have them, for scripts that measure them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tsssm_kernels import (
    causal_conv1d,
    decay_attention,
    delta_rule,
    diagonal_scan,
    long_convolution,
    mamba_inner,
    selective_scan,
    slstm,
    window_attention,
)


@dataclass(frozen=True)
class Example:
    """An operator and inputs of it; per number of which input the figures are."""

    function: Callable[..., tuple[Any, ...]]
    inputs: dict[str, Any]
    per_number_of: tuple[str, ...]

    def output(self, backend: str | None = None) -> Tensor:
        """The first of the results."""
        return self.function(**self.inputs, backend=backend)[0]

    def tensors(self) -> list[Tensor]:
        """The inputs that want gradients."""
        return [x for x in self.inputs.values() if isinstance(x, Tensor) and x.requires_grad]

    def numbers(self) -> int:
        """How many numbers the figures are divided by."""
        return sum(self.inputs[name].numel() for name in self.per_number_of)


def scan_example(batch: int, length: int, channels: int = 64, state: int = 16) -> Example:
    inputs = {
        "u": torch.randn(batch, length, channels),
        "delta": torch.randn(batch, length, channels),
        "A": -torch.rand(channels, state),
        "B": torch.randn(batch, length, state),
        "C": torch.randn(batch, length, state),
        "D": torch.randn(channels),
        "z": torch.randn(batch, length, channels),
    }
    return Example(selective_scan, _wanted(inputs) | {"delta_softplus": True}, ("u",))


def mamba_example(batch: int, length: int, channels: int = 64, state: int = 16, rank: int = 4) -> Example:
    inputs = {
        "xz": torch.randn(batch, length, 2 * channels),
        "conv_weight": torch.randn(4, channels),
        "conv_bias": torch.randn(channels),
        "x_projection_weight": torch.randn(rank + 2 * state, channels) / channels**0.5,
        "delta_projection_weight": torch.randn(channels, rank) / 2,
        "delta_projection_bias": torch.randn(channels),
        "A": -torch.rand(channels, state),
        "D": torch.randn(channels),
    }
    return Example(mamba_inner, _wanted(inputs), ("xz",))


def decay_example(batch: int, length: int, width: int = 16) -> Example:
    q, k, v = _heads(batch, length, width, 3)
    inputs = {"q": q, "k": k, "v": v, "log_decay": -torch.rand(q.shape[:3])}
    return Example(decay_attention, _wanted(inputs), ("q", "k", "v"))


def delta_example(batch: int, length: int, width: int = 16) -> Example:
    q, k, v, a, b = _heads(batch, length, width, 5)
    inputs = {"q": q, "k": k, "v": v, "a": -a, "b": b / 2, "log_decay": -torch.rand(q.shape[:3])}
    return Example(delta_rule, _wanted(inputs), ("q", "k", "v", "a", "b"))


def diagonal_example(batch: int, length: int, state: int = 8, gaps: bool = False, channels: int = 64) -> Example:
    log_A, B, C = (torch.randn(channels, state, dtype=torch.complex64) for _ in range(3))
    inputs = {"u": torch.randn(batch, length, channels), "log_A": torch.complex(-log_A.real.exp(), log_A.imag)}
    inputs |= {"B": B, "C": C} | ({"time_gaps": torch.rand(batch, length)} if gaps else {})
    return Example(diagonal_scan, _wanted(inputs), ("u",))


def slstm_example(batch: int, length: int, width: int = 16) -> Example:
    heads = 64 // width
    inputs = {
        "gates": torch.randn(batch, length, heads, 4, width),
        "recurrent": torch.randn(heads, 4, width, width) / 8,
    }
    return Example(slstm, _wanted(inputs), ("gates",))


def short_convolution_example(batch: int, length: int, activation: str | None = None, channels: int = 64) -> Example:
    inputs = {"x": torch.randn(batch, length, channels), "weight": torch.randn(4, channels)}
    return Example(causal_conv1d, _wanted(inputs) | {"activation": activation}, ("x",))


def long_convolution_example(
    batch: int, length: int, taps: int | None = None, share: float = 1.0, channels: int = 64
) -> Example:
    """With a kernel of so many taps, or of that share of the length."""
    kernel = torch.randn(taps or int(share * length), channels) / length
    return Example(long_convolution, _wanted({"u": torch.randn(batch, length, channels), "kernel": kernel}), ("u",))


def attention_example(
    batch: int, length: int, width: int = 16, rotary_base: float | None = None, window: int = 30
) -> Example:
    q, k, v = _heads(batch, length, width, 3)
    inputs = _wanted({"q": q, "k": k, "v": v}) | {"window": window, "rotary_base": rotary_base}
    return Example(window_attention, inputs, ("q",))


def _heads(batch: int, length: int, width: int, count: int) -> list[Tensor]:
    return [torch.nn.functional.normalize(torch.randn(batch, length, 64 // width, width), dim=-1) for _ in range(count)]


def _wanted(inputs: dict[str, Tensor]) -> dict[str, Any]:
    return {name: x.requires_grad_() for name, x in inputs.items()}
