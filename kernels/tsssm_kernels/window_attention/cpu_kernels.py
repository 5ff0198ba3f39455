"""Window attention's loops for the CPU, forward and backward.

Sixteen queries of a head lie side by side in a vector while the keys and values that any of them sees pass by, four at
once. Sums over features and over keys then need no sum over lanes. What the backward pass adds to a key sums over
queries instead: there the features lie side by side.
"""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import simd, simd_math, simd_rows, simd_tiles
from ..compiling import compile_serial
from ..simd import LANES, exp2, fma, inlined, load, maximum, splat, splat_at, stack, store, where_positive, write
from ..simd_math import LOG2_E
from ..simd_rows import clear, read_row, whole, write_row
from . import cpu_arrays, cpu_blocks
from .cpu_arrays import BLOCK
from .cpu_blocks import FLOAT, read_block, rotate_block, write_block

__all__ = ["backward", "forward"]

NEVER = -1e30  # exponent of what is not seen
AT_ONCE = 4  # keys

compiled = partial(compile_serial, helpers=(simd, simd_math, simd_rows, simd_tiles, cpu_arrays, cpu_blocks))


@inlined
def read_head(sizes, inputs, series, head, k_rows, v_rows, block, tile):
    """Keys, turned, and values of a head in rows of whole vectors, those before the call first, zeros behind."""
    length, past, heads = sizes.length, sizes.past, sizes.kv_heads
    width, values = sizes.width, sizes.values
    K, V = whole(width), whole(values)
    for j in range(past):
        at = (series * past + j) * heads + head
        read_row(inputs.past_keys, at * width, width, k_rows, j * K)
        read_row(inputs.past_values, at * values, values, v_rows, j * V)
    for j in range(length):
        at = (series * length + j) * heads + head
        read_row(inputs.k, at * width, width, k_rows, (past + j) * K)
        read_row(inputs.v, at * values, values, v_rows, (past + j) * V)
    clear(k_rows, (past + length) * K, (past + length + BLOCK) * K)
    clear(v_rows, (past + length) * V, (past + length + BLOCK) * V)
    if inputs.turns != 0:
        turn_rows(sizes, inputs, series, k_rows + FLOAT * past * K, 1.0, block, tile)


@inlined
def turn_rows(sizes, inputs, series, rows, sign, block, tile):
    """Turn the rows of all steps, or with a sign of -1 turn them back; those behind may be written to."""
    K, n_turns = whole(sizes.width), whole(sizes.length)
    turns = inputs.turns + FLOAT * series * sizes.own_positions * sizes.width * n_turns
    for start in range(0, sizes.length, BLOCK):
        steps = rows + FLOAT * start * K
        read_block(steps, BLOCK, K, K, block, tile)
        rotate_block(block, sizes.width, turns, n_turns, start, sign)
        write_block(block, BLOCK, K, K, steps, tile)


@inlined
def read_queries(sizes, inputs, series, head, start, block, tile):
    """Sixteen queries, turned, a feature in a vector."""
    steps = min(BLOCK, sizes.length - start)
    stride = sizes.heads * sizes.width
    source = inputs.q + FLOAT * ((series * sizes.length + start) * stride + head * sizes.width)
    read_block(source, steps, stride, sizes.width, block, tile)
    if inputs.turns != 0:
        n_turns = whole(sizes.length)
        turns = inputs.turns + FLOAT * series * sizes.own_positions * sizes.width * n_turns
        rotate_block(block, sizes.width, turns, n_turns, start, 1.0)


@inlined
def multiply_block(block, count, factor):
    """Multiply all numbers of a block."""
    for n in range(0, count * LANES, LANES):
        store(block, n, load(block, n) * splat(float32(factor)))


@inlined
def products(block, count, rows, at, width):
    """Of sixteen columns with each of four rows, `width` numbers long."""
    zero = splat(float32(0.0))
    a, b, c, d = zero, zero, zero, zero
    for n in range(count):
        x = load(block, n * LANES)
        a = fma(x, splat_at(rows, at + n), a)
        b = fma(x, splat_at(rows, at + n + width), b)
        c = fma(x, splat_at(rows, at + n + 2 * width), c)
        d = fma(x, splat_at(rows, at + n + 3 * width), d)
    return a, b, c, d


@inlined
def hide(exponent, back, reach):
    """The exponent where a key lies within reach, so many steps back."""
    half = splat(float32(0.5))
    beyond = maximum(back - reach + half, splat(float32(0.0)) - back - half)
    return where_positive(beyond, splat(float32(NEVER)), exponent)


@inlined
def visible_products(block, count, rows, j, width, first_back, lanes, reach):
    """Exponents of keys j to j + 3 for sixteen queries; the first query comes `first_back` steps after key j."""
    a, b, c, d = products(block, count, rows, j * width, width)
    back = lanes + splat(float32(first_back))
    one = splat(float32(1.0))
    a = hide(a, back, reach)
    back = back - one
    b = hide(b, back, reach)
    back = back - one
    c = hide(c, back, reach)
    return a, b, c, hide(d, back - one, reach)


