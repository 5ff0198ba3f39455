"""Decay attention's loops for the CPU, forward and backward.

The states of (keys, values) numbers stay in the processor's cache while time advances in chunks of sixteen steps, head
by head; within a chunk, one row of a state after another stays in registers. The forward pass has the values side by
side in vectors, the backward pass the keys: so most sums run along time or over rows, and few over a vector's lanes.
"""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import chunks as chunks_of_time
from .. import simd, simd_columns, simd_decays, simd_math, simd_rows, simd_tiles
from ..chunks import CHUNK
from ..compiling import compile_serial
from ..simd import (
    LANES,
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
    write,
)
from ..simd_columns import read_checkpoint, read_columns, write_columns
from ..simd_decays import read_decays
from ..simd_math import add_to
from ..simd_rows import clear, prefetch_row, read_apart, read_row, whole, write_apart, write_row
from ..simd_tiles import sum_rows
from . import cpu_arrays

__all__ = ["backward", "forward"]

FLOAT = 4  # bytes

# In the backward pass, what a step has for sixteen keys lies side by side: inputs, and gradients of them.
Q, K, DECAY, GRAD_Q, GRAD_K, GRAD_DECAY = (which * 16 for which in range(6))
STEP = 6 * 16
# So does what a chunk has for four values: a vector of time steps for each of them, value by value.
VALUE, OUT = 0, 4 * CHUNK
FOUR = 2 * 4 * CHUNK

compiled = partial(
    compile_serial,
    helpers=(chunks_of_time, simd, simd_columns, simd_decays, simd_math, simd_rows, simd_tiles, cpu_arrays),
)


@inlined
def prefetch_chunk(sizes, inputs, row):
    """Ask for the inputs of a chunk, all heads: they stride through it, which processors do not foresee."""
    rows = CHUNK * sizes.heads
    prefetch_row(inputs.q, row * sizes.heads * sizes.keys, rows * sizes.keys)
    prefetch_row(inputs.k, row * sizes.heads * sizes.keys, rows * sizes.keys)
    prefetch_row(inputs.v, row * sizes.heads * sizes.values, rows * sizes.values)
    if sizes.decays > 1:
        prefetch_row(inputs.log_decay, row * sizes.heads * sizes.keys, rows * sizes.keys)


@inlined
def advance_values(wide, V, steps, q_rows, k_rows, v_rows, decays, missed, state, y_rows):
    """Advance a state by a chunk: four of its rows at once, sixteen values in a vector."""
    for w in range(0, V, LANES):
        for i in range(steps):
            store(y_rows, i * V + w, splat(float32(0.0)))
        for n in range(0, wide, 4):
            at = n * V + w
            a, b, c, d = load(state, at), load(state, at + V), load(state, at + 2 * V), load(state, at + 3 * V)
            a_0, b_0, c_0, d_0 = a, b, c, d
            for i in range(steps):
                j = i * wide + n
                v = load(v_rows, i * V + w)
                a = fma(a, splat_at(decays, j), v * splat_at(k_rows, j))
                b = fma(b, splat_at(decays, j + 1), v * splat_at(k_rows, j + 1))
                c = fma(c, splat_at(decays, j + 2), v * splat_at(k_rows, j + 2))
                d = fma(d, splat_at(decays, j + 3), v * splat_at(k_rows, j + 3))
                y = fma(a, splat_at(q_rows, j), load(y_rows, i * V + w))
                y = fma(b, splat_at(q_rows, j + 1), y)
                y = fma(c, splat_at(q_rows, j + 2), y)
                store(y_rows, i * V + w, fma(d, splat_at(q_rows, j + 3), y))
            store(state, at, quench(fma(a_0, splat_at(missed, n), a)))
            store(state, at + V, quench(fma(b_0, splat_at(missed, n + 1), b)))
            store(state, at + 2 * V, quench(fma(c_0, splat_at(missed, n + 2), c)))
            store(state, at + 3 * V, quench(fma(d_0, splat_at(missed, n + 3), d)))


@inlined
def advance_sums(wide, steps, q_rows, k_rows, decays, missed, sums, weights):
    """Advance the sums of keys by a chunk; their products with the queries are the first numbers of `weights`."""
    for i in range(CHUNK):
        store(weights, i, splat(float32(0.0)))
    for n in range(0, wide, LANES):
        running = load(sums, n)
        first = running
        for i in range(steps):
            running = fma(running, load(decays, i * wide + n), load(k_rows, i * wide + n))
            store(weights, i, fma(running, load(q_rows, i * wide + n), load(weights, i)))
        store(sums, n, quench(fma(first, load(missed, n), running)))
    store(weights, 0, sum_rows(weights, 0))


