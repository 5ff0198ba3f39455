"""The loops of instructions over numbers, sums and products, for the streams from `first` on."""

from __future__ import annotations

import math
from functools import partial

from numba import float32

from .. import simd, simd_logic, simd_math, simd_parts, simd_tiles
from ..compiling import compile_serial
from ..simd import LANES, fma, inlined, load, read, splat, splat_at, stack, store, total, write
from ..simd_parts import load_first, store_first
from ..simd_tiles import sum_rows
from . import functions, memory, opcodes
from .functions import of_number, of_vectors
from .memory import peek, poke
from .opcodes import HEAD, PART

__all__ = ["compiled", "elements", "elements_wide", "move", "product", "reduce", "reduce_wide", "small_products"]

compiled = partial(compile_serial, helpers=(simd, simd_logic, simd_math, simd_parts, simd_tiles, functions, memory, opcodes))
_number = compiled(of_number)


@inlined
def place(row, part, bases, first, stream):
    """Where a part's numbers for the stream begin; what lies between instructions is counted from `first`."""
    at = HEAD + part * PART
    here = row[at]
    number = stream - first if here == 0 else stream
    return bases[here] + row[at + 1] + number * row[at + 3]


@inlined
def step(row, part, axis):
    """A part's stride along one of the outer axes (0, 1, 2), the inner (3) or the summed one (4)."""
    return row[HEAD + part * PART + 4 + axis]


@inlined
def kind(row, part):
    """A part's type in memory."""
    return row[HEAD + part * PART + 2]


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


@inlined
def line(function, to, a, b, c, a_step, b_step, c_step, count, number):
    """A function of numbers side by side."""
    for n in range(0, count, LANES):
        x, y, z = fetch(a, n, count - n, a_step), fetch(b, n, count - n, b_step), fetch(c, n, count - n, c_step)
        put(to, n, count - n, of_vectors(function, x, y, z, number))


@compiled
def elements(row, constant, bases, first, last):
    """A function of vectors."""
    function, count, number = row[1], row[6], float32(constant)
    sizes = row[3], row[4], row[5]
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


@compiled
def elements_wide(row, constant, bases, first, last):
    """A function of single numbers."""
    function, count = row[1], row[6]
    sizes = row[3], row[4], row[5]
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
                        poke(to, to_kind, _number(function, x, y, z, constant))
                        to, a, b, c = to + to_n, a + a_n, b + b_n, c + c_n


@inlined
def gathered(function, a, b):
    """The sum of two vectors, or the larger numbers."""
    return a + b if function == opcodes.SUM else of_vectors(opcodes.MAXIMUM, a, b, b, float32(0.0))


@inlined
def nothing(function):
    """What a sum, or a maximum, of nothing is."""
    return splat(float32(0.0)) if function == opcodes.SUM else splat(float32(-math.inf))


@compiled
def reduce(row, constant, bases, first, last):
    """Sums or maxima: of numbers side by side, or of vectors."""
    function, summed, inner = row[1], row[7], row[6]
    number, across = splat(float32(constant)), row[0] == opcodes.REDUCE_ACROSS
    for stream in range(first, last):
        to, a = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        for i in range(row[3]):
            for j in range(row[4]):
                for k in range(row[5]):
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


@compiled
def reduce_wide(row, constant, bases, first, last):
    """Sums or maxima of single numbers."""
    function, to_kind, from_kind = row[1], kind(row, 0), kind(row, 1)
    for stream in range(first, last):
        to, a = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        for i in range(row[3]):
            for j in range(row[4]):
                for k in range(row[5]):
                    for n in range(row[6]):
                        at = a + along(row, 1, i, j, k) + n * step(row, 1, 3)
                        out = 0.0 if function == opcodes.SUM else -math.inf
                        for r in range(row[7]):
                            x = peek(at + r * step(row, 1, 4), from_kind)
                            out = out + x if function == opcodes.SUM else x if x > out or math.isnan(x) else out
                        poke(to + along(row, 0, i, j, k) + n * step(row, 0, 3), to_kind, out * constant)


