"""The causal convolution's loops for the CPU, forward and backward, in vectors of sixteen channels.

A sequence is cut at its resets into segments. Most steps of a segment read their inputs where these are; the first
ones, which reach back to what was before, read a copy of it all, the edge: `taps - 1` steps before the segment (the
state or zeros), then as many of its own. So no loop asks where an input stands. Eight steps at once share a tap.

Gradients of inputs are the same sums with the taps the other way round, of steps to come instead of steps before.
"""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import simd, simd_math
from ..compiling import compile_serial
from ..simd import LANES, called, fma, inlined, load, read, splat, stack, store
from ..simd_math import add_to, sigmoid, silu_slope

__all__ = ["convolution_backward", "convolution_forward"]

TILE = 8  # steps that share a tap
CHUNK = 64  # steps of the backward pass that stay in the processor's cache
FLOAT = 4  # bytes

compiled = partial(compile_serial, helpers=(simd, simd_math))


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
    if tile + TILE > steps and tile > 0:
        return steps - TILE, TILE, tile + TILE - steps
    return tile, min(TILE, steps - tile), 0


@called
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


@called
def copy_rows(source, at, stride, rows, target, to, to_stride, begin, end):
    """Copy numbers `begin` to `end` of so many rows; zeros where the source is 0."""
    for i in range(rows):
        for n in range(begin, end, LANES):
            value = splat(float32(0.0))
            if source != 0:
                value = load(source, at + i * stride + n)
            store(target, to + i * to_stride + n, value)


@inlined
def segment_steps(inputs, row, left):
    """Steps until the next reset, of those that are left."""
    if inputs.resets != 0:
        for t in range(1, left):
            if read(inputs.resets, row + t) != 0:
                return t
    return left


@inlined
def state_before(inputs, row, start):
    """The address of the state if it reaches the segment that begins there, else 0."""
    if start > 0 or (inputs.resets != 0 and read(inputs.resets, row) != 0):
        return 0
    return inputs.state


@compiled
def convolution_forward(sizes, inputs, y, last, edge, items_from, items_to):
    """Write `y`, (T, E), and `last`, the state after the last step; `edge` has room for 2 (taps - 1) rows of E."""
    before, width, length, stride = sizes.taps - 1, sizes.blocks * LANES, sizes.length, sizes.x_stride
    room = stack(TILE)
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        begin, end = group * sizes.blocks // sizes.groups * LANES, (group + 1) * sizes.blocks // sizes.groups * LANES
        of_series = series * before * width
        start = 0
        while start < length:
            row = series * length + start
            steps = segment_steps(inputs, row, length - start)
            near = min(before, steps)
            state = state_before(inputs, row, start)
            copy_rows(state, of_series, width, before, edge, 0, width, begin, end)
            copy_rows(inputs.x, row * stride, stride, near, edge, before * width, width, begin, end)
            t = 0
            while t < steps:
                source, at, of_source, behind, together = edge, before * width, width, 0, near
                if t >= near:
                    source, at, of_source, together = inputs.x, (row + t) * stride, stride, steps - t
                if t >= near or state != 0:
                    behind = before
                convolve(sizes, inputs, source, at, of_source, behind, together, y, row + t, begin, end, room)
                t += together
            start += steps
            if start == length:
                kept = before - near  # of those that were before, the last ones
                copy_rows(edge, near * width, width, kept, last, of_series, width, begin, end)
                at, to = (row + steps - near) * stride, of_series + kept * width
                copy_rows(inputs.x, at, stride, near, last, to, width, begin, end)


@called
def differentiate_output(sizes, inputs, grads, source, at, stride, behind, steps, row, share, begin, end, room):
    """Gradients of the sums before SiLU, in place of those of x, and of the bias; `source` as in `convolve`."""
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


