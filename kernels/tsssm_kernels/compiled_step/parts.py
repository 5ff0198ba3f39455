"""How compiled loops read an instruction, a row of integers at an address."""

from __future__ import annotations

from ..simd import LANES, inlined, load, splat_at, store
from ..simd_parts import load_first, store_first
from .memory import integer
from .opcodes import HEAD, PART

__all__ = ["along", "fetch", "kind", "place", "put", "step"]


@inlined
def place(row, part, bases, first, stream):
    """Where a part's numbers for the stream begin; what lies between instructions is counted from `first`."""
    at = HEAD + part * PART
    here = integer(row, at)
    number = stream - first if here == 0 else stream
    return integer(bases, here) + integer(row, at + 1) + number * integer(row, at + 3)


@inlined
def step(row, part, axis):
    """A part's stride along one of the outer axes (0, 1, 2), the inner (3) or the summed one (4)."""
    return integer(row, HEAD + part * PART + 4 + axis)


@inlined
def kind(row, part):
    """A part's type in memory."""
    return integer(row, HEAD + part * PART + 2)


@inlined
def along(row, part, i, j, k):
    """How far the numbers at the outer axes' i, j, k lie from the first."""
    return i * step(row, part, 0) + j * step(row, part, 1) + k * step(row, part, 2)


@inlined
def fetch(address, n, count, stride):
    """Up to sixteen numbers from the n-th on, or one number in every lane."""
    if stride == 0:
        return splat_at(address, 0)
    if count >= LANES:
        return load(address, n)
    return load_first(address + 4 * n, count)


@inlined
def put(address, n, count, value):
    """Write up to sixteen numbers."""
    if count >= LANES:
        store(address, n, value)
    else:
        store_first(address + 4 * n, count, value)
