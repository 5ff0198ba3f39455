"""The precision that a call computes in, for real and complex tensors together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["in_one_precision"]


def in_one_precision(tensors: Iterable[Tensor | None]) -> tuple[torch.dtype, list[Any]]:
    """The real dtype, float64 if a tensor or a part of it is, else float32, and the tensors of that precision.

    Examples
    --------
    >>> dtype, tensors = in_one_precision([torch.zeros(1), torch.zeros(1, dtype=torch.complex128), None])
    >>> dtype, tensors
    (torch.float64, [tensor([0.], dtype=torch.float64), tensor([0.+0.j], dtype=torch.complex128), None])
    """
    tensors = list(tensors)
    double = any(x is not None and x.dtype in (torch.float64, torch.complex128) for x in tensors)
    dtype = torch.float64 if double else torch.float32
    of_complex = torch.complex128 if dtype == torch.float64 else torch.complex64
    return dtype, [x if x is None else x.to(of_complex if x.is_complex() else dtype) for x in tensors]
