"""Instructions, one after the other, for a few streams at a time."""

from __future__ import annotations

from functools import partial

from ..compiling import compile_serial
from . import memory, opcodes
from .memory import call
from .opcodes import WIDTH

__all__ = ["run"]


@partial(compile_serial, helpers=(memory, opcodes))
def run(rows, numbers, loops, room, bases, first, last, together):
    """Run all instructions for the streams from `first` to `last`, `together` at a time.

    Parameters
    ----------
    rows, numbers : ndarray
        From `encode`.
    loops : ndarray of int64
        Addresses of the loops, by kind.
    room : ndarray of bytes
        Memory between instructions, from the first address on that is one of a cache line.
    bases : ndarray of int64
        Addresses of that, written here, of the constants, and of inputs and outputs.

    Returns
    -------
    int
        How many indices led nowhere.
    """
    bases[0] = room.ctypes.data + -room.ctypes.data % 64
    lost = 0
    for begin in range(first, last, together):
        end = min(begin + together, last)
        for i in range(len(rows)):
            row = rows.ctypes.data + i * 8 * WIDTH
            lost += call(loops[rows[i, 0]], row, numbers[i], bases.ctypes.data, begin, end)
    return lost
