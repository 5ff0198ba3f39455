"""Loops over single numbers, wherever they lie: of any type, in float64, or integers."""

from __future__ import annotations

import math

from . import opcodes
from .functions import of_integers, of_number
from .memory import integer, peek, poke, write_integer
from .opcodes import INT64
from .parts import along, kind, place, step

__all__ = ["elements_whole", "elements_wide", "move", "reduce_wide", "small_products_wide"]


def elements_wide(row, constant, bases, first, last):
    """A function of single numbers."""
    function, count = integer(row, 1), integer(row, 6)
    sizes = integer(row, 3), integer(row, 4), integer(row, 5)
    to_kind, a_kind, b_kind, c_kind = kind(row, 0), kind(row, 1), kind(row, 2), kind(row, 3)
    to_n, a_n, b_n, c_n = step(row, 0, 3), step(row, 1, 3), step(row, 2, 3), step(row, 3, 3)
    for stream in range(first, last):
        to_0, a_0 = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        b_0, c_0 = place(row, 2, bases, first, stream), place(row, 3, bases, first, stream)
        for i in range(sizes[0]):
            for j in range(sizes[1]):
                for k in range(sizes[2]):
                    to, a = to_0 + along(row, 0, i, j, k), a_0 + along(row, 1, i, j, k)
                    b, c = b_0 + along(row, 2, i, j, k), c_0 + along(row, 3, i, j, k)
                    for _ in range(count):
                        x, y, z = peek(a, a_kind), peek(b, b_kind), peek(c, c_kind)
                        poke(to, to_kind, of_number(function, x, y, z, constant))
                        to, a, b, c = to + to_n, a + a_n, b + b_n, c + c_n
    return 0


def elements_whole(row, constant, bases, first, last):
    """A function of integers."""
    function, factor, to_kind = integer(row, 1), int(constant), kind(row, 0)
    for stream in range(first, last):
        to_0, a_0 = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        b_0, c_0 = place(row, 2, bases, first, stream), place(row, 3, bases, first, stream)
        for i in range(integer(row, 3)):
            for j in range(integer(row, 4)):
                for k in range(integer(row, 5)):
                    to, a, b = to_0 + along(row, 0, i, j, k), a_0 + along(row, 1, i, j, k), b_0 + along(row, 2, i, j, k)
                    c = c_0 + along(row, 3, i, j, k)
                    for n in range(integer(row, 6)):
                        y = integer(b + n * step(row, 2, 3), 0)
                        if function == opcodes.WHERE:
                            truth = peek(a + n * step(row, 1, 3), kind(row, 1)) != 0.0
                            out = y if truth else integer(c + n * step(row, 3, 3), 0)
                        else:
                            out = of_integers(function, integer(a + n * step(row, 1, 3), 0), y, factor)
                        if to_kind == INT64:
                            write_integer(to + n * step(row, 0, 3), out)
                        else:
                            poke(to + n * step(row, 0, 3), to_kind, float(out))
    return 0


def reduce_wide(row, constant, bases, first, last):
    """Sums or maxima of single numbers."""
    function, to_kind, from_kind = integer(row, 1), kind(row, 0), kind(row, 1)
    for stream in range(first, last):
        to, a = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        for i in range(integer(row, 3)):
            for j in range(integer(row, 4)):
                for k in range(integer(row, 5)):
                    for n in range(integer(row, 6)):
                        at = a + along(row, 1, i, j, k) + n * step(row, 1, 3)
                        out = 0.0 if function == opcodes.SUM else -math.inf
                        for r in range(integer(row, 7)):
                            x = peek(at + r * step(row, 1, 4), from_kind)
                            out = out + x if function == opcodes.SUM else x if x > out or math.isnan(x) else out
                        poke(to + along(row, 0, i, j, k) + n * step(row, 0, 3), to_kind, out * constant)
    return 0


def small_products_wide(row, constant, bases, first, last):
    """Products of two matrices of each stream, of single numbers."""
    to_kind, a_kind, b_kind = kind(row, 0), kind(row, 1), kind(row, 2)
    for stream in range(first, last):
        to_0, a_0 = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        b_0 = place(row, 2, bases, first, stream)
        for i in range(integer(row, 3)):
            for j in range(integer(row, 4)):
                for k in range(integer(row, 5)):
                    to, a, b = to_0 + along(row, 0, i, j, k), a_0 + along(row, 1, i, j, k), b_0 + along(row, 2, i, j, k)
                    for n in range(integer(row, 6)):
                        out, column = 0.0, b + n * step(row, 2, 3)
                        for r in range(integer(row, 7)):
                            x = peek(a + r * step(row, 1, 4), a_kind)
                            out += x * peek(column + r * step(row, 2, 4), b_kind)
                        poke(to + n * step(row, 0, 3), to_kind, out)
    return 0


def move(row, constant, bases, first, last):
    """Numbers to places that others name (scatter), or from them (gather); how many names lead nowhere."""
    to_kind, from_kind, index_kind = kind(row, 0), kind(row, 1), kind(row, 2)
    scatter = integer(row, 0) == opcodes.SCATTER
    lost = 0
    for stream in range(first, last):
        to, a = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        b = place(row, 2, bases, first, stream)
        for i in range(integer(row, 3)):
            for j in range(integer(row, 4)):
                for k in range(integer(row, 5)):
                    for n in range(integer(row, 6)):
                        index = int(peek(b + along(row, 2, i, j, k) + n * step(row, 2, 3), index_kind))
                        if index < 0 or index >= integer(row, 7):
                            lost += 1
                            continue
                        to_at = to + along(row, 0, i, j, k) + n * step(row, 0, 3)
                        from_at = a + along(row, 1, i, j, k) + n * step(row, 1, 3)
                        if scatter:
                            to_at += index * step(row, 0, 4)
                        else:
                            from_at += index * step(row, 1, 4)
                        if to_kind == INT64 and from_kind == INT64:
                            write_integer(to_at, integer(from_at, 0))
                        else:
                            poke(to_at, to_kind, peek(from_at, from_kind))
    return lost
