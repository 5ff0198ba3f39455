"""Loops over numbers of float32 that lie side by side, in vectors."""

from __future__ import annotations

import math

from numba import float32

from ..simd import LANES, inlined, load, read, splat, stack, store, total, write
from ..simd_parts import load_first
from . import opcodes
from .functions import of_vectors
from .memory import integer
from .parts import along, fetch, place, put, step

__all__ = ["elements", "reduce"]


@inlined
def line(function, to, a, b, c, a_step, b_step, c_step, count, number):
    """A function of numbers side by side."""
    for n in range(0, count, LANES):
        x, y, z = fetch(a, n, count - n, a_step), fetch(b, n, count - n, b_step), fetch(c, n, count - n, c_step)
        put(to, n, count - n, of_vectors(function, x, y, z, number))


def elements(row, constant, bases, first, last):
    """A function of vectors."""
    function, count, number = integer(row, 1), integer(row, 6), float32(constant)
    sizes = integer(row, 3), integer(row, 4), integer(row, 5)
    to_i, to_j, to_k = step(row, 0, 0), step(row, 0, 1), step(row, 0, 2)
    a_i, a_j, a_k, a_n = step(row, 1, 0), step(row, 1, 1), step(row, 1, 2), step(row, 1, 3)
    b_i, b_j, b_k, b_n = step(row, 2, 0), step(row, 2, 1), step(row, 2, 2), step(row, 2, 3)
    c_i, c_j, c_k, c_n = step(row, 3, 0), step(row, 3, 1), step(row, 3, 2), step(row, 3, 3)
    for stream in range(first, last):
        to_0, a_0 = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        b_0, c_0 = place(row, 2, bases, first, stream), place(row, 3, bases, first, stream)
        for i in range(sizes[0]):
            for j in range(sizes[1]):
                to, a = to_0 + i * to_i + j * to_j, a_0 + i * a_i + j * a_j
                b, c = b_0 + i * b_i + j * b_j, c_0 + i * c_i + j * c_j
                for _ in range(sizes[2]):
                    # the commonest have loops of their own: to choose takes as long as to compute
                    if function == opcodes.MULTIPLY:
                        line(opcodes.MULTIPLY, to, a, b, a, a_n, b_n, 0, count, number)
                    elif function == opcodes.ADD:
                        line(opcodes.ADD, to, a, b, a, a_n, b_n, 0, count, number)
                    elif function == opcodes.ADD_PRODUCT:
                        line(opcodes.ADD_PRODUCT, to, a, b, c, a_n, b_n, c_n, count, number)
                    elif function == opcodes.COPY:
                        line(opcodes.COPY, to, a, a, a, a_n, 0, 0, count, number)
                    elif function == opcodes.EXP:
                        line(opcodes.EXP, to, a, a, a, a_n, 0, 0, count, number)
                    else:
                        line(function, to, a, b, c, a_n, b_n, c_n, count, number)
                    to, a, b, c = to + to_k, a + a_k, b + b_k, c + c_k
    return 0


@inlined
def gathered(function, a, b):
    """The sum of two vectors, or the larger numbers."""
    return a + b if function == opcodes.SUM else of_vectors(opcodes.MAXIMUM, a, b, b, float32(0.0))


@inlined
def nothing(function):
    """What a sum, or a maximum, of nothing is."""
    return splat(float32(0.0)) if function == opcodes.SUM else splat(float32(-math.inf))


def reduce(row, constant, bases, first, last):
    """Sums or maxima: of numbers side by side, or of vectors."""
    function, summed, inner = integer(row, 1), integer(row, 7), integer(row, 6)
    number, across = splat(float32(constant)), integer(row, 0) == opcodes.REDUCE_ACROSS
    for stream in range(first, last):
        to, a = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        for i in range(integer(row, 3)):
            for j in range(integer(row, 4)):
                for k in range(integer(row, 5)):
                    to_row, a_row = to + along(row, 0, i, j, k), a + along(row, 1, i, j, k)
                    if across:
                        for n in range(0, inner, LANES):
                            out = nothing(function)
                            for r in range(summed):
                                x = fetch(a_row + r * step(row, 1, 4), n, inner - n, 4)
                                out = gathered(function, out, x)
                            put(to_row, n, inner - n, out * number)
                        continue
                    for n in range(inner):
                        out, at = nothing(function), a_row + n * step(row, 1, 3)
                        whole = summed // LANES * LANES
                        for r in range(0, whole, LANES):
                            out = gathered(function, out, load(at, r))
                        if function == opcodes.SUM:
                            if whole < summed:
                                out = out + load_first(at + 4 * whole, summed - whole)
                            write(to_row + n * step(row, 0, 3), 0, total(out * number))
                        else:
                            largest = largest_lane(out)
                            for r in range(whole, summed):
                                largest = larger(largest, read(at, r))
                            write(to_row + n * step(row, 0, 3), 0, largest)
    return 0


@inlined
def larger(a, b):
    """The larger number; one that is none goes first."""
    return b if b > a or math.isnan(b) else a


@inlined
def largest_lane(x):
    """The largest of a vector's numbers."""
    room = stack(1)
    store(room, 0, x)
    largest = read(room, 0)
    for lane in range(1, LANES):
        largest = larger(largest, read(room, lane))
    return largest
