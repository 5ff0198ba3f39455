"""The diagonal scan's loops for the CPU where all steps are alike, in vectors of sixteen channels.

Time advances in chunks. Within a chunk, for two numbers of the state at a time, the state stays in registers
while time advances. Transitions are rounded, and raised to the power of a whole
sequence: so what the product of a chunk's rounded transitions is short of the true one, `missed`, is added at its end.

The constants of a number of the state are the transition, B, twice C, what a whole chunk misses, what the last one
does, which may be shorter, and the conjugate of the transition times twice C.
"""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import simd, simd_math, simd_rows, simd_tiles
from ..compiling import compile_serial
from ..simd import LANES, fma, inlined, load, quench, read, splat, splat_at, stack, store, write
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

FLOAT = 4  # bytes
PAIR = 2 * CHUNK  # steps of two numbers

compiled = partial(
    compile_serial, helpers=(simd, simd_math, simd_rows, simd_tiles, channel_blocks, cpu_arrays, state_tiles)
)


@inlined
def keep_until_resets(inputs, first, steps, keeps):
    """For each step 1, or 0 where a sequence begins; whether any does."""
    begins = False
    for i in range(steps):
        if inputs.resets != 0 and read(inputs.resets, first + i) != 0:
            begins = True
            write(keeps, i, float32(0.0))
        else:
            write(keeps, i, float32(1.0))
    return begins


@inlined
def drop(x, z, m, keeps, i):
    """Nothing of the number `m` of the state is kept where a sequence begins."""
    keep = splat_at(keeps, i)
    store(x, m, load(x, m) * keep)
    store(z, m, load(z, m) * keep)


@inlined
def step_forth(constants, of, x, z, m, u):
    """A step of the number `m` of the state."""
    a, b = load(constants, of), load(constants, of + LANES)
    minus_b, was_x, was_z = splat(float32(0.0)) - b, load(x, m), load(z, m)
    store(x, m, fma(a, was_x, fma(minus_b, was_z, load(constants, of + 2 * LANES) * u)))
    store(z, m, fma(a, was_z, fma(b, was_x, load(constants, of + 3 * LANES) * u)))


@inlined
def step_back(constants, of, x, z, m, of_y):
    """Gradients of the number `m` of the state before a step, of those after it.

    Not those within the step times `a`: what little `a` takes off would be rounded the same way at every step.
    """
    a, b = load(constants, of), load(constants, of + LANES)
    minus_b, was_x, was_z = splat(float32(0.0)) - b, load(x, m), load(z, m)
    store(x, m, fma(a, was_x, fma(b, was_z, load(constants, of + 10 * LANES) * of_y)))
    store(z, m, fma(a, was_z, fma(minus_b, was_x, load(constants, of + 11 * LANES) * of_y)))


@compiled
def forward(sizes, inputs, outputs, states, items_from, items_to):
    """Run items (series and group of blocks) `items_from` to `items_to`."""
    n_state, n_blocks = sizes.state, sizes.blocks
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    sums, keeps, x, z = stack(CHUNK), stack(1), stack(2), stack(2)
    zero = splat(float32(0.0))
    for item in range(items_from, items_to):
        series, blocks_from, blocks_to = blocks_of(sizes, item)
        for block in range(blocks_from, blocks_to):
            read_states(sizes, inputs.state, series, block, states, block * n_state * 2 * LANES)
        for chunk in range(chunks):
            first, steps = steps_of(sizes, series, chunk)
            begins = keep_until_resets(inputs, first, steps, keeps)
            missed = 6 if steps == CHUNK else 8
            if chunk + 2 < chunks:
                prefetch_chunk(sizes, inputs.u, first + CHUNK)
            for block in range(blocks_from, blocks_to):
                begin_sums(sizes, inputs, first, steps, block, sums)
                own = block * n_state * 2 * LANES
                kept = ((series * chunks + chunk) * n_blocks + block) * n_state * 2 * LANES
                for n in range(0, n_state, 2):
                    constants = inputs.constants + FLOAT * (block * n_state + n) * CONSTANTS * LANES
                    for m in range(2):
                        at = own + (n + m) * 2 * LANES
                        store(x, m, load(states, at))
                        store(z, m, load(states, at + LANES))
                        if outputs.checkpoints != 0:
                            store(outputs.checkpoints, kept + (n + m) * 2 * LANES, load(x, m))
                            store(outputs.checkpoints, kept + ((n + m) * 2 + 1) * LANES, load(z, m))
                    for i in range(steps):
                        u, y = load(inputs.u, ((first + i) * n_blocks + block) * LANES), load(sums, i)
                        for m in range(2):
                            of = m * CONSTANTS * LANES
                            if begins:
                                drop(x, z, m, keeps, i)
                            step_forth(constants, of, x, z, m, u)
                            y = fma(load(constants, of + 4 * LANES), load(x, m), y)
                            y = fma(zero - load(constants, of + 5 * LANES), load(z, m), y)
                        store(sums, i, y)
                    for m in range(2):
                        at, of = own + (n + m) * 2 * LANES, (m * CONSTANTS + missed) * LANES
                        new_x, new_z = load(x, m), load(z, m)
                        if not begins:
                            old_x, old_z = load(states, at), load(states, at + LANES)
                            e, f = load(constants, of), load(constants, of + LANES)
                            new_x, new_z = new_x + (e * old_x - f * old_z), new_z + fma(e, old_z, f * old_x)
                        store(states, at, quench(new_x))
                        store(states, at + LANES, quench(new_z))
                write_sums(sizes, sums, first, steps, block, outputs.y)
        for block in range(blocks_from, blocks_to):
            write_states(sizes, states, block * n_state * 2 * LANES, outputs.state, series, block)


