"""Calls of every operator that has kernels for GPUs, at the widths of forecasting networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

import tsssm_kernels as kernels

__all__ = [
    "CASES",
    "COMPILED",
    "Case",
    "attention_case",
    "convolution_case",
    "delta_case",
    "diagonal_case",
    "scan_case",
    "slstm_case",
]

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A call of an operator.

    Parameters
    ----------
    function : Callable
        ``function(**inputs, backend=)`` gives an output and a state.
    make : Callable
        ``make(normal, batch, length)`` gives inputs by name, of which tensors of real numbers are differentiable;
        ``normal(*shape)`` gives standard normal numbers.
    dots : bool
        Whether products of matrices are promised to run on the matrix units.
    through_state : bool
        Whether gradients come by way of the final state too.
    """

    function: Callable[..., Any]
    make: Callable[[Callable[..., Tensor], int, int], Inputs]
    dots: bool
    through_state: bool = False


def scan_case(channels: int, state: int) -> Case:
    def make(normal: Callable[..., Tensor], batch: int, length: int) -> Inputs:
        wide, narrow = (batch, length, channels), (batch, length, state)
        inputs = {"u": normal(*wide), "delta": normal(*wide) - 2, "A": -normal(channels, state).exp()}
        inputs |= {"B": normal(*narrow), "C": normal(*narrow), "D": normal(channels), "z": normal(*wide)}
        return inputs | {"delta_bias": normal(channels), "delta_softplus": True}

    return Case(kernels.selective_scan, make, dots=False)


def attention_case(heads: int, width: int, decay: str, **options: str) -> Case:
    def make(normal: Callable[..., Tensor], batch: int, length: int) -> Inputs:
        shape = (batch, length, heads, width)
        inputs: Inputs = {"q": normal(*shape) / width**0.5, "k": normal(*shape), "v": normal(*shape)}
        if decay:
            inputs["log_decay"] = -normal(*(shape if decay == "keys" else shape[:3])).exp() / 8
        if "normalizer" in options:
            inputs |= {"q": inputs["q"].abs(), "k": inputs["k"].abs(), **options}
        return inputs

    return Case(kernels.decay_attention, make, dots=True)


def delta_case(heads: int, width: int, decay: str) -> Case:
    def make(normal: Callable[..., Tensor], batch: int, length: int) -> Inputs:
        shape = (batch, length, heads, width)
        direction = normalize(normal(*shape), dim=-1)
        inputs: Inputs = {"q": normal(*shape) / width**0.5, "k": normal(*shape), "v": normal(*shape)}
        inputs |= {"a": -direction, "b": direction * normal(batch, length, heads, 1).sigmoid()}
        if decay:
            inputs["log_decay"] = -normal(*(shape if decay == "keys" else shape[:3])).exp() / 8
        return inputs

    return Case(kernels.delta_rule, make, dots=True)


def convolution_case(channels: int, taps: int) -> Case:
    def make(normal: Callable[..., Tensor], batch: int, length: int) -> Inputs:
        weights = {"weight": normal(taps, channels) / taps, "bias": normal(channels), "activation": "silu"}
        return {"x": normal(batch, length, channels), **weights}

    return Case(kernels.causal_conv1d, make, dots=False)


def slstm_case(heads: int, width: int) -> Case:
    def make(normal: Callable[..., Tensor], batch: int, length: int) -> Inputs:
        recurrent = normal(heads, 4, width, width) / width
        return {"gates": normal(batch, length, heads, 4, width), "recurrent": recurrent}

    return Case(kernels.slstm, make, dots=True)


def diagonal_case(channels: int, state: int) -> Case:
    def make(normal: Callable[..., Tensor], batch: int, length: int) -> Inputs:
        def of_complex() -> Tensor:
            return torch.complex(normal(channels, state), normal(channels, state))

        log_A = torch.complex(-normal(channels, state).exp() / 8, normal(channels, state))
        return {"u": normal(batch, length, channels), "log_A": log_A, "B": of_complex(), "C": of_complex()}

    return Case(kernels.diagonal_scan, make, dots=False)