@compiled
def forward(sizes, inputs, outputs, scratch, items_from, items_to):
    """Run items (series and group of heads) `items_from` to `items_to`."""
    heads, keys, values = sizes.heads, sizes.keys, sizes.values
    wide, V = whole(keys), whole(values)
    q_rows = scratch  # (CHUNK, wide)
    k_rows = q_rows + FLOAT * CHUNK * wide
    decays = k_rows + FLOAT * CHUNK * wide
    missed = decays + FLOAT * CHUNK * wide  # (wide,)
    v_rows = missed + FLOAT * wide  # (CHUNK, V)
    y_rows = v_rows + FLOAT * CHUNK * V
    states = y_rows + FLOAT * CHUNK * V  # (heads, wide, V)
    all_sums = states + FLOAT * heads * wide * V  # (heads, wide)
    weights = stack(CHUNK)
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        heads_from, heads_to = group * heads // sizes.groups, (group + 1) * heads // sizes.groups
        clear(states, 0, heads * wide * V)
        for head in range(heads_from, heads_to):
            own = series * heads + head
            for n in range(keys):
                read_row(outputs.state, (own * keys + n) * values, values, states, (head * wide + n) * V)
            if sizes.sums != 0:
                read_row(outputs.sums, own * keys, keys, all_sums, head * wide)
        for chunk in range(chunks):
            row = series * sizes.length + chunk * CHUNK
            steps = min(CHUNK, sizes.length - chunk * CHUNK)
            if chunk + 2 < chunks:
                prefetch_chunk(sizes, inputs, row + CHUNK)
            for head in range(heads_from, heads_to):
                state, sums = states + FLOAT * head * wide * V, all_sums + FLOAT * head * wide
                for i in range(steps):
                    at = (row + i) * heads + head
                    read_row(inputs.q, at * keys, keys, q_rows, i * wide)
                    read_row(inputs.k, at * keys, keys, k_rows, i * wide)
                    read_row(inputs.v, at * values, values, v_rows, i * V)
                read_decays(sizes, inputs, row, head, steps, decays, missed)
                if outputs.checkpoints != 0:
                    kept = (series * chunks + chunk) * heads + head
                    write_row(state, 0, wide * V, outputs.checkpoints, kept * wide * V)
                    if sizes.sums != 0:
                        write_row(sums, 0, wide, outputs.sum_checkpoints, kept * wide)
                advance_values(wide, V, steps, q_rows, k_rows, v_rows, decays, missed, state, y_rows)
                for i in range(steps):
                    write_row(y_rows, i * V, values, outputs.y, ((row + i) * heads + head) * values)
                if sizes.sums != 0:
                    advance_sums(wide, steps, q_rows, k_rows, decays, missed, sums, weights)
                    for i in range(steps):
                        write(outputs.weights, (row + i) * heads + head, read(weights, i))
        for head in range(heads_from, heads_to):
            own = series * heads + head
            for n in range(keys):
                write_row(states, (head * wide + n) * V, values, outputs.state, (own * keys + n) * values)
            if sizes.sums != 0:
                write_row(all_sums, head * wide, keys, outputs.sums, own * keys)


