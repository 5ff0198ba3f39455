"""Sixteen vectors as a tile of 16 by 16 numbers: the sums of its rows, and its transpose."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .simd import LANES, stack_type, vector_type

__all__ = ["sum_rows", "transpose"]

_INT = ir.IntType(32)


def _rows(builder: Any, tile: Any, first: Any) -> list[Any]:
    return [builder.gep(tile, [builder.add(first, first.type(row))]) for row in range(LANES)]


def _interleave(builder: Any, a: Any, b: Any, size: int) -> tuple[Any, Any]:
    """Groups of `size` lanes of two vectors in turn: one vector of the even groups of both, one of the odd ones."""

    def pick(odd: int) -> Any:
        groups = range(0, LANES, 2 * size)
        lanes = [start + odd * size + i + of for start in groups for of in (0, LANES) for i in range(size)]
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT, LANES), lanes))

    return pick(0), pick(1)


@intrinsic
def sum_rows(typing: Any, array: Any, index: Any) -> Any:
    """The sums of the lanes of sixteen vectors of a stack, from `index` on: lane i has that of vector i.

    By pairs: with fewer operations than sixteen sums one by one, and in the same order on every machine.
    """
    if array != stack_type:
        return None

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows, size = [builder.load(row) for row in _rows(builder, *args)], 1
        while len(rows) > 1:
            pairs = zip(rows[::2], rows[1::2])
            rows = [builder.fadd(*_interleave(builder, a, b, size)) for a, b in pairs]
            size *= 2
        return rows[0]

    return vector_type(array, types.intp), generate


@intrinsic
def transpose(typing: Any, tile: Any, first: Any) -> Any:
    """Turn sixteen vectors, from `first` on, into the sixteen columns of what they were."""
    if tile != stack_type:
        return None

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        rows, size = [builder.load(row) for row in _rows(builder, *args)], 1
        while size < LANES:
            for low in range(LANES):
                if not low & size:
                    high = low | size
                    rows[low], rows[high] = _interleave(builder, rows[low], rows[high], size)
            size *= 2
        for row, value in zip(_rows(builder, *args), rows):
            builder.store(value, row)
        return context.get_dummy_value()

    return types.void(tile, types.intp), generate
