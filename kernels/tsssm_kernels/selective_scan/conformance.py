"""Examples of the selective scan for the conformance checks."""

from __future__ import annotations

from typing import Any

import torch

from ..conformance import Operator
from .op import selective_scan
from .step import selective_scan_step

__all__ = ["OPERATOR"]


def _make(generator: torch.Generator, batch: int, length: int, channels: int, state: int) -> dict[str, Any]:
    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    return {
        "u": normal(batch, length, channels),
        "delta": normal(batch, length, channels) - 1,
        "A": -normal(channels, state).exp(),
        "B": normal(batch, length, state),
        "C": normal(batch, length, state),
        "D": normal(channels),
        "z": normal(batch, length, channels),
        "delta_bias": normal(channels),
        "delta_softplus": True,
        "time_gaps": normal(batch, length).exp(),
        "initial_state": normal(batch, channels, state),
    }


def _with_all(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
    return _make(generator, batch, length, 19, 5)


def _required(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
    inputs = _make(generator, batch, length, 3, 4)
    return {name: inputs[name] for name in ("u", "A", "B", "C")} | {"delta": inputs["delta"].abs()}


def _decay_of(log_decay: float) -> Any:
    def make(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
        inputs = _required(generator, batch, length)
        return inputs | {"delta": torch.ones_like(inputs["u"]), "A": torch.full_like(inputs["A"], log_decay)}

    return make


OPERATOR = Operator(
    selective_scan,
    selective_scan_step,
    sequences=("u", "delta", "B", "C", "z", "time_gaps"),
    cases={"with all options": _with_all, "with none": _required},
    hard={"strong decay": _decay_of(-50.0), "hardly any decay": _decay_of(-1e-7)},
    on_gpu=True,
)
