"""Which implementation of an operator runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from .arguments import converted
from .gpu_launch import can_launch
from .gpu_tiles import widest

__all__ = ["choose_backend", "prepared"]

PREFERRED = ("cpu", "triton", "chunked", "reference")


def choose_backend(
    backend: str | None,
    implementations: Mapping[str, Callable],
    x: Tensor,
    dtype: torch.dtype,
    gpu_width: tuple[str, int] | None = None,
) -> str:
    """The name of the implementation to run: `backend`, else that of the environment variable ``TSSSM_BACKEND``.

    Without either it is the first of "cpu", "triton", "chunked" and "reference" that there is and that serves the
    input: "cpu" computes in float32 on the CPU, "triton" in float32 on GPUs, the others anywhere.

    `gpu_width`, a kernel's name in ``gpu_tiles.json`` and the inputs' width, says what a program's tile has to hold for
    "triton".

    Raises
    ------
    ValueError
        If there is no backend of that name, or the input, `x` computed in `dtype`, is not for it.

    Examples
    --------
    >>> choose_backend(None, {"reference": sum, "cpu": max}, torch.zeros(1), torch.float64)
    'reference'
    """
    chosen = backend or os.environ.get("TSSSM_BACKEND")
    if not chosen:
        served = (name for name in PREFERRED if name in implementations and _serves(name, x, dtype))
        return next(name for name in served if name != "triton" or _fits(gpu_width, x))
    source = "backend" if backend else "the environment variable TSSSM_BACKEND"
    if chosen not in implementations:
        raise ValueError(
            f"{source} is {chosen!r}; this operator has {sorted(implementations)}. Use one of them, or None."
        )
    general = "chunked" if "chunked" in implementations else "reference"
    if not _serves(chosen, x, dtype):
        raise ValueError(
            f"{source} is {chosen!r}, which computes in float32 on {_PLACES[chosen]}; the inputs ask for {dtype} on "
            f"{x.device}. Use {general!r}, or None."
        )
    if chosen == "triton" and gpu_width is not None and not _fits(gpu_width, x):
        raise ValueError(
            f"{source} is 'triton', whose kernel takes a width of {widest(gpu_width[0], x.device)} at most on "
            f"{x.device} ({gpu_width[0]}); the inputs have {gpu_width[1]}. Use {general!r}, or None."
        )
    return chosen


_PLACES = {"cpu": "the CPU", "triton": "GPUs with Triton 3.6 or newer (elsewhere with TRITON_INTERPRET=1, to try it)"}


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


def _fits(gpu_width: tuple[str, int] | None, x: Tensor) -> bool:
    return gpu_width is None or gpu_width[1] <= widest(gpu_width[0], x.device)
