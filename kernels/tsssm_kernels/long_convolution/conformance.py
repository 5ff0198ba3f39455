"""Examples of the long convolution for the conformance checks."""

from __future__ import annotations

from typing import Any

import torch

from ..conformance import Operator
from .op import long_convolution
from .step import long_convolution_step

__all__ = ["OPERATOR"]


def _case(channels: int, taps: int, *options: str) -> Any:
    def make(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator)

        fades = torch.linspace(0, -5, taps).exp().unsqueeze(1)
        inputs: dict[str, Any] = {"u": normal(batch, length, channels), "kernel": normal(taps, channels) * fades}
        if "skip" in options:
            inputs["skip"] = normal(channels)
        if "state" in options:
            inputs["initial_state"] = normal(batch, taps - 1, channels)
        return inputs

    return make


def _loud(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
    """One input louder than the others."""
    inputs = _case(3, 150)(generator, batch, length)
    inputs["u"][:, length // 3] *= 1e5
    return inputs


OPERATOR = Operator(
    long_convolution,
    long_convolution_step,
    sequences=("u",),
    cases={
        "one tap, skip": _case(5, 1, "skip", "state"),
        "few taps": _case(17, 6, "state"),
        "many taps, skip": _case(19, 23, "skip", "state"),
        "from rest": _case(16, 31, "skip"),
        "more taps than steps": _case(3, 101, "state"),
    },
    hard={"as many taps as steps": _case(2, 300), "a loud input": _loud},
)
