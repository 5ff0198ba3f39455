"""Examples of window attention for the conformance checks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..conformance import Operator
from .op import window_attention
from .state import WindowState
from .step import window_attention_step

__all__ = ["OPERATOR"]


def _case(
    window: int,
    heads: int = 2,
    kv_heads: int = 2,
    width: int = 6,
    values: int = 5,
    position: int | None = None,
    size: float = 1.0,
    **options: Any,
) -> Any:
    def make(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        inputs: dict[str, Any] = {
            "q": size * normal(batch, length, heads, width),
            "k": size * normal(batch, length, kv_heads, width),
            "v": normal(batch, length, kv_heads, values),
            "window": window,
            **options,
        }
        if position is not None:  # series at different places of the ring; some rings are not full
            at = position + torch.randint(2 * window, (batch,), generator=generator)
            rings = (normal(batch, window, kv_heads, width), normal(batch, window, kv_heads, values))
            inputs["initial_state"] = WindowState(*rings, at)
        return inputs

    return make


def _step(window: int, **inputs: Any) -> tuple[Tensor, WindowState]:
    """The step, which finds the window in its state."""
    return window_attention_step(**inputs)


OPERATOR = Operator(
    window_attention,
    _step,
    sequences=("q", "k", "v"),
    cases={
        "rings, turning": _case(7, position=0, rotary_base=1000.0),
        "a window": _case(7),
        "shared keys, turning": _case(13, heads=6, width=4, rotary_base=100.0),
        "shared keys, rings": _case(5, heads=4, kv_heads=1, width=20, values=17, position=0, scale=0.3),
        "itself alone": _case(1, position=0),
        "two steps, wide heads": _case(2, heads=1, kv_heads=1, width=34, values=40, rotary_base=10.0),
        "longer than the sequence": _case(100, position=0, rotary_base=1000.0),
        "a late position, turning": _case(16, width=16, values=16, position=10**12, rotary_base=1000.0),
    },
    hard={
        "large products": _case(50, size=6.0, rotary_base=1000.0),
        "hardly any products": _case(50, size=1e-3),
        "a long window": _case(250, width=16, values=16, position=0, rotary_base=1000.0),
        "a late position": _case(30, width=16, values=16, position=10**12, rotary_base=1000.0),
    },
)
