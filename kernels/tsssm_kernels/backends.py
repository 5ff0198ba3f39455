"""Which implementation of an operator runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

__all__ = ["choose_backend"]

Implementation = TypeVar("Implementation", bound=Callable)


def choose_backend(backend: str | None, implementations: Mapping[str, Implementation], default: str) -> Implementation:
    """The implementation named `backend`, else by the environment variable ``TSSSM_BACKEND``, else the default.

    Raises
    ------
    ValueError
        If there is no backend of that name.

    Examples
    --------
    >>> choose_backend("loop", {"loop": sum, "fast": max}, default="fast")
    <built-in function sum>
    """
    name = backend or os.environ.get("TSSSM_BACKEND") or default
    if name in implementations:
        return implementations[name]
    source = "backend" if backend else "the environment variable TSSSM_BACKEND"
    raise ValueError(f"{source} is {name!r}; this operator has {sorted(implementations)}. Use one of them, or None.")
