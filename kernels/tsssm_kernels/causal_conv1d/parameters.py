"""Refusal of parameters that do not fit the channels, in a sequence and in a step."""

from __future__ import annotations

from torch import Tensor

from ..arguments import check_shapes

__all__ = ["check_parameters"]


def check_parameters(operator: str, x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None) -> None:
    """Refuse taps, bias or activation, naming the argument and what it should be."""
    channels = x.shape[-1]
    if weight.ndim != 2 or len(weight) == 0:
        raise ValueError(
            f"{operator}: weight must have shape (width, channels), at least one tap; got {tuple(weight.shape)}."
        )
    expected = {"weight": (weight, (len(weight), channels)), "bias": (bias, (channels,))}
    check_shapes(operator, expected, f"x of shape {tuple(x.shape)}", None)
    if activation not in (None, "silu"):
        raise ValueError(f"{operator}: activation is {activation!r}; use 'silu', or None.")
