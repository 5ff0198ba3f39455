"""The diagonal scan's loops for the CPU where all steps are alike, in vectors of sixteen channels.

Time advances in chunks. Within a chunk, for one number of the state after another (in the forward pass for two at
once), the state stays in registers while time advances. Transitions are rounded, and raised to the power of a whole
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
from ..simd_math import add_to
from ..simd_rows import prefetch_row
from . import cpu_arrays, state_tiles
from .cpu_arrays import CHUNK, CONSTANTS, OF_CONSTANTS
from .state_tiles import read_states, write_states

__all__ = ["backward", "forward"]

compiled = partial(compile_serial, helpers=(simd, simd_math, simd_rows, simd_tiles, cpu_arrays, state_tiles))


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


@compiled
def forward(sizes, inputs, outputs, states, items_from, items_to):
    """Run items (series and group of blocks) `items_from` to `items_to`."""
    n_state, n_blocks = sizes.state, sizes.blocks
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    sums, keeps = stack(CHUNK), stack(1)
    zero = splat(float32(0.0))
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        blocks_from, blocks_to = group * n_blocks // sizes.groups, (group + 1) * n_blocks // sizes.groups
        for block in range(blocks_from, blocks_to):
            read_states(sizes, inputs.state, series, block, states, block * n_state * 2 * LANES)
        for chunk in range(chunks):
            first = series * sizes.length + chunk * CHUNK
            steps = min(CHUNK, sizes.length - chunk * CHUNK)
            begins = keep_until_resets(inputs, first, steps, keeps)
            missed = 6 if steps == CHUNK else 8
            if chunk + 2 < chunks:
                prefetch_row(inputs.u, (first + CHUNK) * n_blocks * LANES, CHUNK * n_blocks * LANES)
            for block in range(blocks_from, blocks_to):
                D = load(inputs.D, block * LANES)
                for i in range(steps):
                    store(sums, i, D * load(inputs.u, ((first + i) * n_blocks + block) * LANES))
                own = block * n_state * 2 * LANES
                kept = ((series * chunks + chunk) * n_blocks + block) * n_state * 2 * LANES
                for n in range(0, n_state, 2):
                    at, at_m = own + n * 2 * LANES, own + (n + 1) * 2 * LANES
                    c = inputs.constants
                    of, of_m = (block * n_state + n) * CONSTANTS, (block * n_state + n + 1) * CONSTANTS
                    a, b = load(c, of * LANES), load(c, (of + 1) * LANES)
                    a_m, b_m = load(c, of_m * LANES), load(c, (of_m + 1) * LANES)
                    B_a, B_b = load(c, (of + 2) * LANES), load(c, (of + 3) * LANES)
                    B_am, B_bm = load(c, (of_m + 2) * LANES), load(c, (of_m + 3) * LANES)
                    C_a, C_b = load(c, (of + 4) * LANES), zero - load(c, (of + 5) * LANES)
                    C_am, C_bm = load(c, (of_m + 4) * LANES), zero - load(c, (of_m + 5) * LANES)
                    x, z = load(states, at), load(states, at + LANES)
                    x_m, z_m = load(states, at_m), load(states, at_m + LANES)
                    if outputs.checkpoints != 0:
                        store(outputs.checkpoints, kept + n * 2 * LANES, x)
                        store(outputs.checkpoints, kept + (n * 2 + 1) * LANES, z)
                        store(outputs.checkpoints, kept + (n * 2 + 2) * LANES, x_m)
                        store(outputs.checkpoints, kept + (n * 2 + 3) * LANES, z_m)
                    x_0, z_0, x_0m, z_0m = x, z, x_m, z_m
                    for i in range(steps):
                        u = load(inputs.u, ((first + i) * n_blocks + block) * LANES)
                        if begins:
                            keep = splat_at(keeps, i)
                            x, z, x_m, z_m = x * keep, z * keep, x_m * keep, z_m * keep
                        x, z = fma(a, x, B_a * u - b * z), fma(a, z, fma(b, x, B_b * u))
                        x_m, z_m = fma(a_m, x_m, B_am * u - b_m * z_m), fma(a_m, z_m, fma(b_m, x_m, B_bm * u))
                        y = fma(C_b, z, fma(C_a, x, load(sums, i)))
                        store(sums, i, fma(C_bm, z_m, fma(C_am, x_m, y)))
                    if not begins:
                        e, f = load(c, (of + missed) * LANES), load(c, (of + missed + 1) * LANES)
                        x, z = x + (e * x_0 - f * z_0), z + fma(e, z_0, f * x_0)
                        e, f = load(c, (of_m + missed) * LANES), load(c, (of_m + missed + 1) * LANES)
                        x_m, z_m = x_m + (e * x_0m - f * z_0m), z_m + fma(e, z_0m, f * x_0m)
                    store(states, at, quench(x))
                    store(states, at + LANES, quench(z))
                    store(states, at_m, quench(x_m))
                    store(states, at_m + LANES, quench(z_m))
                for i in range(steps):
                    store(outputs.y, ((first + i) * n_blocks + block) * LANES, load(sums, i))
        for block in range(blocks_from, blocks_to):
            write_states(sizes, states, block * n_state * 2 * LANES, outputs.state, series, block)


@compiled
def backward(sizes, inputs, checkpoints, grad_y, grads, states, share, items_from, items_to):
    """Gradients for items `items_from` to `items_to`, the `share`-th range; `grads` of a range start at zero."""
    n_state, n_blocks = sizes.state, sizes.blocks
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    kept_a, kept_b, into_u, keeps = stack(CHUNK), stack(CHUNK), stack(CHUNK), stack(1)
    zero = splat(float32(0.0))
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        blocks_from, blocks_to = group * n_blocks // sizes.groups, (group + 1) * n_blocks // sizes.groups
        for block in range(blocks_from, blocks_to):
            read_states(sizes, grads.state, series, block, states, block * n_state * 2 * LANES)
        for chunk in range(chunks - 1, -1, -1):
            first = series * sizes.length + chunk * CHUNK
            steps = min(CHUNK, sizes.length - chunk * CHUNK)
            begins = keep_until_resets(inputs, first, steps, keeps)
            missed = 6 if steps == CHUNK else 8
            if chunk > 0:
                wide = n_blocks * LANES
                prefetch_row(inputs.u, (first - CHUNK) * wide, CHUNK * wide)
                prefetch_row(grad_y, (first - CHUNK) * wide, CHUNK * wide)
            for block in range(blocks_from, blocks_to):
                D, of_D = load(inputs.D, block * LANES), zero
                for i in range(steps):
                    at = ((first + i) * n_blocks + block) * LANES
                    of_y = load(grad_y, at)
                    store(into_u, i, D * of_y)
                    of_D = fma(of_y, load(inputs.u, at), of_D)
                add_to(grads.D, (share * n_blocks + block) * LANES, of_D)
                before = ((series * chunks + chunk) * n_blocks + block) * n_state * 2 * LANES
                own = block * n_state * 2 * LANES
                for n in range(n_state):
                    of = (block * n_state + n) * CONSTANTS * LANES
                    a, b = load(inputs.constants, of), load(inputs.constants, of + LANES)
                    B_a, B_b = load(inputs.constants, of + 2 * LANES), load(inputs.constants, of + 3 * LANES)
                    C_a, C_b = load(inputs.constants, of + 4 * LANES), zero - load(inputs.constants, of + 5 * LANES)
                    A_C_a, A_C_b = load(inputs.constants, of + 10 * LANES), load(inputs.constants, of + 11 * LANES)
                    x, z = load(checkpoints, before + n * 2 * LANES), load(checkpoints, before + (n * 2 + 1) * LANES)
                    read_x, read_z = zero, zero
                    for i in range(steps):
                        at = ((first + i) * n_blocks + block) * LANES
                        u, of_y = load(inputs.u, at), load(grad_y, at)
                        if begins:
                            keep = splat_at(keeps, i)
                            x, z = x * keep, z * keep
                        store(kept_a, i, x)
                        store(kept_b, i, z)
                        x, z = fma(a, x, B_a * u - b * z), fma(a, z, fma(b, x, B_b * u))
                        read_x, read_z = fma(of_y, x, read_x), fma(of_y, z, read_z)
                    x, z = load(states, own + n * 2 * LANES), load(states, own + (n * 2 + 1) * LANES)
                    last_x, last_z = x, z  # from here on gradients
                    of_a, of_b, of_B_a, of_B_b = zero, zero, zero, zero
                    for back in range(steps):
                        i = steps - 1 - back
                        at = ((first + i) * n_blocks + block) * LANES
                        u, of_y = load(inputs.u, at), load(grad_y, at)
                        of_x, of_z = fma(C_a, of_y, x), fma(C_b, of_y, z)
                        of_B_a, of_B_b = fma(of_x, u, of_B_a), fma(of_z, u, of_B_b)
                        store(into_u, i, fma(B_b, of_z, fma(B_a, of_x, load(into_u, i))))
                        was_x, was_z = load(kept_a, i), load(kept_b, i)
                        of_a = fma(of_z, was_z, fma(of_x, was_x, of_a))
                        of_b = fma(of_z, was_x, of_b) - of_x * was_z
                        # not of_x times a: what little a takes off would be rounded the same way at every step
                        x, z = fma(a, x, fma(b, z, A_C_a * of_y)), fma(a, z, A_C_b * of_y - b * x)
                        if begins:
                            keep = splat_at(keeps, i)
                            x, z = x * keep, z * keep
                    if not begins:
                        at = of + missed * LANES
                        e, f = load(inputs.constants, at), load(inputs.constants, at + LANES)
                        x, z = x + fma(e, last_x, f * last_z), z + (e * last_z - f * last_x)
                    store(states, own + n * 2 * LANES, quench(x))
                    store(states, own + (n * 2 + 1) * LANES, quench(z))
                    into = ((share * n_blocks + block) * n_state + n) * OF_CONSTANTS * LANES
                    add_to(grads.constants, into, of_a)
                    add_to(grads.constants, into + LANES, of_b)
                    add_to(grads.constants, into + 2 * LANES, of_B_a)
                    add_to(grads.constants, into + 3 * LANES, of_B_b)
                    add_to(grads.constants, into + 4 * LANES, read_x)
                    add_to(grads.constants, into + 5 * LANES, read_z)
                for i in range(steps):
                    store(grads.u, ((first + i) * n_blocks + block) * LANES, load(into_u, i))
        for block in range(blocks_from, blocks_to):
            write_states(sizes, states, block * n_state * 2 * LANES, grads.state, series, block)
