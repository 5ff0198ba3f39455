"""The loop of each kind of instruction, compiled when a step first needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from types import ModuleType

import numpy as np

from . import opcodes

__all__ = ["addresses_of"]


def addresses_of(kinds: Iterable[int]) -> np.ndarray:
    """Addresses of compiled loops, by kind; 0 for those not asked for."""
    kinds = set(kinds)
    return np.array([_address(kind) if kind in kinds else 0 for kind in range(max(kinds) + 1)], np.int64)


@cache
def _address(kind: int) -> int:
    return _compiled(_loop(kind)).address


def _loop(kind: int) -> Callable:
    from . import number_loops, product_loops, vector_loops

    return {
        opcodes.ELEMENTS: vector_loops.elements,
        opcodes.ELEMENTS_WIDE: number_loops.elements_wide,
        opcodes.ELEMENTS_WHOLE: number_loops.elements_whole,
        opcodes.REDUCE_ALONG: vector_loops.reduce,
        opcodes.REDUCE_ACROSS: vector_loops.reduce,
        opcodes.REDUCE_WIDE: number_loops.reduce_wide,
        opcodes.PRODUCT: product_loops.product,
        opcodes.SMALL_COLUMNS: product_loops.small_products,
        opcodes.SMALL_DOTS: product_loops.small_products,
        opcodes.SMALL_WIDE: number_loops.small_products_wide,
        opcodes.SCATTER: number_loops.move,
        opcodes.GATHER: number_loops.move,
    }[kind]


@cache
def _compiled(loop: Callable):
    from numba import float64, int64

    from .. import simd, simd_logic, simd_math, simd_parts, simd_tiles
    from ..compiling import compile_callback
    from . import functions, memory, parts

    helpers: list[ModuleType] = [simd, simd_logic, simd_math, simd_parts, simd_tiles, functions, memory, opcodes, parts]
    return compile_callback(loop, int64(int64, float64, int64, int64, int64), helpers)