@inlined
def run_four(wide, steps, rows, states, four, kept, grads, missed, into, grad_v):
    """Four rows of the state, turned, sixteen keys of them, through a chunk again, and their gradients back.

    `rows` holds inputs and gradients, one step's beside the other's; `kept` and `into` are memory of this call.
    """
    s_0, s_1 = load(states, 0), load(states, wide)
    s_2, s_3 = load(states, 2 * wide), load(states, 3 * wide)
    for i in range(steps):
        at = i * STEP
        k, decay = load(rows, at + K), load(rows, at + DECAY)
        s_0, s_1, s_2, s_3 = s_0 * decay, s_1 * decay, s_2 * decay, s_3 * decay
        store(kept, 4 * i, s_0)
        store(kept, 4 * i + 1, s_1)
        store(kept, 4 * i + 2, s_2)
        store(kept, 4 * i + 3, s_3)
        s_0 = fma(k, splat_at(four, VALUE + i), s_0)
        s_1 = fma(k, splat_at(four, VALUE + CHUNK + i), s_1)
        s_2 = fma(k, splat_at(four, VALUE + 2 * CHUNK + i), s_2)
        s_3 = fma(k, splat_at(four, VALUE + 3 * CHUNK + i), s_3)
        into_q = fma(s_0, splat_at(four, OUT + i), load(rows, at + GRAD_Q))
        into_q = fma(s_1, splat_at(four, OUT + CHUNK + i), into_q)
        into_q = fma(s_2, splat_at(four, OUT + 2 * CHUNK + i), into_q)
        store(rows, at + GRAD_Q, fma(s_3, splat_at(four, OUT + 3 * CHUNK + i), into_q))
    d_0, d_1 = load(grads, 0), load(grads, wide)
    d_2, d_3 = load(grads, 2 * wide), load(grads, 3 * wide)
    last_0, last_1, last_2, last_3 = d_0, d_1, d_2, d_3
    # decayed only when something is added: by itself, a number times almost 1 is rounded the same way step after step
    later = splat(float32(1.0))
    for back in range(steps):
        i = steps - 1 - back
        at = i * STEP
        q, k = load(rows, at + Q), load(rows, at + K)
        d_0 = fma(d_0, later, q * splat_at(four, OUT + i))
        d_1 = fma(d_1, later, q * splat_at(four, OUT + CHUNK + i))
        d_2 = fma(d_2, later, q * splat_at(four, OUT + 2 * CHUNK + i))
        d_3 = fma(d_3, later, q * splat_at(four, OUT + 3 * CHUNK + i))
        into_k = fma(d_0, splat_at(four, VALUE + i), load(rows, at + GRAD_K))
        into_k = fma(d_1, splat_at(four, VALUE + CHUNK + i), into_k)
        into_k = fma(d_2, splat_at(four, VALUE + 2 * CHUNK + i), into_k)
        store(rows, at + GRAD_K, fma(d_3, splat_at(four, VALUE + 3 * CHUNK + i), into_k))
        into_decay = fma(d_0, load(kept, 4 * i), load(rows, at + GRAD_DECAY))
        into_decay = fma(d_1, load(kept, 4 * i + 1), into_decay)
        into_decay = fma(d_2, load(kept, 4 * i + 2), into_decay)
        store(rows, at + GRAD_DECAY, fma(d_3, load(kept, 4 * i + 3), into_decay))
        store(into, i, d_0 * k)
        store(into, CHUNK + i, d_1 * k)
        store(into, 2 * CHUNK + i, d_2 * k)
        store(into, 3 * CHUNK + i, d_3 * k)
        later = load(rows, at + DECAY)
    off = load(missed, 0)
    store(grads, 0, quench(fma(last_0, off, d_0 * later)))
    store(grads, wide, quench(fma(last_1, off, d_1 * later)))
    store(grads, 2 * wide, quench(fma(last_2, off, d_2 * later)))
    store(grads, 3 * wide, quench(fma(last_3, off, d_3 * later)))
    add_to(grad_v, 0, sum_rows(into, 0))
    add_to(grad_v, CHUNK, sum_rows(into, CHUNK))
    add_to(grad_v, 2 * CHUNK, sum_rows(into, 2 * CHUNK))
    add_to(grad_v, 3 * CHUNK, sum_rows(into, 3 * CHUNK))


