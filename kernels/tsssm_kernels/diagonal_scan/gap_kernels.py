"""The diagonal scan's loops for the CPU where time between steps differs, in vectors of sixteen channels.

The state is held turned back by as far as it has turned since the call began: so it decays, and does not turn from one
step to the next. What enters is turned back, what is read turned forth, by angles that each step counts anew from
the time since the call began: their errors do not add up. A decay's distance from 1 is not rounded.

The constants of a number of the state are the decay's logarithm to base 2, the angle in turns and what rounding took
off it, B, twice C, and the two parts of the transition's logarithm.
"""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import simd, simd_math, simd_rows, simd_tiles, simd_turns
from ..compiling import compile_serial
from ..simd import (
    LANES,
    exp2,
    exp2_less_one,
    fma,
    inlined,
    load,
    quench,
    read,
    splat,
    splat_at,
    stack,
    store,
    total,
    where_positive,
    write,
)
from ..simd_turns import cosine_and_sine
from . import channel_blocks, cpu_arrays, state_tiles
from .channel_blocks import (
    add_gradients,
    begin_gradients,
    begin_sums,
    blocks_of,
    prefetch_chunk,
    steps_of,
    write_sums,
)
from .cpu_arrays import CHUNK, CONSTANTS
from .state_tiles import read_states, write_states

__all__ = ["backward", "forward"]

NEVER = -1e30  # exponent of a decay: nothing is kept

compiled = partial(
    compile_serial,
    helpers=(simd, simd_math, simd_rows, simd_tiles, simd_turns, channel_blocks, cpu_arrays, state_tiles),
)


@inlined
def exponent_of(inputs, row, rate):
    if inputs.resets != 0 and read(inputs.resets, row) != 0:
        return splat(float32(NEVER))
    return splat_at(inputs.gaps, row) * rate


@inlined
def decayed(x, decay, less_one):
    """``x * decay`` as a part that is not rounded and a factor for `x` of the other: near 1 the two are x and less."""
    far = splat(float32(0.5)) - decay
    return where_positive(far, splat(float32(0.0)), x), where_positive(far, decay, less_one)


@inlined
def turned(inputs, row, turns, turns_rest):
    """Cosine and sine of how far the state has turned before and in this step."""
    time, rest = splat_at(inputs.times, 2 * row), splat_at(inputs.times, 2 * row + 1)
    return cosine_and_sine(time, rest, turns, turns_rest)


@inlined
def turn_states(sizes, inputs, series, block, states, way):
    """Turn states forth (`way` 1) or back (-1) by as far as they have turned at the end."""
    row = (series + 1) * sizes.length - 1
    for n in range(sizes.state):
        c, at = (block * sizes.state + n) * CONSTANTS * LANES, (block * sizes.state + n) * 2 * LANES
        cos, sin = turned(inputs, row, load(inputs.constants, c + LANES), load(inputs.constants, c + 2 * LANES))
        sin = sin * splat(way)
        x, z = load(states, at), load(states, at + LANES)
        store(states, at, cos * x - sin * z)
        store(states, at + LANES, fma(cos, z, sin * x))


