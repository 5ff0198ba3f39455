"""Compile loops with Numba: serial, without the GIL, cached on disk where a folder can be written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

__all__ = ["compile_callback", "compile_serial"]


def compile_serial(function: Callable, helpers: Sequence[ModuleType] = ()) -> Callable:
    """Compile a loop over arrays with ``numba.njit(nogil=True)``.

    No ``parallel=True``: none of Numba's threading layers is safe both for two calling threads and after a fork.
    The compiled code is cached beside the module; where neither that folder nor the user's cache folder can be
    written, it is compiled anew in each process.

    Parameters
    ----------
    function : Callable
        The loop, a function of a module (a closure would be cached but never found again).
    helpers : sequence of modules, optional
        Other modules whose code is compiled into it. Numba looks at the function's own file alone, and would go on
        using what it compiled before a helper changed.

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
        compiled = numba.njit(function, nogil=True, cache=True)
    except RuntimeError:  # "no locator available": nowhere to cache
        return numba.njit(function, nogil=True)
    _watch(compiled, helpers)
    return compiled


def compile_callback(function: Callable, signature: Any, helpers: Sequence[ModuleType] = ()) -> Any:
    """Compile a loop as a C function, known by its ``address``, which other compiled code can call.

    Numba compiles anew whatever a compiled function names, as part of that function; what it calls by address it does
    not. Cached as by `compile_serial`.

    Parameters
    ----------
    function, helpers
        As in `compile_serial`.
    signature : numba signature
        Of numbers.
    """
    from numba.core.ccallback import CFunc
    from numba.core.sigutils import normalize_signature

    # without Python's exceptions, which a loop that does not hold the GIL could not raise
    options = {"nopython": True, "error_model": "numpy"}
    try:
        callback = CFunc(function, normalize_signature(signature), {}, options)
        callback.enable_caching()
        _watch(callback, helpers)
    except RuntimeError:  # as above
        callback = CFunc(function, normalize_signature(signature), {}, options)
    callback.compile()
    return callback


def _watch(compiled: Any, helpers: Sequence[ModuleType]) -> None:
    """Have the cache look at the helpers' files too."""
    if helpers:
        index = compiled._cache._cache_file
        index._source_stamp = (index._source_stamp, *(_stamp(helper) for helper in helpers))


def _stamp(module: ModuleType) -> tuple[float, int]:
    status = os.stat(str(module.__file__))
    return status.st_mtime, status.st_size
