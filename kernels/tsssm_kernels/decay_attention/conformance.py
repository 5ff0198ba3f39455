"""Examples of decay attention for the conformance checks."""

from __future__ import annotations

from typing import Any

import torch

from ..conformance import Operator
from .op import decay_attention
from .state import DecayState
from .step import decay_attention_step

__all__ = ["OPERATOR"]

SIZES = (2, 5, 19)  # heads, keys, values
WIDE = (1, 40, 70)


def _make(
    generator: torch.Generator, batch: int, length: int, decay: str, *options: str, sizes: tuple[int, int, int] = SIZES
) -> dict[str, Any]:
    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    heads, keys, values = sizes
    inputs: dict[str, Any] = {
        "q": normal(batch, length, heads, keys),
        "k": normal(batch, length, heads, keys),
        "v": normal(batch, length, heads, values),
    }
    state = {"memory": normal(batch, heads, keys, values)}
    if decay:
        inputs["log_decay"] = -normal(batch, length, heads, *((keys,) if decay == "keys" else ())).exp()
    if "gaps" in options:
        inputs["time_gaps"] = normal(batch, length).exp()
    if "angles" in options:
        inputs["angles"] = normal(heads, 2)
    if "bonus" in options:
        inputs["bonus"] = normal(heads, keys)
    if "taps" in options:
        inputs["taps"] = normal(batch, length, heads, 2)
        state |= {"key": normal(batch, heads, keys), "value": normal(batch, heads, values)}
    if "gate" in options:
        inputs["input_gate"] = 3 * normal(batch, length, heads)
        state["scale"] = normal(batch, heads)
    for normalizer in {"keys", "bounded", "decays"}.intersection(options):
        inputs["normalizer"] = normalizer
        if normalizer == "decays":
            state["decay_sum"] = normal(batch, heads).exp()
        else:
            state["key_sum"] = normal(batch, heads, keys).abs()
        if normalizer == "keys":  # positive features: divisors of either sign come close to zero
            inputs |= {name: inputs[name].abs() + 0.1 for name in ("q", "k", "taps") if name in inputs}
            state |= {name: part.abs() for name, part in state.items() if name == "key"}
    return inputs | {"initial_state": DecayState(**state)}


def _case(decay: str, *options: str, sizes: tuple[int, int, int] = SIZES) -> Any:
    return lambda generator, batch, length: _make(generator, batch, length, decay, *options, sizes=sizes)


def _shared_heads(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
    inputs = _make(generator, batch, length, "heads")
    return inputs | {name: inputs[name][:, :, :1] for name in ("q", "k")}


def _decay_of(log_decay: float, by_key: bool) -> Any:
    def make(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
        inputs = _make(generator, batch, length, "keys" if by_key else "heads", "gaps")
        return inputs | {
            "log_decay": torch.full_like(inputs["log_decay"], log_decay),
            "time_gaps": torch.ones_like(inputs["time_gaps"]),
        }

    return make


def _strong_then_weak(generator: torch.Generator, batch: int, length: int) -> dict[str, Any]:
    """Differences of sums of these logarithms would lose the weak ones."""
    inputs = _make(generator, batch, length, "keys")
    inputs["log_decay"] = torch.full_like(inputs["log_decay"], -1e-3)
    inputs["log_decay"][:, : length // 4] = -50.0
    return inputs


OPERATOR = Operator(
    decay_attention,
    decay_attention_step,
    sequences=("q", "k", "v", "log_decay", "input_gate", "taps", "time_gaps"),
    cases={
        "no decay": _case(""),
        "decay of heads, gaps (Mamba-2)": _case("heads", "gaps"),
        "decay of keys, gaps (GLA)": _case("keys", "gaps"),
        "shared queries and keys": _shared_heads,
        "turning, gaps (RetNet)": _case("heads", "angles", "gaps"),
        "divided by keys (linear attention)": _case("", "keys"),
        "decay of keys, divided": _case("keys", "keys"),
        "bonus (RWKV-6)": _case("keys", "bonus", "gaps"),
        "two taps (Mamba-3)": _case("heads", "taps"),
        "two taps, turning, divided": _case("heads", "taps", "angles", "keys"),
        "input gate (mLSTM)": _case("heads", "gate", "bounded"),
        "turning, divided by decays": _case("heads", "angles", "decays", "gaps"),
    },
    hard={
        "strong decay": _decay_of(-50.0, False),
        "strong decay of keys": _decay_of(-50.0, True),
        "strong, then weak decay of keys": _strong_then_weak,
        "hardly any decay": _decay_of(-1e-7, False),
        "hardly any decay of keys": _decay_of(-1e-7, True),
    },
    wide={"wide, decay of heads": _case("heads", sizes=WIDE), "wide, decay of keys": _case("keys", sizes=WIDE)},
    on_gpu=True,
)