@inlined
def product_rows(to_0, to_1, to_2, to_3, x_0, x_1, x_2, x_3, weight, bias, columns, summed):
    """Four rows times a matrix, in panels of sixteen columns that lie one after the other."""
    for n in range(0, columns, 2 * LANES):
        count, panel = columns - n, weight + 4 * n * summed
        next_panel = panel + 4 * LANES * summed if count > LANES else panel
        low = load(bias, n)
        high = load(bias, n + LANES) if count > LANES else low
        a_0, a_1, a_2, a_3 = low, low, low, low
        b_0, b_1, b_2, b_3 = high, high, high, high
        for r in range(summed):
            low, high = load(panel, r * LANES), load(next_panel, r * LANES)
            x = splat_at(x_0, r)
            a_0, b_0 = fma(x, low, a_0), fma(x, high, b_0)
            x = splat_at(x_1, r)
            a_1, b_1 = fma(x, low, a_1), fma(x, high, b_1)
            x = splat_at(x_2, r)
            a_2, b_2 = fma(x, low, a_2), fma(x, high, b_2)
            x = splat_at(x_3, r)
            a_3, b_3 = fma(x, low, a_3), fma(x, high, b_3)
        put(to_0, n, count, a_0)
        put(to_1, n, count, a_1)
        put(to_2, n, count, a_2)
        put(to_3, n, count, a_3)
        if count > LANES:
            put(to_0, n + LANES, count - LANES, b_0)
            put(to_1, n + LANES, count - LANES, b_1)
            put(to_2, n + LANES, count - LANES, b_2)
            put(to_3, n + LANES, count - LANES, b_3)


@inlined
def product_row(to, x, weight, bias, columns, summed):
    """One row times a matrix: four panels at a time, each of them in two sums, which do not wait for one another."""
    panel, size = 4 * LANES, 4 * LANES * summed
    for n in range(0, columns, 4 * LANES):
        count, at = columns - n, weight + n * 4 * summed
        zero = splat(float32(0.0))
        # panels behind the last one are read again in place of it, and not written
        one = at + size if count > LANES else at
        two = at + 2 * size if count > 2 * LANES else at
        three = at + 3 * size if count > 3 * LANES else at
        a_0, a_1, a_2, a_3, b_0, b_1, b_2, b_3 = zero, zero, zero, zero, zero, zero, zero, zero
        for r in range(0, summed - 1, 2):
            even, odd, here = splat_at(x, r), splat_at(x, r + 1), r * panel
            a_0, b_0 = fma(even, load(at + here, 0), a_0), fma(odd, load(at + here, LANES), b_0)
            a_1, b_1 = fma(even, load(one + here, 0), a_1), fma(odd, load(one + here, LANES), b_1)
            a_2, b_2 = fma(even, load(two + here, 0), a_2), fma(odd, load(two + here, LANES), b_2)
            a_3, b_3 = fma(even, load(three + here, 0), a_3), fma(odd, load(three + here, LANES), b_3)
        if summed % 2:
            even, here = splat_at(x, summed - 1), (summed - 1) * panel
            a_0, a_1 = fma(even, load(at + here, 0), a_0), fma(even, load(one + here, 0), a_1)
            a_2, a_3 = fma(even, load(two + here, 0), a_2), fma(even, load(three + here, 0), a_3)
        put(to, n, count, a_0 + b_0 + load(bias, n))
        if count > LANES:
            put(to, n + LANES, count - LANES, a_1 + b_1 + load(bias, n + LANES))
        if count > 2 * LANES:
            put(to, n + 2 * LANES, count - 2 * LANES, a_2 + b_2 + load(bias, n + 2 * LANES))
        if count > 3 * LANES:
            put(to, n + 3 * LANES, count - 3 * LANES, a_3 + b_3 + load(bias, n + 3 * LANES))


@compiled
def product(row, constant, bases, first, last):
    """Rows times a constant matrix, plus a constant row."""
    each, columns, summed = row[5], row[6], row[7]
    weight, bias = place(row, 2, bases, first, first), place(row, 3, bases, first, first)
    to, x = place(row, 0, bases, first, first), place(row, 1, bases, first, first)
    to_stream, x_stream = row[HEAD + 3], row[HEAD + PART + 3]
    to_step, x_step = step(row, 0, 2), step(row, 1, 2)
    rows = (last - first) * each
    done = 0
    for i in range(0, rows - 3, 4):
        s_0, s_1, s_2, s_3 = i // each, (i + 1) // each, (i + 2) // each, (i + 3) // each
        r_0, r_1, r_2, r_3 = i - s_0 * each, i + 1 - s_1 * each, i + 2 - s_2 * each, i + 3 - s_3 * each
        product_rows(
            to + s_0 * to_stream + r_0 * to_step, to + s_1 * to_stream + r_1 * to_step,
            to + s_2 * to_stream + r_2 * to_step, to + s_3 * to_stream + r_3 * to_step,
            x + s_0 * x_stream + r_0 * x_step, x + s_1 * x_stream + r_1 * x_step,
            x + s_2 * x_stream + r_2 * x_step, x + s_3 * x_stream + r_3 * x_step,
            weight, bias, columns, summed,
        )  # fmt: skip
        done = i + 4
    for i in range(done, rows):
        s = i // each
        r = i - s * each
        to_row, x_row = to + s * to_stream + r * to_step, x + s * x_stream + r * x_step
        product_row(to_row, x_row, weight, bias, columns, summed)


