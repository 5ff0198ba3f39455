"""The causal convolution's loops for the CPU, forward and backward, in vectors of sixteen channels.

A sequence is cut at its resets into segments. Most steps of a segment read their inputs where these are; the first
ones, which reach back to what was before, read a copy of it all, the edge: `taps - 1` steps before the segment (the
state or zeros), then as many of its own. So no loop asks where an input stands. Eight steps at once share a tap.
"""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import simd, simd_math, simd_rows
from ..compiling import compile_serial
from ..simd import LANES, fma, inlined, load, read, splat, stack, store
from ..simd_math import add_to, sigmoid, silu_slope
from ..simd_rows import clear
from . import cpu_arrays

__all__ = ["convolution_backward", "convolution_forward"]

TILE = 8  # steps that share a tap
CHUNK = 64  # steps of the backward pass that stay in the processor's cache

compiled = partial(compile_serial, helpers=(simd, simd_math, simd_rows, cpu_arrays))


@inlined
def weigh(source, at, stride, reach, weight, tap, taps, width, steps, first, room):
    """Sums for up to eight steps of a block to `room`, on top of `first`; each tap further back is `reach` on."""
    if steps < TILE:
        for i in range(steps):
            total, row, of_tap = first, at + i * stride, tap
            for _ in range(taps):
                total = fma(load(source, row), load(weight, of_tap), total)
                row += reach
                of_tap -= width
            store(room, i, total)
        return
    a, b, c, d, e, f, g, h = first, first, first, first, first, first, first, first
    for _ in range(taps):
        w = load(weight, tap)
        a = fma(load(source, at), w, a)
        b = fma(load(source, at + stride), w, b)
        c = fma(load(source, at + 2 * stride), w, c)
        d = fma(load(source, at + 3 * stride), w, d)
        e = fma(load(source, at + 4 * stride), w, e)
        f = fma(load(source, at + 5 * stride), w, f)
        g = fma(load(source, at + 6 * stride), w, g)
        h = fma(load(source, at + 7 * stride), w, h)
        at += reach
        tap -= width
    store(room, 0, a)
    store(room, 1, b)
    store(room, 2, c)
    store(room, 3, d)
    store(room, 4, e)
    store(room, 5, f)
    store(room, 6, g)
    store(room, 7, h)


@inlined
def whole_tile(tile, steps):
    """Where a tile begins, how many steps it has, and how many of them are there only to make it whole."""
    together = min(TILE, steps - tile)
    skip = 0
    if tile > 0:
        skip = TILE - together
    return tile - skip, together + skip, skip


@inlined
def segment_end(inputs, row, start, length):
    """The step of the next reset after `start`, or the length."""
    if inputs.resets == 0:
        return length
    for t in range(start + 1, length):
        if read(inputs.resets, row + t) != 0:
            return t
    return length


@inlined
def is_carried(inputs, start, row):
    """Whether the state reaches the segment that begins there."""
    return start == 0 and inputs.state != 0 and (inputs.resets == 0 or read(inputs.resets, row) == 0)


@inlined
def copy_rows(source, at, stride, rows, edge, to, width, begin, end):
    """Copy numbers `begin` to `end` of so many rows."""
    for i in range(rows):
        for n in range(begin, end, LANES):
            store(edge, (to + i) * width + n, load(source, at + i * stride + n))


@inlined
def clear_rows(edge, to, rows, width, begin, end):
    """Zeros in numbers `begin` to `end` of so many rows."""
    for i in range(to, to + rows):
        clear(edge, i * width + begin, i * width + end)


@inlined
def lay_edge(sizes, inputs, series, carried, row, steps, edge, begin, end):
    """What was before a segment, if anything is `carried` into it, and its first steps."""
    before, width = sizes.taps - 1, sizes.blocks * LANES
    if carried:
        copy_rows(inputs.state, series * before * width, width, before, edge, 0, width, begin, end)
    else:
        clear_rows(edge, 0, before, width, begin, end)
    copy_rows(inputs.x, row * sizes.x_stride, sizes.x_stride, steps, edge, before, width, begin, end)


