"""Compile loops with Numba: serial, without the GIL, cached on disk where a folder can be written."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["compile_serial"]


def compile_serial(function: Callable) -> Callable:
    """Compile a loop over arrays with ``numba.njit(nogil=True)``.

    No ``parallel=True``: none of Numba's threading layers is safe both for two calling threads and after a fork.
    The compiled code is cached beside the module; where neither that folder nor the user's cache folder can be
    written, it is compiled anew in each process.

    Examples
    --------
    >>> import numpy as np
    >>> def total(x):
    ...     s = 0.0
    ...     for v in x:
    ...         s += v
    ...     return s
    >>> compile_serial(total)(np.array([1.0, 2.0]))
    3.0
    """
    import numba

    try:
        return numba.njit(function, nogil=True, cache=True)
    except RuntimeError:  # "no locator available": nowhere to cache
        return numba.njit(function, nogil=True)
