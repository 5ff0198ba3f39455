"""Which implementation of an operator runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from .arguments import converted
from .gpu_launch import can_launch

__all__ = ["choose_backend", "prepared"]

PREFERRED = ("cpu", "triton", "chunked", "reference")


def choose_backend(
    backend: str | None,
    implementations: Mapping[str, Callable],
    x: Tensor,
    dtype: torch.dtype,
    gpu_holds: bool = True,
) -> str:
    """The name of the implementation to run: `backend`, else that of the environment variable ``TSSSM_BACKEND``.

    Without either it is the first of "cpu", "triton", "chunked" and "reference" that there is and that serves the
    input: "cpu" computes in float32 on the CPU, "triton" in float32 on GPUs, the others anywhere.

    Without `gpu_holds` the operator has no "triton" for the inputs' sizes.

    Raises
    ------
    ValueError
        If there is no backend of that name, or the input, `x` computed in `dtype`, is not for it.

    Examples
    --------
    >>> choose_backend(None, {"reference": sum, "cpu": max}, torch.zeros(1), torch.float64)
    'reference'
    """
    if not gpu_holds:  # more than a program's tile can take
        implementations = {name: form for name, form in implementations.items() if name != "triton"}
    chosen = backend or os.environ.get("TSSSM_BACKEND")
    if not chosen:
        return next(name for name in PREFERRED if name in implementations and _serves(name, x, dtype))
    source = "backend" if backend else "the environment variable TSSSM_BACKEND"
    if chosen not in implementations:
        raise ValueError(
            f"{source} is {chosen!r}; this operator has {sorted(implementations)}. Use one of them, or None."
        )
    if not _serves(chosen, x, dtype):
        general = "chunked" if "chunked" in implementations else "reference"
        raise ValueError(
            f"{source} is {chosen!r}, which computes in float32 on {_PLACES[chosen]}; the inputs ask for {dtype} on "
            f"{x.device}. Use {general!r}, or None."
        )
    return chosen


_PLACES = {"cpu": "the CPU", "triton": "GPUs with Triton installed (elsewhere with TRITON_INTERPRET=1, to try it)"}


def prepared(backend: str, tensors: Iterable[Tensor | None], dtype: torch.dtype) -> list[Any]:
    """The tensors as a backend takes them: in the dtype it computes in, but Triton's kernels convert as they load.

    Examples
    --------
    >>> prepared("cpu", [torch.ones(1, dtype=torch.bfloat16), None], torch.float32)
    [tensor([1.]), None]
    """
    return list(tensors) if backend == "triton" else converted(tensors, dtype)


def _serves(backend: str, x: Tensor, dtype: torch.dtype) -> bool:
    if backend == "cpu":
        return x.device.type == "cpu" and dtype == torch.float32
    return backend != "triton" or (dtype == torch.float32 and can_launch(x))
