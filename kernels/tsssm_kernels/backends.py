"""Which implementation of an operator runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

__all__ = ["choose_backend", "default_backend"]

Implementation = TypeVar("Implementation", bound=Callable)


def default_backend(x: Tensor, dtype: torch.dtype, otherwise: str = "chunked") -> str:
    """The backend for an input computed in `dtype`: compiled loops for float32 on a CPU, plain torch otherwise.

    Examples
    --------
    >>> default_backend(torch.zeros(1), torch.float32), default_backend(torch.zeros(1), torch.float64)
    ('cpu', 'chunked')
    """
    return "cpu" if x.device.type == "cpu" and dtype == torch.float32 else otherwise


def choose_backend(
    backend: str | None, implementations: Mapping[str, Implementation], default: str, x: Tensor, dtype: torch.dtype
) -> Implementation:
    """The implementation named `backend`, else by the environment variable ``TSSSM_BACKEND``, else the default.

    Raises
    ------
    ValueError
        If there is no backend of that name, or it is "cpu" and the input, `x` computed in `dtype`, is not for it.

    Examples
    --------
    >>> choose_backend("loop", {"loop": sum, "fast": max}, "fast", torch.zeros(1), torch.float32)
    <built-in function sum>
    """
    name = backend or os.environ.get("TSSSM_BACKEND") or default
    source = "backend" if backend else "the environment variable TSSSM_BACKEND"
    if name not in implementations:
        raise ValueError(
            f"{source} is {name!r}; this operator has {sorted(implementations)}. Use one of them, or None."
        )
    if name == "cpu" and default_backend(x, dtype) != "cpu":
        general = "chunked" if "chunked" in implementations else "reference"
        raise ValueError(
            f"{source} is 'cpu', which computes in float32 on the CPU; the inputs ask for {dtype} on {x.device}. "
            f"Use {general!r}, or None."
        )
    return implementations[name]