@inlined
def weighted_sums(weights, rows, first, last, width, block):
    """Sums over rows `first` to `last`, each with a weight for each of sixteen columns: a block of `width` numbers."""
    zero = splat(float32(0.0))
    for n in range(0, width, 4):
        a, b, c, d = zero, zero, zero, zero
        for j in range(first, last):
            weight, at = load(weights, (j - first) * LANES), j * width + n
            a = fma(weight, splat_at(rows, at), a)
            b = fma(weight, splat_at(rows, at + 1), b)
            c = fma(weight, splat_at(rows, at + 2), c)
            d = fma(weight, splat_at(rows, at + 3), d)
        store(block, n * LANES, a)
        store(block, (n + 1) * LANES, b)
        store(block, (n + 2) * LANES, c)
        store(block, (n + 3) * LANES, d)


@compiled
def forward(sizes, inputs, outputs, scratch, items_from, items_to):
    """Run items (series and head of keys) `items_from` to `items_to`."""
    length, past, window, shared = sizes.length, sizes.past, sizes.window, sizes.heads // sizes.kv_heads
    width, values, n_blocked = sizes.width, sizes.values, whole(sizes.length)
    K, V, n_rows = whole(width), whole(values), past + length + BLOCK
    k_rows = scratch  # (n_rows, K)
    v_rows = k_rows + FLOAT * n_rows * K
    queries = v_rows + FLOAT * n_rows * V  # (K, BLOCK)
    sums = queries + FLOAT * K * BLOCK  # (V, BLOCK)
    weights = sums + FLOAT * V * BLOCK  # (keys that a block sees, BLOCK)
    tile, lanes_at = stack(BLOCK), stack(1)
    for i in range(LANES):
        write(lanes_at, i, float32(i))
    lanes = load(lanes_at, 0)
    for item in range(items_from, items_to):
        series, kv_head = item // sizes.kv_heads, item % sizes.kv_heads
        read_head(sizes, inputs, series, kv_head, k_rows, v_rows, queries, tile)
        if outputs.keys != 0:
            for j in range(length):
                at = (series * length + j) * sizes.kv_heads + kv_head
                write_row(k_rows, (past + j) * K, width, outputs.keys, at * width)
        for head in range(kv_head * shared, (kv_head + 1) * shared):
            for start in range(0, length, BLOCK):
                steps = min(BLOCK, length - start)
                read_queries(sizes, inputs, series, head, start, queries, tile)
                multiply_block(queries, width, sizes.scale)
                multiply_block(queries, width, LOG2_E)  # one by one, as in the backward pass: the same numbers
                reach = load(inputs.reach, series * sizes.own_positions * n_blocked + start)
                first = max(0, past + start - window + 1)
                last = first + (past + start + steps - first + AT_ONCE - 1) // AT_ONCE * AT_ONCE
                peak = splat(float32(NEVER))
                for j in range(first, last, AT_ONCE):
                    a, b, c, d = visible_products(queries, width, k_rows, j, K, past + start - j, lanes, reach)
                    at = (j - first) * LANES
                    store(weights, at, a)
                    store(weights, at + LANES, b)
                    store(weights, at + 2 * LANES, c)
                    store(weights, at + 3 * LANES, d)
                    peak = maximum(maximum(maximum(a, b), maximum(c, d)), peak)
                total = splat(float32(0.0))
                for n in range(0, (last - first) * LANES, LANES):
                    weight = exp2(load(weights, n) - peak)
                    store(weights, n, weight)
                    total = total + weight
                inverse = splat(float32(1.0)) / total
                weighted_sums(weights, v_rows, first, last, V, sums)
                for n in range(0, values * LANES, LANES):
                    store(sums, n, load(sums, n) * inverse)
                row = series * length + start
                write_block(
                    sums,
                    steps,
                    sizes.heads * values,
                    values,
                    outputs.y + FLOAT * (row * sizes.heads + head) * values,
                    tile,
                )
                if outputs.peaks != 0:
                    at = (series * sizes.heads + head) * n_blocked + start
                    store(outputs.peaks, at, peak)
                    store(outputs.inverses, at, inverse)


@inlined
def add_weighted_rows(weights, j, rows, width, into):
    """Add to rows j to j + 3 the sixteen `rows`, each with the weight of its lane."""
    for n in range(0, width, LANES):
        at = j * width + n
        a, b, c, d = load(into, at), load(into, at + width), load(into, at + 2 * width), load(into, at + 3 * width)
        for i in range(LANES):
            x = load(rows, i * width + n)
            a = fma(x, splat_at(weights, i), a)
            b = fma(x, splat_at(weights, LANES + i), b)
            c = fma(x, splat_at(weights, 2 * LANES + i), c)
            d = fma(x, splat_at(weights, 3 * LANES + i), d)
        store(into, at, a)
        store(into, at + width, b)
        store(into, at + 2 * width, c)
        store(into, at + 3 * width, d)


