"""Refusal of parameters that do not fit the channels, in a sequence and in a step."""

from __future__ import annotations

from torch import Tensor

from ..arguments import check_shapes

__all__ = ["check_parameters"]


def check_parameters(operator: str, u: Tensor, kernel: Tensor, skip: Tensor | None) -> None:
    """Refuse a kernel or skip, naming the argument and what it should be."""
    channels = u.shape[-1]
    if kernel.ndim != 2 or len(kernel) == 0:
        raise ValueError(
            f"{operator}: kernel must have shape (taps, channels), at least one tap; got {tuple(kernel.shape)}."
        )
    expected = {"kernel": (kernel, (len(kernel), channels)), "skip": (skip, (channels,))}
    check_shapes(operator, expected, f"u of shape {tuple(u.shape)}", None)