@compiled
def backward(sizes, inputs, checkpoints, grad_y, grads, states, share, items_from, items_to):
    """Gradients for items `items_from` to `items_to`, the `share`-th range; `grads` of a range start at zero."""
    n_state, n_blocks = sizes.state, sizes.blocks
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    kept_x, kept_z, into_u, keeps = stack(PAIR), stack(PAIR), stack(CHUNK), stack(1)
    x, z, read_x, read_z = stack(2), stack(2), stack(2), stack(2)
    of_a, of_b, of_B_a, of_B_b = stack(2), stack(2), stack(2), stack(2)
    zero = splat(float32(0.0))
    for item in range(items_from, items_to):
        series, blocks_from, blocks_to = blocks_of(sizes, item)
        for block in range(blocks_from, blocks_to):
            read_states(sizes, grads.state, series, block, states, block * n_state * 2 * LANES)
        for chunk in range(chunks - 1, -1, -1):
            first, steps = steps_of(sizes, series, chunk)
            begins = keep_until_resets(inputs, first, steps, keeps)
            missed = 6 if steps == CHUNK else 8
            if chunk > 0:
                prefetch_chunk(sizes, inputs.u, first - CHUNK)
                prefetch_chunk(sizes, grad_y, first - CHUNK)
            for block in range(blocks_from, blocks_to):
                begin_gradients(sizes, inputs, grad_y, grads, share, first, steps, block, into_u)
                before = ((series * chunks + chunk) * n_blocks + block) * n_state * 2 * LANES
                own = block * n_state * 2 * LANES
                for n in range(0, n_state, 2):
                    constants = inputs.constants + FLOAT * (block * n_state + n) * CONSTANTS * LANES
                    for m in range(2):
                        store(x, m, load(checkpoints, before + (n + m) * 2 * LANES))
                        store(z, m, load(checkpoints, before + ((n + m) * 2 + 1) * LANES))
                        store(read_x, m, zero)
                        store(read_z, m, zero)
                    for i in range(steps):
                        at = ((first + i) * n_blocks + block) * LANES
                        u, of_y = load(inputs.u, at), load(grad_y, at)
                        for m in range(2):
                            if begins:
                                drop(x, z, m, keeps, i)
                            store(kept_x, m * CHUNK + i, load(x, m))
                            store(kept_z, m * CHUNK + i, load(z, m))
                            step_forth(constants, m * CONSTANTS * LANES, x, z, m, u)
                            store(read_x, m, fma(of_y, load(x, m), load(read_x, m)))
                            store(read_z, m, fma(of_y, load(z, m), load(read_z, m)))
                    for m in range(2):  # from here on gradients
                        store(x, m, load(states, own + (n + m) * 2 * LANES))
                        store(z, m, load(states, own + ((n + m) * 2 + 1) * LANES))
                        store(of_a, m, zero)
                        store(of_b, m, zero)
                        store(of_B_a, m, zero)
                        store(of_B_b, m, zero)
                    for back in range(steps):
                        i = steps - 1 - back
                        at = ((first + i) * n_blocks + block) * LANES
                        u, of_y, of_u = load(inputs.u, at), load(grad_y, at), load(into_u, i)
                        for m in range(2):
                            of = m * CONSTANTS * LANES
                            of_x = fma(load(constants, of + 4 * LANES), of_y, load(x, m))
                            of_z = fma(zero - load(constants, of + 5 * LANES), of_y, load(z, m))
                            store(of_B_a, m, fma(of_x, u, load(of_B_a, m)))
                            store(of_B_b, m, fma(of_z, u, load(of_B_b, m)))
                            of_u = fma(load(constants, of + 2 * LANES), of_x, of_u)
                            of_u = fma(load(constants, of + 3 * LANES), of_z, of_u)
                            was_x, was_z = load(kept_x, m * CHUNK + i), load(kept_z, m * CHUNK + i)
                            store(of_a, m, fma(of_z, was_z, fma(of_x, was_x, load(of_a, m))))
                            store(of_b, m, fma(of_z, was_x, load(of_b, m) - of_x * was_z))
                            step_back(constants, of, x, z, m, of_y)
                            if begins:
                                drop(x, z, m, keeps, i)
                        store(into_u, i, of_u)
                    for m in range(2):
                        at, of = own + (n + m) * 2 * LANES, (m * CONSTANTS + missed) * LANES
                        new_x, new_z = load(x, m), load(z, m)
                        if not begins:
                            last_x, last_z = load(states, at), load(states, at + LANES)
                            e, f = load(constants, of), load(constants, of + LANES)
                            new_x, new_z = new_x + fma(e, last_x, f * last_z), new_z + (e * last_z - f * last_x)
                        store(states, at, quench(new_x))
                        store(states, at + LANES, quench(new_z))
                        made = load(of_a, m), load(of_b, m), load(of_B_a, m), load(of_B_b, m)
                        add_gradients(sizes, grads, share, block, n + m, *made, load(read_x, m), load(read_z, m))
                write_sums(sizes, into_u, first, steps, block, grads.u)
        for block in range(blocks_from, blocks_to):
            write_states(sizes, states, block * n_state * 2 * LANES, grads.state, series, block)
