"""Products of matrices of float32, in vectors."""

from __future__ import annotations

from numba import float32

from ..simd import LANES, fma, inlined, load, read, splat, splat_at, stack, store, total, write
from ..simd_tiles import sum_rows
from . import opcodes
from .memory import integer
from .opcodes import HEAD, PART
from .parts import along, fetch, place, put, step

__all__ = ["product", "small_products"]


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
    """One row times a matrix, eight panels at a time: each sum in the order of `product_rows`, to the last bit."""
    line, size = 4 * LANES, 4 * LANES * summed
    for n in range(0, columns, 8 * LANES):
        count, at = columns - n, weight + n * 4 * summed
        # panels behind the last one are read again in place of it, and not written
        last = (count - 1) // LANES
        p_1, p_2, p_3 = at + min(1, last) * size, at + min(2, last) * size, at + min(3, last) * size
        p_4, p_5 = at + min(4, last) * size, at + min(5, last) * size
        p_6, p_7 = at + min(6, last) * size, at + min(7, last) * size
        a_0, a_1 = load(bias, n), load(bias, n + min(1, last) * LANES)
        a_2, a_3 = load(bias, n + min(2, last) * LANES), load(bias, n + min(3, last) * LANES)
        a_4, a_5 = load(bias, n + min(4, last) * LANES), load(bias, n + min(5, last) * LANES)
        a_6, a_7 = load(bias, n + min(6, last) * LANES), load(bias, n + min(7, last) * LANES)
        if last < 4:
            for r in range(summed):
                y, here = splat_at(x, r), r * line
                a_0, a_1 = fma(y, load(at + here, 0), a_0), fma(y, load(p_1 + here, 0), a_1)
                a_2, a_3 = fma(y, load(p_2 + here, 0), a_2), fma(y, load(p_3 + here, 0), a_3)
        else:
            for r in range(summed):
                y, here = splat_at(x, r), r * line
                a_0, a_1 = fma(y, load(at + here, 0), a_0), fma(y, load(p_1 + here, 0), a_1)
                a_2, a_3 = fma(y, load(p_2 + here, 0), a_2), fma(y, load(p_3 + here, 0), a_3)
                a_4, a_5 = fma(y, load(p_4 + here, 0), a_4), fma(y, load(p_5 + here, 0), a_5)
                a_6, a_7 = fma(y, load(p_6 + here, 0), a_6), fma(y, load(p_7 + here, 0), a_7)
        put_if(to, n, 0, count, a_0)
        put_if(to, n, 1, count, a_1)
        put_if(to, n, 2, count, a_2)
        put_if(to, n, 3, count, a_3)
        put_if(to, n, 4, count, a_4)
        put_if(to, n, 5, count, a_5)
        put_if(to, n, 6, count, a_6)
        put_if(to, n, 7, count, a_7)


@inlined
def put_if(to, n, panel, count, value):
    """Write what the row has of a panel."""
    if count > panel * LANES:
        put(to, n + panel * LANES, count - panel * LANES, value)


def product(row, constant, bases, first, last):
    """Rows times a constant matrix, plus a constant row."""
    each, columns, summed = integer(row, 5), integer(row, 6), integer(row, 7)
    weight, bias = place(row, 2, bases, first, first), place(row, 3, bases, first, first)
    to, x = place(row, 0, bases, first, first), place(row, 1, bases, first, first)
    to_stream, x_stream = integer(row, HEAD + 3), integer(row, HEAD + PART + 3)
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
    return 0


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


def small_products(row, constant, bases, first, last):
    """Products of two matrices of each stream."""
    form, inner, summed = integer(row, 0), integer(row, 6), integer(row, 7)
    tile = stack(LANES)
    for n in range(LANES):
        store(tile, n, splat(float32(0.0)))
    for stream in range(first, last):
        to, a = place(row, 0, bases, first, stream), place(row, 1, bases, first, stream)
        b = place(row, 2, bases, first, stream)
        for i in range(integer(row, 3)):
            for j in range(integer(row, 4)):
                for k in range(integer(row, 5)):
                    to_row, a_row = to + along(row, 0, i, j, k), a + along(row, 1, i, j, k)
                    b_row = b + along(row, 2, i, j, k)
                    if form == opcodes.SMALL_COLUMNS:
                        for n in range(0, inner, LANES):
                            out = splat(float32(0.0))
                            for r in range(summed):
                                y = fetch(b_row + r * step(row, 2, 4), n, inner - n, 4)
                                out = fma(splat_at(a_row + r * step(row, 1, 4), 0), y, out)
                            put(to_row, n, inner - n, out)
                    else:
                        dots(to_row, step(row, 0, 3), a_row, b_row, step(row, 2, 3), inner, summed, tile)
    return 0