@called
def differentiate_weight(sizes, grads, source, at, stride, more, steps, row, share, begin, end):
    """What so many steps add to the gradient of the weight: four taps at once."""
    width, taps = sizes.blocks * LANES, sizes.taps
    for n in range(begin, end, LANES):
        of_sums = row * sizes.x_stride + n
        for back in range(0, taps // 4 * 4, 4):
            here, to = at + n - back * stride, (share * taps + taps - 1 - back) * width + n
            a, b = load(grads.weight, to), load(grads.weight, to - width)
            c, d = load(grads.weight, to - 2 * width), load(grads.weight, to - 3 * width)
            for i in range(max(0, back - more), steps):
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
            for i in range(max(0, back - more), steps):
                into = fma(load(grads.x, of_sums + i * sizes.x_stride), load(source, here + i * stride), into)
            store(grads.weight, to, into)


@called
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
def differentiate_last(sizes, grads, series, state, row, steps, begin, end):
    """What the gradient of the last state adds to those of a series' last inputs, which may be in the state."""
    before, width = sizes.taps - 1, sizes.blocks * LANES
    for k in range(before):
        t = steps - before + k
        into, to = grads.x, (row + t) * sizes.x_stride
        if t < 0:
            into, to = grads.state, (series * before + before + t) * width
        if t >= 0 or state != 0:
            for n in range(begin, end, LANES):
                add_to(into, to + n, load(grads.last, (series * before + k) * width + n))


@compiled
def convolution_backward(sizes, inputs, grads, edge, share, items_from, items_to):
    """Gradients; `edge` has room for 4 (taps - 1) rows of E."""
    before, width, length, stride = sizes.taps - 1, sizes.blocks * LANES, sizes.length, sizes.x_stride
    first = edge + FLOAT * 2 * before * width  # the edge of the sums' gradients, for that of the state
    room = stack(TILE)
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        begin, end = group * sizes.blocks // sizes.groups * LANES, (group + 1) * sizes.blocks // sizes.groups * LANES
        of_series = series * before * width
        start = 0
        while start < length:
            row = series * length + start
            steps = segment_steps(inputs, row, length - start)
            near = min(before, steps)
            state = state_before(inputs, row, start)
            copy_rows(state, of_series, width, before, edge, 0, width, begin, end)
            copy_rows(inputs.x, row * stride, stride, near, edge, before * width, width, begin, end)
            chunks = 1 + (steps - near + CHUNK - 1) // CHUNK
            t, known = 0, 0  # steps with the gradients of sums, and of inputs: all that reach into no others
            for turn in range(chunks + 2):
                # the inputs that this turn gives gradients to
                of_grads, at_grads, grads_stride, beyond = grads.x, (row + known) * stride, stride, before
                count, into, to, to_stride = 0, grads.x, (row + known) * stride, stride
                if turn < chunks:
                    source, at, of_source, behind, together = edge, before * width, width, 0, near
                    if turn > 0:
                        source, at, of_source, together = inputs.x, (row + t) * stride, stride, min(CHUNK, steps - t)
                    if turn > 0 or state != 0:
                        behind = before
                    differentiate_output(
                        sizes, inputs, grads, source, at, of_source, behind, together, row + t, share, begin, end, room
                    )
                    differentiate_weight(
                        sizes, grads, source, at, of_source, behind, together, row + t, share, begin, end
                    )
                    if turn == 0:
                        copy_rows(0, 0, 0, 2 * before, first, 0, width, begin, end)
                        copy_rows(grads.x, row * stride, stride, near, first, before * width, width, begin, end)
                    t += together
                    count = max(0, t - before - known)
                elif turn == chunks:  # those that reach beyond the end
                    count = steps - known
                    copy_rows(grads.x, at_grads, stride, count, edge, 0, width, begin, end)
                    copy_rows(0, 0, 0, before, edge, count * width, width, begin, end)
                    of_grads, at_grads, grads_stride, beyond = edge, 0, width, 0
                elif start == 0 and inputs.state != 0:  # those of the state
                    copy_rows(0, 0, 0, before, grads.state, of_series, width, begin, end)
                    if state != 0:
                        of_grads, at_grads, grads_stride, beyond = first, 0, width, near
                        count, into, to, to_stride = before, grads.state, of_series, width
                differentiate_input(
                    sizes,
                    inputs,
                    of_grads,
                    at_grads,
                    grads_stride,
                    beyond,
                    count,
                    into,
                    to,
                    to_stride,
                    begin,
                    end,
                    room,
                )
                known += count
            start += steps
            if start == length and grads.last != 0:
                differentiate_last(sizes, grads, series, state, row, steps, begin, end)
