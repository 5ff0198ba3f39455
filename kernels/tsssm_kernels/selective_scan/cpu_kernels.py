"""The selective scan's loops for the CPU, forward and backward, in vectors of sixteen channels.

Time advances in chunks of eight steps. Within a chunk, for each number of the state in turn, the state stays in a
register while time advances; what does not depend on the state's number is computed once a chunk. The backward pass
starts each chunk from the state the forward pass kept before it, and takes two numbers of the state at once: what they
share is loaded once, and the processor has two chains of dependent operations to work on.
"""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import simd, simd_math
from ..compiling import compile_serial
from ..simd import (
    LANES,
    exp2,
    fma,
    inlined,
    load,
    prefetch,
    quench,
    read,
    splat,
    splat_at,
    stack,
    step_state,
    store,
    total,
    write,
)
from ..simd_math import LOG2_E, add_to, multiply_into, sigmoid, softplus, softplus_and_slope
from . import cpu_arrays
from .cpu_arrays import CHUNK

__all__ = ["scan_backward", "scan_forward"]

NEVER = -1e30  # added to the exponent of a decay: nothing is kept

compiled = partial(compile_serial, helpers=(simd, simd_math, cpu_arrays))


@inlined
def raw_step_size(sizes, inputs, row, block):
    """Step sizes before the softplus, for one step and sixteen channels."""
    raw = load(inputs.bias, block * LANES)
    if sizes.rank == 0:
        return raw + load(inputs.delta, (row * sizes.blocks + block) * LANES)
    for r in range(sizes.rank):
        at = splat_at(inputs.low, row * sizes.low_stride + r)
        raw = fma(at, load(inputs.up, (block * sizes.rank + r) * LANES), raw)
    return raw


@inlined
def pack_chunk(sizes, inputs, first, steps, scalars):
    """Lay B, C and resets of a chunk side by side; what is beyond the steps or the state changes nothing."""
    n_state = sizes.state
    for i in range(CHUNK):
        row = first + i
        B, C = row * sizes.B_stride + sizes.B_offset, row * sizes.C_stride + sizes.C_offset
        for n in range(n_state):
            there = i < steps and n < sizes.state_given
            write(scalars, n * CHUNK + i, read(inputs.B, B + n) if there else float32(0.0))
            write(scalars, (n_state + n) * CHUNK + i, read(inputs.C, C + n) if there else float32(0.0))
        begins = i < steps and inputs.resets != 0 and read(inputs.resets, row) != 0
        write(scalars, 2 * n_state * CHUNK + i, float32(NEVER) if begins else float32(0.0))


@inlined
def prefetch_rows(array, first, count):
    for i in range(first, first + count, LANES):
        prefetch(array, i)


@inlined
def prefetch_chunk(sizes, inputs, first):
    """Ask for a chunk's inputs: blocks of channels stride through them, which processors do not foresee."""
    wide = sizes.blocks * LANES
    prefetch_rows(inputs.u, first * wide, CHUNK * wide)
    if sizes.rank == 0:
        prefetch_rows(inputs.delta, first * wide, CHUNK * wide)
    if inputs.z != 0:
        for i in range(CHUNK):
            prefetch_rows(inputs.z, (first + i) * sizes.z_stride + sizes.z_offset, wide)


@compiled
def scan_forward(sizes, inputs, state, y, checkpoints, scratch, items_from, items_to):
    """Run items (series and group of channels) `items_from` to `items_to`; `state` becomes the final one.

    `state` is (batch, blocks, state, 16), `checkpoints`, the states before each chunk, (batch, chunks, blocks,
    state, 16) or 0 for none, `y` (T, E), `scratch` memory of this call alone; all of them addresses.
    """
    n_state, n_blocks = sizes.state, sizes.blocks
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    x, w, sums = stack(CHUNK), stack(CHUNK), stack(CHUNK)
    zero = splat(float32(0.0))
    never = 2 * n_state * CHUNK
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        blocks_from, blocks_to = group * n_blocks // sizes.groups, (group + 1) * n_blocks // sizes.groups
        for chunk in range(chunks):
            first = series * sizes.length + chunk * CHUNK
            steps = min(CHUNK, sizes.length - chunk * CHUNK)
            pack_chunk(sizes, inputs, first, steps, scratch)
            if chunk + 2 < chunks:
                prefetch_chunk(sizes, inputs, first + CHUNK)
            for block in range(blocks_from, blocks_to):
                for i in range(CHUNK):
                    store(sums, i, zero)
                    store(x, i, zero)
                    store(w, i, zero)
                for i in range(steps):
                    row = first + i
                    step = raw_step_size(sizes, inputs, row, block)
                    if sizes.softplus != 0:
                        step = softplus(step)
                    store(x, i, step * load(inputs.u, (row * n_blocks + block) * LANES))
                    store(w, i, step * splat_at(inputs.gaps, row) if inputs.gaps != 0 else step)
                own = (series * n_blocks + block) * n_state * LANES
                kept = ((series * chunks + chunk) * n_blocks + block) * n_state * LANES
                for n in range(n_state):
                    A = load(inputs.A, (block * n_state + n) * LANES)
                    h = load(state, own + n * LANES)
                    if checkpoints != 0:
                        store(checkpoints, kept + n * LANES, h)
                    for i in range(CHUNK):
                        exponent = fma(load(w, i), A, splat_at(scratch, never + i))
                        h = step_state(h, exponent, load(x, i) * splat_at(scratch, n * CHUNK + i))
                        store(sums, i, fma(h, splat_at(scratch, (n_state + n) * CHUNK + i), load(sums, i)))
                    store(state, own + n * LANES, quench(h))
                D = load(inputs.D, block * LANES)
                for i in range(steps):
                    row = first + i
                    at = (row * n_blocks + block) * LANES
                    out = fma(D, load(inputs.u, at), load(sums, i))
                    if inputs.z != 0:
                        z = load(inputs.z, row * sizes.z_stride + sizes.z_offset + block * LANES)
                        out = out * z * sigmoid(z)
                    store(y, at, out)