@inlined
def convolve(sizes, inputs, source, at, stride, behind, steps, y, row, begin, end, room):
    """Outputs of so many steps; `source` has `taps - 1` before the first, too, zeros but for those `behind` it."""
    width, taps = sizes.blocks * LANES, sizes.taps
    for tile in range(0, steps, TILE):
        t, together, skip = whole_tile(tile, steps)
        for n in range(begin, end, LANES):
            first = splat(float32(0.0))
            if inputs.bias != 0:
                first = load(inputs.bias, n)
            tap, here, count = (taps - 1) * width + n, at + t * stride + n, min(taps, behind + t + together)
            weigh(source, here, stride, -stride, inputs.weight, tap, count, width, together, first, room)
            for i in range(skip, together):
                total = load(room, i)
                if sizes.silu != 0:
                    total = total * sigmoid(total)
                store(y, (row + t + i) * width + n, total)


@compiled
def convolution_forward(sizes, inputs, y, last, edge, items_from, items_to):
    """Write `y`, (T, E), and `last`, the state after the last step; `edge` has room for 2 (taps - 1) rows of E."""
    before, width, length = sizes.taps - 1, sizes.blocks * LANES, sizes.length
    room = stack(TILE)
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        begin, end = group * sizes.blocks // sizes.groups * LANES, (group + 1) * sizes.blocks // sizes.groups * LANES
        start = 0
        while start < length:
            row = series * length + start
            carried = is_carried(inputs, start, row)
            steps = segment_end(inputs, series * length, start, length) - start
            near = min(before, steps)
            lay_edge(sizes, inputs, series, carried, row, near, edge, begin, end)
            behind = 0
            if carried:
                behind = before
            convolve(sizes, inputs, edge, before * width, width, behind, near, y, row, begin, end, room)
            at, far = (row + near) * sizes.x_stride, steps - near
            convolve(sizes, inputs, inputs.x, at, sizes.x_stride, before, far, y, row + near, begin, end, room)
            start += steps
            if start == length:
                kept, to = before - near, series * before  # of those that were before, the last ones
                copy_rows(edge, near * width, width, kept, last, to, width, begin, end)
                at = (row + steps - near) * sizes.x_stride
                copy_rows(inputs.x, at, sizes.x_stride, near, last, to + kept, width, begin, end)


@inlined
def differentiate_output(sizes, inputs, grads, source, at, stride, behind, steps, row, share, begin, end, room):
    """Gradients of the sums before SiLU, in place of those of x, and of the bias."""
    width, taps = sizes.blocks * LANES, sizes.taps
    for tile in range(0, steps, TILE):
        t, together, skip = whole_tile(tile, steps)
        for n in range(begin, end, LANES):
            if sizes.silu != 0:
                first = splat(float32(0.0))
                if inputs.bias != 0:
                    first = load(inputs.bias, n)
                tap, here, count = (taps - 1) * width + n, at + t * stride + n, min(taps, behind + t + together)
                weigh(source, here, stride, -stride, inputs.weight, tap, count, width, together, first, room)
            into_bias = splat(float32(0.0))
            for i in range(skip, together):
                grad = load(grads.y, (row + t + i) * sizes.y_stride + n)
                if sizes.silu != 0:
                    grad = grad * silu_slope(load(room, i))
                into_bias = into_bias + grad
                store(grads.x, (row + t + i) * sizes.x_stride + n, grad)
            add_to(grads.bias, share * width + n, into_bias)


