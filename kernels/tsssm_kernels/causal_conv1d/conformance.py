"""Examples of the causal convolution for the conformance checks."""

from __future__ import annotations

from typing import Any

import torch

from ..conformance import Operator
from .op import causal_conv1d
from .step import causal_conv1d_step

__all__ = ["OPERATOR"]


def _case(channels: int, width: int, *options: str) -> Any:
    def make(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator)

        inputs: dict[str, Any] = {
            "x": normal(batch, length, channels),
            "weight": normal(width, channels),
            "initial_state": normal(batch, width - 1, channels),
        }
        if "bias" in options:
            inputs["bias"] = normal(channels)
        if "silu" in options:
            inputs["activation"] = "silu"
        return inputs

    return make


def _loud(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
    """SiLU far from zero, on both sides."""
    inputs = _case(19, 4, "bias", "silu")(generator, batch, length)
    return inputs | {"x": 50 * inputs["x"]}


OPERATOR = Operator(
    causal_conv1d,
    causal_conv1d_step,
    sequences=("x",),
    cases={
        "four taps, bias, SiLU (Mamba)": _case(19, 4, "bias", "silu"),
        "four taps": _case(32, 4),
        "two taps, SiLU": _case(5, 2, "silu"),
        "three taps, bias": _case(7, 3, "bias"),
        "one tap, bias, SiLU": _case(17, 1, "bias", "silu"),
        "more taps than steps": _case(3, 40, "bias"),
    },
    hard={"loud inputs": _loud},
    on_gpu=True,
)
