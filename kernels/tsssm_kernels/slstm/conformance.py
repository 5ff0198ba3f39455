"""Examples of the sLSTM for the conformance checks."""

from __future__ import annotations

from typing import Any

import torch

from ..conformance import Operator
from .op import slstm
from .state import SLSTMState, rest_state
from .step import slstm_step

__all__ = ["OPERATOR"]


def _make(generator: torch.Generator, batch: int, length: int, heads: int, width: int) -> dict[str, Any]:
    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    return {
        "gates": normal(batch, length, heads, 4, width),
        "recurrent": normal(heads, 4, width, width) / (2 * width**0.5),
        "initial_state": SLSTMState(
            y=normal(batch, heads, width),
            c=normal(batch, heads, width),
            n=1 + normal(batch, heads, width).exp(),
            m=normal(batch, heads, width),
        ),
    }


def _case(heads: int, width: int) -> Any:
    return lambda generator, batch, length: _make(generator, batch, length, heads, width)


def _at_rest(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
    inputs = _make(generator, batch, length, 2, 7)
    return inputs | {"initial_state": rest_state(inputs["gates"])}


def _scaled(entering: float, forget: float, plus: float = 0.0) -> Any:
    """Gates i and f of other sizes, f moved."""

    def make(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
        inputs = _make(generator, batch, length, 2, 8)
        sizes = torch.tensor([entering, forget, 1.0, 1.0]).view(4, 1)
        moved = torch.tensor([0.0, plus, 0.0, 0.0]).view(4, 1)
        return inputs | {"gates": inputs["gates"] * sizes + moved, "recurrent": inputs["recurrent"] / 4}

    return make


OPERATOR = Operator(
    slstm,
    slstm_step,
    sequences=("gates",),
    cases={
        "two heads of an odd width": _case(2, 5),
        "one head of two vectors": _case(1, 19),
        "heads of one vector": _case(3, 16),
        "from rest": _at_rest,
    },
    hard={
        "large gates": _scaled(30.0, 30.0),
        "hardly forgetting": _scaled(1.0, 0.1, 16.0),
        "forgetting at once": _scaled(1.0, 1.0, -60.0),
    },
    backends=("cpu",),
    on_gpu=True,
)