@compiled
def backward(sizes, inputs, outputs, grad_y, grad_weights, grads, scratch, items_from, items_to):
    """Gradients for items `items_from` to `items_to`."""
    heads, keys, values = sizes.heads, sizes.keys, sizes.values
    wide, V = whole(keys), whole(values)
    n_rows = values + sizes.sums  # of a state, turned: one for each value, the sums' value is 1
    R = whole(n_rows)
    rows = scratch  # (wide / 16, CHUNK, STEP)
    columns = rows + FLOAT * 6 * CHUNK * wide  # (R / 4, FOUR)
    grad_v = columns + FLOAT * 2 * CHUNK * R  # (R, CHUNK)
    missed = grad_v + FLOAT * CHUNK * R  # (wide,)
    decays = missed + FLOAT * wide  # (CHUNK, wide)
    states = decays + FLOAT * CHUNK * wide  # (R, wide)
    all_grads = states + FLOAT * R * wide  # (heads, R, wide)
    tile, kept, into = stack(16), stack(64), stack(64)
    zero = splat(float32(0.0))
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    clear(columns, 0, 2 * CHUNK * R)
    clear(states, 0, R * wide)
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        heads_from, heads_to = group * heads // sizes.groups, (group + 1) * heads // sizes.groups
        clear(all_grads, 0, heads * R * wide)
        for head in range(heads_from, heads_to):
            own = series * heads + head
            for n in range(keys):
                for w in range(values):
                    write(all_grads, (head * R + w) * wide + n, read(grads.state, (own * keys + n) * values + w))
                if sizes.sums != 0:
                    write(all_grads, (head * R + values) * wide + n, read(grads.sums, own * keys + n))
        for chunk in range(chunks - 1, -1, -1):
            row = series * sizes.length + chunk * CHUNK
            steps = min(CHUNK, sizes.length - chunk * CHUNK)
            if chunk > 0:
                prefetch_chunk(sizes, inputs, row - CHUNK)
                prefetch_row(grad_y, (row - CHUNK) * heads * values, CHUNK * heads * values)
            for head in range(heads_from, heads_to):
                apart, grad_state = CHUNK * STEP, all_grads + FLOAT * head * R * wide
                read_decays(sizes, inputs, row, head, steps, decays, missed)
                for i in range(steps):
                    at = ((row + i) * heads + head) * keys
                    read_apart(inputs.q, at, keys, rows, i * STEP + Q, apart)
                    read_apart(inputs.k, at, keys, rows, i * STEP + K, apart)
                    read_apart(decays, i * wide, wide, rows, i * STEP + DECAY, apart)
                    for n in range(0, wide, LANES):
                        clear(rows, n * CHUNK * 6 + i * STEP + GRAD_Q, n * CHUNK * 6 + (i + 1) * STEP)
                at = (row * heads + head) * values
                read_columns(inputs.v, at, heads * values, steps, values, columns, FOUR, VALUE, tile)
                read_columns(grad_y, at, heads * values, steps, values, columns, FOUR, OUT, tile)
                kept_at = (series * chunks + chunk) * heads + head
                read_checkpoint(outputs.checkpoints, kept_at, wide, V, states, tile)
                if sizes.sums != 0:
                    write_row(outputs.sum_checkpoints, kept_at * wide, wide, states, values * wide)
                    of_sums = values // 4 * FOUR + values % 4 * CHUNK
                    for i in range(steps):
                        write(columns, of_sums + VALUE + i, float32(1.0))
                        write(columns, of_sums + OUT + i, read(grad_weights, (row + i) * heads + head))
                clear(grad_v, 0, R * CHUNK)
                for n in range(0, wide, LANES):
                    of_keys = rows + FLOAT * 6 * CHUNK * n
                    for w in range(0, n_rows, 4):
                        four, of_values = columns + FLOAT * (w // 4) * FOUR, grad_v + FLOAT * w * CHUNK
                        state, of_state = states + FLOAT * (w * wide + n), grad_state + FLOAT * (w * wide + n)
                        run_four(wide, steps, of_keys, state, four, kept, of_state, missed + FLOAT * n, into, of_values)
                write_columns(grad_v, steps, values, grads.v, at, heads * values, tile)
                for i in range(steps):
                    at = (row + i) * heads + head
                    write_apart(rows, i * STEP + GRAD_Q, apart, keys, grads.q, at * keys)
                    write_apart(rows, i * STEP + GRAD_K, apart, keys, grads.k, at * keys)
                    if sizes.decays > 1:
                        write_apart(rows, i * STEP + GRAD_DECAY, apart, keys, grads.log_decay, at * keys)
                    elif sizes.decays == 1:
                        of_head = zero
                        for n in range(0, wide, LANES):
                            of_head = of_head + load(rows, n * CHUNK * 6 + i * STEP + GRAD_DECAY)
                        write(grads.log_decay, at, total(of_head))
        for head in range(heads_from, heads_to):
            own = series * heads + head
            for n in range(keys):
                for w in range(values):
                    write(grads.state, (own * keys + n) * values + w, read(all_grads, (head * R + w) * wide + n))
                if sizes.sums != 0:
                    write(grads.sums, own * keys + n, read(all_grads, (head * R + values) * wide + n))
