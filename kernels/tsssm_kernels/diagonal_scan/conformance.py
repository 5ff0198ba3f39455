"""Examples of the diagonal scan for the conformance checks."""

from __future__ import annotations

from typing import Any

import torch

from ..conformance import Operator
from .op import diagonal_scan
from .step import diagonal_scan_step

__all__ = ["OPERATOR"]

CHANNELS = 19


def _make(generator: torch.Generator, batch: int, length: int, state: int, *options: str) -> dict[str, Any]:
    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    def complex_normal(*shape: int) -> torch.Tensor:
        return torch.complex(normal(*shape), normal(*shape))

    inputs: dict[str, Any] = {
        "u": normal(batch, length, CHANNELS),
        "log_A": torch.complex(-normal(CHANNELS, state).exp() / 4, 2 * normal(CHANNELS, state)),
        "B": complex_normal(CHANNELS, state),
        "C": complex_normal(CHANNELS, state),
        "initial_state": complex_normal(batch, CHANNELS, state),
    }
    if "skip" in options:
        inputs["D"] = normal(CHANNELS)
    if "gaps" in options:
        inputs["time_gaps"] = normal(batch, length).exp()
    return inputs


def _case(state: int, *options: str) -> Any:
    return lambda generator, batch, length: _make(generator, batch, length, state, *options)


def _transition_of(log_A: complex, *options: str) -> Any:
    def make(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
        inputs = _make(generator, batch, length, 3, *options)
        return inputs | {"log_A": torch.full_like(inputs["log_A"], log_A)}

    return make


OPERATOR = Operator(
    diagonal_scan,
    diagonal_scan_step,
    sequences=("u", "time_gaps"),
    cases={
        "an odd state": _case(5),
        "a state of one, skip": _case(1, "skip"),
        "gaps": _case(3, "gaps"),
        "gaps, skip": _case(4, "gaps", "skip"),
    },
    hard={
        "strong decay": _transition_of(-50 + 1j),
        "strong decay, gaps": _transition_of(-50 + 1j, "gaps"),
        "hardly any decay": _transition_of(-1e-7 + 1e-7j),
        "turning without decay": _transition_of(2.5j),
        "turning without decay, gaps": _transition_of(2.5j, "gaps"),
    },
    on_gpu=True,
)