@inlined
def differentiate_weight(sizes, grads, source, at, stride, behind, steps, row, share, begin, end):
    """What so many steps add to the gradient of the weight: four taps at once."""
    width, taps = sizes.blocks * LANES, sizes.taps
    for n in range(begin, end, LANES):
        of_sums = row * sizes.x_stride + n
        for back in range(0, taps // 4 * 4, 4):
            here, to = at + n - back * stride, (share * taps + taps - 1 - back) * width + n
            a, b = load(grads.weight, to), load(grads.weight, to - width)
            c, d = load(grads.weight, to - 2 * width), load(grads.weight, to - 3 * width)
            for i in range(max(0, back - behind), steps):
                grad, x = load(grads.x, of_sums + i * sizes.x_stride), here + i * stride
                a = fma(grad, load(source, x), a)
                b = fma(grad, load(source, x - stride), b)
                c = fma(grad, load(source, x - 2 * stride), c)
                d = fma(grad, load(source, x - 3 * stride), d)
            store(grads.weight, to, a)
            store(grads.weight, to - width, b)
            store(grads.weight, to - 2 * width, c)
            store(grads.weight, to - 3 * width, d)
        for back in range(taps // 4 * 4, taps):
            here, to = at + n - back * stride, (share * taps + taps - 1 - back) * width + n
            into = load(grads.weight, to)
            for i in range(max(0, back - behind), steps):
                into = fma(load(grads.x, of_sums + i * sizes.x_stride), load(source, here + i * stride), into)
            store(grads.weight, to, into)


@inlined
def differentiate_input(sizes, inputs, source, at, stride, beyond, steps, target, to, to_stride, begin, end, room):
    """Gradients of inputs, of those of the sums from the same step on; `source` may be `target`.

    `source` has `taps - 1` steps after the last, too, zeros but for those `beyond` it.
    """
    width, taps = sizes.blocks * LANES, sizes.taps
    zero = splat(float32(0.0))
    for tile in range(0, steps, TILE):
        t, together, skip = whole_tile(tile, steps)
        for n in range(begin, end, LANES):
            tap, here, count = (taps - 1) * width + n, at + t * stride + n, min(taps, steps - t + beyond)
            weigh(source, here, stride, stride, inputs.weight, tap, count, width, together, zero, room)
            for i in range(skip, together):
                store(target, to + (t + i) * to_stride + n, load(room, i))


@inlined
def differentiate_state(sizes, inputs, grads, series, carried, row, near, edge, begin, end, room):
    """The gradient of the state, of those of a segment's first sums."""
    before, width = sizes.taps - 1, sizes.blocks * LANES
    if carried:
        clear_rows(edge, 0, before, width, begin, end)
        copy_rows(grads.x, row * sizes.x_stride, sizes.x_stride, near, edge, before, width, begin, end)
        clear_rows(edge, before + near, before - near, width, begin, end)
        to = series * before * width
        differentiate_input(sizes, inputs, edge, 0, width, near, before, grads.state, to, width, begin, end, room)
    elif inputs.state != 0:
        clear_rows(grads.state, series * before, before, width, begin, end)


@inlined
def differentiate_last(sizes, grads, series, carried, row, steps, begin, end):
    """What the gradient of the last state adds to those of a series' last inputs, which may be in the state."""
    before, width = sizes.taps - 1, sizes.blocks * LANES
    for k in range(before):
        t = steps - before + k
        for n in range(begin, end, LANES):
            grad = load(grads.last, (series * before + k) * width + n)
            if t >= 0:
                add_to(grads.x, (row + t) * sizes.x_stride + n, grad)
            elif carried:
                add_to(grads.state, (series * before + before + t) * width + n, grad)


@compiled
def convolution_backward(sizes, inputs, grads, edge, share, items_from, items_to):
    """Gradients; `edge` has room for 2 (taps - 1) rows of E."""
    before, width, length, stride = sizes.taps - 1, sizes.blocks * LANES, sizes.length, sizes.x_stride
    room = stack(TILE)
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        begin, end = group * sizes.blocks // sizes.groups * LANES, (group + 1) * sizes.blocks // sizes.groups * LANES
        start = 0
        while start < length:
            row = series * length + start
            carried = is_carried(inputs, start, row)
            steps = segment_end(inputs, series * length, start, length) - start
            near = min(before, steps)
            lay_edge(sizes, inputs, series, carried, row, near, edge, begin, end)
            at, behind = before * width, 0
            if carried:
                behind = before
            differentiate_output(sizes, inputs, grads, edge, at, width, behind, near, row, share, begin, end, room)
            differentiate_weight(sizes, grads, edge, at, width, behind, near, row, share, begin, end)
            if start == 0:
                differentiate_state(sizes, inputs, grads, series, carried, row, near, edge, begin, end, room)
            done = 0  # steps whose input's gradient is known: all that reach into sums that are
            for t in range(near, steps, CHUNK):
                together, here, at = min(CHUNK, steps - t), row + t, (row + t) * stride
                differentiate_output(
                    sizes, inputs, grads, inputs.x, at, stride, before, together, here, share, begin, end, room
                )
                differentiate_weight(sizes, grads, inputs.x, at, stride, before, together, here, share, begin, end)
                known, at = t + together - before, (row + done) * stride
                differentiate_input(
                    sizes, inputs, grads.x, at, stride, before, known - done, grads.x, at, stride, begin, end, room
                )
                done = known
            rest, at = steps - done, (row + done) * stride
            copy_rows(grads.x, at, stride, rest, edge, 0, width, begin, end)
            clear_rows(edge, rest, before, width, begin, end)
            differentiate_input(sizes, inputs, edge, 0, width, 0, rest, grads.x, at, stride, begin, end, room)
            start += steps
            if start == length and grads.last != 0:
                differentiate_last(sizes, grads, series, carried, row, steps, begin, end)
