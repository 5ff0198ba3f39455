"""Instructions, one after the other, for a few streams at a time."""

from __future__ import annotations

import numpy as np

from ..simd import inlined
from . import opcodes
from .loops import compiled, elements, elements_wide, move, product, reduce, reduce_wide, small_products

__all__ = ["run"]


@inlined
def aligned(memory):
    """The first address in it that is one of a cache line."""
    address = memory.ctypes.data
    return address + -address % 64


@compiled
def run(rows, numbers, room, constants, outside, first, last, together):
    """Run all instructions for the streams from `first` to `last`, `together` at a time.

    Parameters
    ----------
    rows, numbers : ndarray
        From `encode`.
    room, constants : ndarray of bytes
        Memory between instructions and constants, each from the first address on that is one of a cache line.
    outside : ndarray of int64
        Addresses of inputs and outputs.

    Returns
    -------
    int
        How many indices led nowhere.
    """
    bases = np.empty(len(outside) + 2, np.int64)
    bases[0] = aligned(room)
    bases[1] = aligned(constants)
    bases[2:] = outside
    lost = 0
    for begin in range(first, last, together):
        end = min(begin + together, last)
        for i in range(len(rows)):
            row, constant = rows[i], numbers[i]
            kind = row[0]
            if kind == opcodes.ELEMENTS:
                elements(row, constant, bases, begin, end)
            elif kind == opcodes.PRODUCT:
                product(row, constant, bases, begin, end)
            elif kind == opcodes.REDUCE_ALONG or kind == opcodes.REDUCE_ACROSS:
                reduce(row, constant, bases, begin, end)
            elif kind == opcodes.SMALL_COLUMNS or kind == opcodes.SMALL_DOTS or kind == opcodes.SMALL_WIDE:
                small_products(row, constant, bases, begin, end)
            elif kind == opcodes.ELEMENTS_WIDE:
                elements_wide(row, constant, bases, begin, end)
            elif kind == opcodes.REDUCE_WIDE:
                reduce_wide(row, constant, bases, begin, end)
            else:
                lost += move(row, constant, bases, begin, end)
    return lost