@compiled
def forward(sizes, inputs, outputs, states, items_from, items_to):
    """Run items (series and group of blocks) `items_from` to `items_to`."""
    n_state, n_blocks = sizes.state, sizes.blocks
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    sums = stack(CHUNK)
    for item in range(items_from, items_to):
        series, blocks_from, blocks_to = blocks_of(sizes, item)
        for block in range(blocks_from, blocks_to):
            read_states(sizes, inputs.state, series, block, states, block * n_state * 2 * LANES)
        for chunk in range(chunks):
            first, steps = steps_of(sizes, series, chunk)
            if chunk + 2 < chunks:
                prefetch_chunk(sizes, inputs.u, first + CHUNK)
            for block in range(blocks_from, blocks_to):
                begin_sums(sizes, inputs, first, steps, block, sums)
                own = block * n_state * 2 * LANES
                kept = ((series * chunks + chunk) * n_blocks + block) * n_state * 2 * LANES
                for n in range(n_state):
                    c = (block * n_state + n) * CONSTANTS * LANES
                    rate = load(inputs.constants, c)
                    turns, turns_rest = load(inputs.constants, c + LANES), load(inputs.constants, c + 2 * LANES)
                    B_a, B_b = load(inputs.constants, c + 3 * LANES), load(inputs.constants, c + 4 * LANES)
                    C_a, C_b = load(inputs.constants, c + 5 * LANES), load(inputs.constants, c + 6 * LANES)
                    x = load(states, own + n * 2 * LANES)
                    z = load(states, own + (n * 2 + 1) * LANES)
                    if outputs.checkpoints != 0:
                        store(outputs.checkpoints, kept + n * 2 * LANES, x)
                        store(outputs.checkpoints, kept + (n * 2 + 1) * LANES, z)
                    for i in range(steps):
                        row = first + i
                        u = load(inputs.u, (row * n_blocks + block) * LANES)
                        exponent = exponent_of(inputs, row, rate)
                        decay, less_one = exp2(exponent), exp2_less_one(exponent)
                        cos, sin = turned(inputs, row, turns, turns_rest)
                        whole_x, factor = decayed(x, decay, less_one)
                        whole_z, factor = decayed(z, decay, less_one)
                        x = whole_x + fma(x, factor, fma(B_a, cos, B_b * sin) * u)
                        z = whole_z + fma(z, factor, (B_b * cos - B_a * sin) * u)
                        y = fma(C_a, cos * x - sin * z, load(sums, i))
                        store(sums, i, y - C_b * fma(cos, z, sin * x))
                    store(states, own + n * 2 * LANES, quench(x))
                    store(states, own + (n * 2 + 1) * LANES, quench(z))
                write_sums(sizes, sums, first, steps, block, outputs.y)
        for block in range(blocks_from, blocks_to):
            turn_states(sizes, inputs, series, block, states, float32(1.0))
            write_states(sizes, states, block * n_state * 2 * LANES, outputs.state, series, block)