def _with_resets(case: Case, **options: Callable[[int, int], Tensor]) -> Case:
    """The same with what changes a kernel's code: resets, gradients of the final state, and options by name."""

    def make(normal: Callable[..., Tensor], batch: int, length: int) -> Inputs:
        inputs = case.make(normal, batch, length)
        inputs |= {name: option(batch, length) for name, option in options.items()}
        device = next(x.device for x in inputs.values() if isinstance(x, Tensor))
        return inputs | {"resets": torch.zeros(batch, length, dtype=torch.bool, device=device)}

    return replace(case, make=make, through_state=True)


CASES: dict[str, Case] = {
    "selective_scan, 128 channels of 16": scan_case(128, 16),
    "selective_scan, 256 channels of 64": scan_case(256, 64),
    "decay_attention, none, 4 heads of 16": attention_case(4, 16, ""),
    "decay_attention, heads, 4 heads of 32": attention_case(4, 32, "heads"),
    "decay_attention, heads, 4 heads of 64": attention_case(4, 64, "heads"),
    "decay_attention, heads, 2 heads of 128": attention_case(2, 128, "heads"),
    "decay_attention, keys, 4 heads of 32": attention_case(4, 32, "keys"),
    "decay_attention, keys, 4 heads of 64": attention_case(4, 64, "keys"),
    "decay_attention, keys, 2 heads of 128": attention_case(2, 128, "keys"),
    "decay_attention, divided, 4 heads of 32": attention_case(4, 32, "", normalizer="keys"),
    "delta_rule, heads, 4 heads of 32": delta_case(4, 32, "heads"),
    "delta_rule, heads, 4 heads of 64": delta_case(4, 64, "heads"),
    "delta_rule, heads, 2 heads of 128": delta_case(2, 128, "heads"),
    "delta_rule, keys, 4 heads of 32": delta_case(4, 32, "keys"),
    "delta_rule, keys, 4 heads of 64": delta_case(4, 64, "keys"),
    "delta_rule, keys, 2 heads of 128": delta_case(2, 128, "keys"),
    "causal_conv1d, 128 channels, 4 taps": convolution_case(128, 4),
    "slstm, 4 heads of 32": slstm_case(4, 32),
    "slstm, 4 heads of 64": slstm_case(4, 64),
    "diagonal_scan, 128 channels of 16": diagonal_case(128, 16),
    "diagonal_scan, 256 channels of 32": diagonal_case(256, 32),
}

# for the compilers alone: the other tiles of the table, and options
COMPILED: dict[str, Case] = {
    "selective_scan, 16 channels of 128": scan_case(16, 128),
    "selective_scan, 128 channels of 16, resets": _with_resets(scan_case(128, 16)),
    "decay_attention, heads, 4 heads of 32, resets": _with_resets(attention_case(4, 32, "heads")),
    "decay_attention, keys, 4 heads of 32, resets": _with_resets(attention_case(4, 32, "keys")),
    "delta_rule, heads, 4 heads of 16": delta_case(4, 16, "heads"),
    "delta_rule, keys, 4 heads of 16": delta_case(4, 16, "keys"),
    "delta_rule, heads, 4 heads of 32, resets": _with_resets(delta_case(4, 32, "heads")),
    "delta_rule, keys, 4 heads of 64, resets": _with_resets(delta_case(4, 64, "keys")),
    "causal_conv1d, 128 channels, 4 taps, resets": _with_resets(convolution_case(128, 4)),
    "causal_conv1d, 16 channels, 4 taps": convolution_case(16, 4),
    "causal_conv1d, 32 channels, 4 taps": convolution_case(32, 4),
    "slstm, 4 heads of 16": slstm_case(4, 16),
    "slstm, 4 heads of 32, resets": _with_resets(slstm_case(4, 32)),
    "diagonal_scan, 128 channels of 4": diagonal_case(128, 4),
    "diagonal_scan, 128 channels of 8": diagonal_case(128, 8),
    "diagonal_scan, 128 channels of 16, resets": _with_resets(diagonal_case(128, 16), time_gaps=torch.ones),
    "diagonal_scan, 16 channels of 64": diagonal_case(16, 64),
    "diagonal_scan, 16 channels of 256": diagonal_case(16, 256),
}