@compiled
def scan_backward(sizes, inputs, grad_y, checkpoints, grads, scratch, share, items_from, items_to):
    """Gradients for items `items_from` to `items_to`, the `share`-th range; `grads` of a range start at zero."""
    n_state, n_blocks, rank = sizes.state, sizes.blocks, sizes.rank
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    zero, one = splat(float32(0.0)), splat(float32(1.0))
    x, w, sums, grad_sums = stack(CHUNK), stack(CHUNK), stack(CHUNK), stack(CHUNK)
    decays_n, decays_m, kept_n, kept_m = stack(CHUNK), stack(CHUNK), stack(CHUNK), stack(CHUNK)
    grad_x, grad_w, size, slope, gates = stack(CHUNK), stack(CHUNK), stack(CHUNK), stack(CHUNK), stack(CHUNK)
    never = 2 * n_state * CHUNK
    to_B = (never + CHUNK + LANES - 1) // LANES * LANES  # sums over channels, (state or rank, CHUNK, 16) each
    to_C = to_B + n_state * CHUNK * LANES
    to_low = to_C + n_state * CHUNK * LANES
    to_gaps = to_low + rank * CHUNK * LANES
    end = to_gaps + CHUNK * LANES
    n_rows = sizes.series * sizes.length
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        blocks_from, blocks_to = group * n_blocks // sizes.groups, (group + 1) * n_blocks // sizes.groups
        for chunk in range(chunks - 1, -1, -1):
            first = series * sizes.length + chunk * CHUNK
            steps = min(CHUNK, sizes.length - chunk * CHUNK)
            pack_chunk(sizes, inputs, first, steps, scratch)
            for i in range(to_B, end, LANES):
                store(scratch, i, zero)
            if chunk > 0:
                prefetch_chunk(sizes, inputs, first - CHUNK)
                prefetch_rows(grad_y, (first - CHUNK) * n_blocks * LANES, CHUNK * n_blocks * LANES)
                a_state = n_blocks * n_state * LANES
                prefetch_rows(checkpoints, (series * chunks + chunk - 1) * a_state, a_state)
            for block in range(blocks_from, blocks_to):
                of_range = share * n_blocks + block
                D = load(inputs.D, block * LANES)
                for i in range(steps):
                    store(sums, i, zero)
                    store(grad_x, i, zero)
                    store(grad_w, i, zero)
                    row = first + i
                    at = (row * n_blocks + block) * LANES
                    raw = raw_step_size(sizes, inputs, row, block)
                    step, step_slope = softplus_and_slope(raw) if sizes.softplus != 0 else (raw, one)
                    store(size, i, step)
                    store(slope, i, step_slope)
                    store(x, i, step * load(inputs.u, at))
                    store(w, i, step * splat_at(inputs.gaps, row) if inputs.gaps != 0 else step)
                    grad_out = load(grad_y, at)
                    if inputs.z != 0:
                        z = load(inputs.z, row * sizes.z_stride + sizes.z_offset + block * LANES)
                        gate = sigmoid(z)
                        store(gates, i, gate)
                        grad_out = grad_out * z * gate
                    store(grad_sums, i, grad_out)
                own = (series * n_blocks + block) * n_state * LANES
                before = ((series * chunks + chunk) * n_blocks + block) * n_state * LANES
                for n in range(0, n_state, 2):
                    m = n + 1
                    A_n = load(inputs.A, (block * n_state + n) * LANES)
                    A_m = load(inputs.A, (block * n_state + m) * LANES)
                    h_n, h_m = load(checkpoints, before + n * LANES), load(checkpoints, before + m * LANES)
                    for i in range(steps):
                        w_i, x_i, grad_sum = load(w, i), load(x, i), load(grad_sums, i)
                        reset = splat_at(scratch, never + i)
                        decay_n, decay_m = exp2(fma(w_i, A_n, reset)), exp2(fma(w_i, A_m, reset))
                        store(decays_n, i, decay_n)
                        store(decays_m, i, decay_m)
                        still_n, still_m = decay_n * h_n, decay_m * h_m
                        store(kept_n, i, still_n)
                        store(kept_m, i, still_m)
                        h_n = fma(x_i, splat_at(scratch, n * CHUNK + i), still_n)
                        h_m = fma(x_i, splat_at(scratch, m * CHUNK + i), still_m)
                        sum_n = fma(h_n, splat_at(scratch, (n_state + n) * CHUNK + i), load(sums, i))
                        store(sums, i, fma(h_m, splat_at(scratch, (n_state + m) * CHUNK + i), sum_n))
                        multiply_into(scratch, to_C + (n * CHUNK + i) * LANES, h_n, grad_sum)
                        multiply_into(scratch, to_C + (m * CHUNK + i) * LANES, h_m, grad_sum)
                    grad_A_n, grad_A_m = zero, zero
                    grad_n, grad_m = load(grads.state, own + n * LANES), load(grads.state, own + m * LANES)
                    # decayed with what is added: alone, times almost 1, it is rounded the same way step after step
                    later_n, later_m = one, one
                    for back in range(steps):
                        i = steps - 1 - back
                        w_i, x_i, grad_sum = load(w, i), load(x, i), load(grad_sums, i)
                        grad_n = fma(grad_n, later_n, grad_sum * splat_at(scratch, (n_state + n) * CHUNK + i))
                        grad_m = fma(grad_m, later_m, grad_sum * splat_at(scratch, (n_state + m) * CHUNK + i))
                        multiply_into(scratch, to_B + (n * CHUNK + i) * LANES, grad_n, x_i)
                        multiply_into(scratch, to_B + (m * CHUNK + i) * LANES, grad_m, x_i)
                        into_x = fma(grad_n, splat_at(scratch, n * CHUNK + i), load(grad_x, i))
                        store(grad_x, i, fma(grad_m, splat_at(scratch, m * CHUNK + i), into_x))
                        log_n, log_m = grad_n * load(kept_n, i), grad_m * load(kept_m, i)
                        store(grad_w, i, fma(log_m, A_m, fma(log_n, A_n, load(grad_w, i))))
                        grad_A_n, grad_A_m = fma(log_n, w_i, grad_A_n), fma(log_m, w_i, grad_A_m)
                        later_n, later_m = load(decays_n, i), load(decays_m, i)
                    store(grads.state, own + n * LANES, quench(grad_n * later_n))
                    store(grads.state, own + m * LANES, quench(grad_m * later_m))
                    add_to(grads.A, (of_range * n_state + n) * LANES, grad_A_n)
                    add_to(grads.A, (of_range * n_state + m) * LANES, grad_A_m)
                grad_D, grad_bias = zero, zero
                for i in range(steps):
                    row = first + i
                    at = (row * n_blocks + block) * LANES
                    u = load(inputs.u, at)
                    grad_D = fma(load(grad_sums, i), u, grad_D)
                    from_w = load(grad_w, i) * splat(float32(1.0 / LOG2_E))  # A has log2(e) in it
                    if inputs.gaps != 0:
                        add_to(scratch, to_gaps + i * LANES, from_w * load(size, i))
                        from_w = from_w * splat_at(inputs.gaps, row)
                    grad_raw = fma(load(grad_x, i), u, from_w) * load(slope, i)
                    grad_bias = grad_bias + grad_raw
                    into_u = fma(load(grad_x, i), load(size, i), D * load(grad_sums, i))
                    store(grads.u, row * sizes.grad_u_stride + block * LANES, into_u)
                    if rank == 0:
                        store(grads.delta, at, grad_raw)
                    for r in range(rank):
                        add_to(
                            scratch,
                            to_low + (r * CHUNK + i) * LANES,
                            grad_raw * load(inputs.up, (block * rank + r) * LANES),
                        )
                        at_up = (of_range * rank + r) * LANES
                        store(
                            grads.up,
                            at_up,
                            fma(grad_raw, splat_at(inputs.low, row * sizes.low_stride + r), load(grads.up, at_up)),
                        )
                    if inputs.z != 0:
                        at_z = row * sizes.z_stride + sizes.z_offset + block * LANES
                        out = fma(D, u, load(sums, i))
                        z, gate = load(inputs.z, at_z), load(gates, i)
                        store(grads.z, at_z, load(grad_y, at) * out * gate * fma(z, one - gate, one))
                add_to(grads.D, of_range * LANES, grad_D)
                add_to(grads.bias, of_range * LANES, grad_bias)
            for i in range(steps):
                row = group * n_rows + first + i
                for n in range(sizes.state_given):
                    B, C = row * sizes.B_stride + sizes.B_offset, row * sizes.C_stride + sizes.C_offset
                    write(grads.B, B + n, total(load(scratch, to_B + (n * CHUNK + i) * LANES)))
                    write(grads.C, C + n, total(load(scratch, to_C + (n * CHUNK + i) * LANES)))
                for r in range(rank):
                    write(grads.low, row * sizes.low_stride + r, total(load(scratch, to_low + (r * CHUNK + i) * LANES)))
                if inputs.gaps != 0:
                    write(grads.gaps, row, total(load(scratch, to_gaps + i * LANES)))