@compiled
def backward(sizes, inputs, outputs, grad_y, grad_keys, grads, scratch, items_from, items_to):
    """Gradients for items `items_from` to `items_to`."""
    length, past, window, shared = sizes.length, sizes.past, sizes.window, sizes.heads // sizes.kv_heads
    width, values, n_blocked = sizes.width, sizes.values, whole(sizes.length)
    K, V, n_rows = whole(width), whole(values), past + length + BLOCK
    k_rows = scratch  # (n_rows, K)
    v_rows = k_rows + FLOAT * n_rows * K
    into_k = v_rows + FLOAT * n_rows * V  # (n_rows, K)
    into_v = into_k + FLOAT * n_rows * K  # (n_rows, V)
    queries = into_v + FLOAT * n_rows * V  # (K, BLOCK)
    q_rows = queries + FLOAT * K * BLOCK  # (BLOCK, K)
    outer = q_rows + FLOAT * K * BLOCK  # (V, BLOCK): the incoming gradients
    outer_rows = outer + FLOAT * V * BLOCK  # (BLOCK, V)
    weights = outer_rows + FLOAT * V * BLOCK  # (keys that a block sees, BLOCK)
    slopes = weights + FLOAT * (min(window + BLOCK, past + length) + BLOCK) * BLOCK  # as many
    tile, lanes_at = stack(BLOCK), stack(1)
    for i in range(LANES):
        write(lanes_at, i, float32(i))
    lanes = load(lanes_at, 0)
    for item in range(items_from, items_to):
        series, kv_head = item // sizes.kv_heads, item % sizes.kv_heads
        read_head(sizes, inputs, series, kv_head, k_rows, v_rows, queries, tile)
        clear(into_k, 0, n_rows * K)
        clear(into_v, 0, n_rows * V)
        if grad_keys != 0:
            for j in range(length):
                at = (series * length + j) * sizes.kv_heads + kv_head
                read_row(grad_keys, at * width, width, into_k, (past + j) * K)
        for head in range(kv_head * shared, (kv_head + 1) * shared):
            for start in range(0, length, BLOCK):
                steps, row = min(BLOCK, length - start), series * length + start
                of_head = FLOAT * (row * sizes.heads + head)
                read_queries(sizes, inputs, series, head, start, queries, tile)
                multiply_block(queries, width, sizes.scale)
                write_block(queries, BLOCK, K, K, q_rows, tile)
                multiply_block(queries, width, LOG2_E)
                read_block(grad_y + of_head * values, steps, sizes.heads * values, values, outer, tile)
                write_block(outer, BLOCK, V, V, outer_rows, tile)
                reach = load(inputs.reach, series * sizes.own_positions * n_blocked + start)
                at = (series * sizes.heads + head) * n_blocked + start
                peak, inverse = load(outputs.peaks, at), load(outputs.inverses, at)
                first = max(0, past + start - window + 1)
                last = first + (past + start + steps - first + AT_ONCE - 1) // AT_ONCE * AT_ONCE
                mean = splat(float32(0.0))
                for j in range(first, last, AT_ONCE):
                    a, b, c, d = visible_products(queries, width, k_rows, j, K, past + start - j, lanes, reach)
                    a, b, c, d = exp2(a - peak), exp2(b - peak), exp2(c - peak), exp2(d - peak)
                    a, b, c, d = a * inverse, b * inverse, c * inverse, d * inverse
                    at = (j - first) * LANES
                    store(weights, at, a)
                    store(weights, at + LANES, b)
                    store(weights, at + 2 * LANES, c)
                    store(weights, at + 3 * LANES, d)
                    e, f, g, h = products(outer, values, v_rows, j * V, V)
                    store(slopes, at, e)
                    store(slopes, at + LANES, f)
                    store(slopes, at + 2 * LANES, g)
                    store(slopes, at + 3 * LANES, h)
                    mean = fma(a, e, fma(b, f, fma(c, g, fma(d, h, mean))))
                for n in range(0, (last - first) * LANES, LANES):
                    store(slopes, n, load(weights, n) * (load(slopes, n) - mean))
                for j in range(first, last, AT_ONCE):
                    at = FLOAT * (j - first) * LANES
                    add_weighted_rows(slopes + at, j, q_rows, K, into_k)
                    add_weighted_rows(weights + at, j, outer_rows, V, into_v)
                weighted_sums(slopes, k_rows, first, last, K, queries)
                multiply_block(queries, width, sizes.scale)
                if inputs.turns != 0:
                    turns = inputs.turns + FLOAT * series * sizes.own_positions * width * n_blocked
                    rotate_block(queries, width, turns, n_blocked, start, -1.0)
                write_block(queries, steps, sizes.heads * width, width, grads.q + of_head * width, tile)
        if inputs.turns != 0:
            turn_rows(sizes, inputs, series, into_k + FLOAT * past * K, -1.0, queries, tile)
        for j in range(past):
            at = (series * past + j) * sizes.kv_heads + kv_head
            write_row(into_k, j * K, width, grads.past_keys, at * width)
            write_row(into_v, j * V, values, grads.past_values, at * values)
        for j in range(length):
            at = (series * length + j) * sizes.kv_heads + kv_head
            write_row(into_k, (past + j) * K, width, grads.k, at * width)
            write_row(into_v, (past + j) * V, values, grads.v, at * values)