@compiled
def backward(sizes, inputs, checkpoints, grad_y, grads, states, n_rows, share, items_from, items_to):
    """Gradients for items `items_from` to `items_to`, the `share`-th range; `grads` of a range start at zero."""
    n_state, n_blocks = sizes.state, sizes.blocks
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    kept_x, kept_z, cosines, sines = stack(CHUNK), stack(CHUNK), stack(CHUNK), stack(CHUNK)
    decays, less, into_u, into_gaps = stack(CHUNK), stack(CHUNK), stack(CHUNK), stack(CHUNK)
    zero = splat(float32(0.0))
    for item in range(items_from, items_to):
        series, blocks_from, blocks_to = blocks_of(sizes, item)
        for block in range(blocks_from, blocks_to):
            read_states(sizes, grads.state, series, block, states, block * n_state * 2 * LANES)
            turn_states(sizes, inputs, series, block, states, float32(-1.0))
        for chunk in range(chunks - 1, -1, -1):
            first, steps = steps_of(sizes, series, chunk)
            if chunk > 0:
                prefetch_chunk(sizes, inputs.u, first - CHUNK)
                prefetch_chunk(sizes, grad_y, first - CHUNK)
            for i in range(steps):
                store(into_gaps, i, zero)
            for block in range(blocks_from, blocks_to):
                begin_gradients(sizes, inputs, grad_y, grads, share, first, steps, block, into_u)
                before = ((series * chunks + chunk) * n_blocks + block) * n_state * 2 * LANES
                own = block * n_state * 2 * LANES
                for n in range(n_state):
                    c = (block * n_state + n) * CONSTANTS * LANES
                    rate = load(inputs.constants, c)
                    turns, turns_rest = load(inputs.constants, c + LANES), load(inputs.constants, c + 2 * LANES)
                    B_a, B_b = load(inputs.constants, c + 3 * LANES), load(inputs.constants, c + 4 * LANES)
                    C_a, C_b = load(inputs.constants, c + 5 * LANES), load(inputs.constants, c + 6 * LANES)
                    log_a, log_b = load(inputs.constants, c + 7 * LANES), load(inputs.constants, c + 8 * LANES)
                    x, z = load(checkpoints, before + n * 2 * LANES), load(checkpoints, before + (n * 2 + 1) * LANES)
                    read_x, read_z = zero, zero
                    for i in range(steps):
                        row = first + i
                        at = (row * n_blocks + block) * LANES
                        u, of_y = load(inputs.u, at), load(grad_y, at)
                        exponent = exponent_of(inputs, row, rate)
                        decay, less_one = exp2(exponent), exp2_less_one(exponent)
                        cos, sin = turned(inputs, row, turns, turns_rest)
                        store(decays, i, decay)
                        store(less, i, less_one)
                        store(cosines, i, cos)
                        store(sines, i, sin)
                        store(kept_x, i, decay * x)
                        store(kept_z, i, decay * z)
                        whole_x, factor = decayed(x, decay, less_one)
                        whole_z, factor = decayed(z, decay, less_one)
                        x = whole_x + fma(x, factor, fma(B_a, cos, B_b * sin) * u)
                        z = whole_z + fma(z, factor, (B_b * cos - B_a * sin) * u)
                        read_x = fma(of_y, cos * x - sin * z, read_x)
                        read_z = fma(of_y, fma(cos, z, sin * x), read_z)
                    x, z = load(states, own + n * 2 * LANES), load(states, own + (n * 2 + 1) * LANES)
                    of_a, of_b, of_B_a, of_B_b = zero, zero, zero, zero  # x and z from here on gradients
                    for back in range(steps):
                        i = steps - 1 - back
                        row = first + i
                        at = (row * n_blocks + block) * LANES
                        u, of_y, cos, sin = load(inputs.u, at), load(grad_y, at), load(cosines, i), load(sines, i)
                        new_x = of_y * (C_a * cos - C_b * sin)
                        new_z = zero - of_y * fma(C_b, cos, C_a * sin)
                        of_x, of_z = x + new_x, z + new_z
                        forth_x, forth_z = cos * of_x - sin * of_z, fma(cos, of_z, sin * of_x)
                        of_B_a, of_B_b = fma(forth_x, u, of_B_a), fma(forth_z, u, of_B_b)
                        store(into_u, i, fma(B_b, forth_z, fma(B_a, forth_x, load(into_u, i))))
                        was_x, was_z = load(kept_x, i), load(kept_z, i)
                        to_a, to_b = fma(of_x, was_x, of_z * was_z), of_z * was_x - of_x * was_z
                        gap = splat_at(inputs.gaps, row)
                        of_a, of_b = fma(gap, to_a, of_a), fma(gap, to_b, of_b)
                        store(into_gaps, i, fma(log_b, to_b, fma(log_a, to_a, load(into_gaps, i))))
                        # not of_x times the decay: what little it takes off would be rounded the same way at every step
                        decay = load(decays, i)
                        whole_x, factor = decayed(x, decay, load(less, i))
                        whole_z, factor = decayed(z, decay, load(less, i))
                        x, z = whole_x + fma(x, factor, decay * new_x), whole_z + fma(z, factor, decay * new_z)
                    store(states, own + n * 2 * LANES, quench(x))
                    store(states, own + (n * 2 + 1) * LANES, quench(z))
                    add_gradients(sizes, grads, share, block, n, of_a, of_b, of_B_a, of_B_b, read_x, read_z)
                write_sums(sizes, into_u, first, steps, block, grads.u)
            for i in range(steps):
                write(grads.gaps, item % sizes.groups * n_rows + first + i, total(load(into_gaps, i)))
        for block in range(blocks_from, blocks_to):
            write_states(sizes, states, block * n_state * 2 * LANES, grads.state, series, block)
