"""Instructions, one after the other, for a few streams at a time."""

from __future__ import annotations

from . import opcodes
from .loops import compiled, elements, elements_wide, move, product, reduce, reduce_wide, small_products

__all__ = ["run"]


@compiled
def run(rows, constants, bases, first, last, together):
    """Run all instructions for the streams from `first` to `last`, `together` at a time.

    Returns
    -------
    int
        How many indices led nowhere.
    """
    lost = 0
    for begin in range(first, last, together):
        end = min(begin + together, last)
        for i in range(len(rows)):
            row, constant = rows[i], constants[i]
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


