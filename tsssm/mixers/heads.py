"""Heads: channels cut into groups of their own."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import rms_norm

from tsssm.errors import ConfigError

from .counts import check_counts

__all__ = ["check_heads", "norm_heads", "split_heads"]


def check_heads(mixer: str, width: int, n_heads: int, what: str = "d_model", multiple: int = 1) -> None:
    """Refuse heads that do not fit.

    Raises
    ------
    ConfigError
        `n_heads` is below 1, or does not cut `width` into heads of a multiple of `multiple` channels.
    """
    check_counts(mixer, n_heads=n_heads)
    if width % (n_heads * multiple):
        kind = "whole channels" if multiple == 1 else "an even size" if multiple == 2 else f"a multiple of {multiple}"
        raise ConfigError(
            f"{mixer} needs heads of {kind}: {what}={width} over n_heads={n_heads} is not. Choose {what} as a multiple "
            f"of {multiple * n_heads}, or another n_heads."
        )


def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """(..., channels) -> (..., heads, size).

    Examples
    --------
    >>> import torch
    >>> split_heads(torch.zeros(2, 5, 12), 3).shape
    torch.Size([2, 5, 3, 4])
    """
    return x.unflatten(-1, (n_heads, -1))


def norm_heads(x: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    """RMS norm of each head by itself, and heads joined: (..., heads, size) -> (..., channels); `weight` (size,)."""
    weight = None if weight is None else weight.to(x.dtype)  # under autocast they differ
    return rms_norm(x, x.shape[-1:], weight, eps).flatten(-2)
