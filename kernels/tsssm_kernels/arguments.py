"""Refusal of tensors that do not fit together, and the dtype that an operator computes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["check_sequence", "check_shapes", "computed_dtype", "converted"]


def check_sequence(operator: str, name: str, x: Tensor, axes: str) -> None:
    """Refuse what is no sequence with the axes named, such as "batch, length, channels", or has none of something.

    Raises
    ------
    ValueError
        If the number of axes is another, a size is 0, or the dtype is not floating point.

    Examples
    --------
    >>> check_sequence("scan", "x", torch.zeros(0, 3), "batch, length")
    Traceback (most recent call last):
    ValueError: scan: x must have shape (batch, length), none of them 0; got (0, 3).
    """
    if x.ndim != len(axes.split(",")) or 0 in x.shape:
        raise ValueError(f"{operator}: {name} must have shape ({axes}), none of them 0; got {tuple(x.shape)}.")
    if not x.is_floating_point():
        raise ValueError(f"{operator}: {name} must be floating point; got {x.dtype}. Pass {name}.float().")


def check_shapes(
    operator: str, expected: Mapping[str, tuple[Tensor | None, tuple[int, ...]]], given: str, resets: Tensor | None
) -> None:
    """Refuse tensors of other shapes than expected, naming the argument, both shapes and what they follow from.

    Parameters
    ----------
    operator : str
    expected : mapping of str to (Tensor or None, shape)
        By argument; None was not given.
    given : str
        What the shapes follow from, such as "x of shape (2, 3)".
    resets : Tensor, optional
        Must be of dtype bool.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> check_shapes("scan", {"h": (torch.zeros(2), (3,))}, "x of shape (3, 4)", None)
    Traceback (most recent call last):
    ValueError: scan: h must have shape (3,) for x of shape (3, 4); got (2,).
    """
    for name, (tensor, shape) in expected.items():
        if tensor is not None and tensor.shape != shape:
            raise ValueError(f"{operator}: {name} must have shape {shape} for {given}; got {tuple(tensor.shape)}.")
    if resets is not None and resets.dtype != torch.bool:
        raise ValueError(f"{operator}: resets must be a bool tensor; got {resets.dtype}. Pass resets != 0.")


def computed_dtype(tensors: Iterable[Tensor | None]) -> torch.dtype:
    """float64 if any of the tensors is, else float32, whatever their dtype.

    Examples
    --------
    >>> computed_dtype([torch.zeros(1, dtype=torch.bfloat16), None])
    torch.float32
    """
    double = any(tensor is not None and tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if double else torch.float32


def converted(tensors: Iterable[Tensor | None], dtype: torch.dtype) -> list[Any]:
    """The tensors in another dtype, None where there is none.

    Examples
    --------
    >>> converted([torch.ones(1, dtype=torch.bfloat16), None], torch.float32)
    [tensor([1.]), None]
    """
    return [None if tensor is None else tensor.to(dtype) for tensor in tensors]
