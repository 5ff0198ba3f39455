"""Examples of the delta rule for the conformance checks."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import normalize

from ..conformance import Operator
from .op import delta_rule
from .step import delta_rule_step

__all__ = ["OPERATOR"]

SIZES = (2, 5, 19)  # heads, keys, values
WIDE = (1, 40, 70)


def _make(
    generator: torch.Generator,
    batch: int,
    length: int,
    decay: str,
    gaps: bool,
    log_decay: float | None = None,
    sizes: tuple[int, int, int] = SIZES,
) -> dict[str, Any]:
    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    heads, keys, values = sizes
    direction = normalize(normal(batch, length, heads, keys), dim=-1)
    inputs: dict[str, Any] = {
        "q": normal(batch, length, heads, keys),
        "k": normal(batch, length, heads, keys),
        "v": normal(batch, length, heads, values),
        "a": -direction,
        "b": direction * torch.rand(batch, length, heads, 1, generator=generator),
    }
    if decay:
        inputs["log_decay"] = -normal(batch, length, heads, *((keys,) if decay == "keys" else ())).exp()
        if log_decay is not None:
            inputs["log_decay"].fill_(log_decay)
    if gaps:
        inputs["time_gaps"] = normal(batch, length).exp()
    return inputs | {"initial_state": normal(batch, heads, keys, values)}


def _case(decay: str, gaps: bool = False, log_decay: float | None = None, sizes: tuple[int, int, int] = SIZES) -> Any:
    return lambda generator, batch, length: _make(generator, batch, length, decay, gaps, log_decay, sizes)


OPERATOR = Operator(
    delta_rule,
    delta_rule_step,
    sequences=("q", "k", "v", "a", "b", "log_decay", "time_gaps"),
    cases={
        "no decay (DeltaNet)": _case(""),
        "decay of heads, gaps (Gated DeltaNet)": _case("heads", gaps=True),
        "decay of keys, gaps (RWKV-7)": _case("keys", gaps=True),
    },
    hard={
        "strong decay": _case("heads", log_decay=-50.0),
        "strong decay of keys": _case("keys", log_decay=-50.0),
        "hardly any decay": _case("heads", log_decay=-1e-7),
        "hardly any decay of keys": _case("keys", log_decay=-1e-7),
    },
    wide={"wide, decay of heads": _case("heads", sizes=WIDE), "wide, decay of keys": _case("keys", sizes=WIDE)},
    on_gpu=True,
)