@inlined
def dots(to, to_step, row, columns, column_step, count, summed, tile):
    """The products of a row with columns, each of numbers side by side; sixteen sums at a time, if there are."""
    for begin in range(0, count, LANES):
        at, some = columns + begin * column_step, min(LANES, count - begin)
        for n in range(some):
            out = splat(float32(0.0))
            for r in range(0, summed, LANES):
                out = fma(fetch(row, r, summed - r, 4), fetch(at, r, summed - r, 4), out)
            store(tile, n, out)
            at += column_step
        if some < 4:
            for n in range(some):
                write(to + (begin + n) * to_step, 0, total(load(tile, n)))
            continue
        sums = sum_rows(tile, 0)  # of what stands in the tile behind the last one too, which is not looked at
        if to_step == 4:
            put(to + 4 * begin, 0, some, sums)
        else:
            store(tile, 0, sums)
            for n in range(some):
                write(to + (begin + n) * to_step, 0, read(tile, n))


@compiled
def small_products(row, constant, bases, first, last):
    """Products of two matrices of each stream."""
    form, inner, summed = row[0], row[6], row[7]
    tile = stack(LANES)
    for n in range(LANES):
        store(tile, n, splat(float32(0.0)))
    kinds = kind(row, 0), kind(row, 1), kind(row, 2)
    for stream in range(first, last):
        to, a = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        b = place(row, 2, bases, first, stream)
        for i in range(row[3]):
            for j in range(row[4]):
                for k in range(row[5]):
                    to_row, a_row = to + along(row, 0, i, j, k), a + along(row, 1, i, j, k)
                    b_row = b + along(row, 2, i, j, k)
                    if form == opcodes.SMALL_COLUMNS:
                        for n in range(0, inner, LANES):
                            out = splat(float32(0.0))
                            for r in range(summed):
                                y = fetch(b_row + r * step(row, 2, 4), n, inner - n, 4)
                                out = fma(splat_at(a_row + r * step(row, 1, 4), 0), y, out)
                            put(to_row, n, inner - n, out)
                    elif form == opcodes.SMALL_DOTS:
                        dots(to_row, step(row, 0, 3), a_row, b_row, step(row, 2, 3), inner, summed, tile)
                    else:
                        for n in range(inner):
                            total_wide, column = 0.0, b_row + n * step(row, 2, 3)
                            for r in range(summed):
                                x = peek(a_row + r * step(row, 1, 4), kinds[1])
                                total_wide += x * peek(column + r * step(row, 2, 4), kinds[2])
                            poke(to_row + n * step(row, 0, 3), kinds[0], total_wide)


@compiled
def move(row, constant, bases, first, last):
    """Numbers to places that others name (scatter), or from them (gather); how many names lead nowhere."""
    to_kind, from_kind, index_kind = kind(row, 0), kind(row, 1), kind(row, 2)
    scatter = row[0] == opcodes.SCATTER
    lost = 0
    for stream in range(first, last):
        to, a = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        b = place(row, 2, bases, first, stream)
        for i in range(row[3]):
            for j in range(row[4]):
                for k in range(row[5]):
                    for n in range(row[6]):
                        index = int(peek(b + along(row, 2, i, j, k) + n * step(row, 2, 3), index_kind))
                        if index < 0 or index >= row[7]:
                            lost += 1
                            continue
                        to_at = to + along(row, 0, i, j, k) + n * step(row, 0, 3)
                        from_at = a + along(row, 1, i, j, k) + n * step(row, 1, 3)
                        if scatter:
                            to_at += index * step(row, 0, 4)
                        else:
                            from_at += index * step(row, 1, 4)
                        poke(to_at, to_kind, peek(from_at, from_kind))
    return lost
