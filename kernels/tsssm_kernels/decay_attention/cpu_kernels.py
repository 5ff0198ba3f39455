"""Decay attention's loops for the CPU, forward and backward.

The states of (keys, values) numbers stay in the processor's cache while time advances in chunks of sixteen steps, head
by head; within a chunk, one row of a state after another stays in registers. The forward pass has the values side by
side in vectors, the backward pass the keys: so most sums run along time or over rows, and few over a vector's lanes.
"""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import simd, simd_decays, simd_rows, simd_tiles
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
from ..simd_decays import CHUNK, read_decays
from ..simd_rows import clear, prefetch_row, read_row, whole, write_row
from ..simd_tiles import sum_rows, transpose
from . import cpu_arrays

__all__ = ["backward", "forward"]

FLOAT = 4  # bytes

compiled = partial(compile_serial, helpers=(simd, simd_decays, simd_rows, simd_tiles, cpu_arrays))


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
def advance_values(K, V, steps, q_rows, k_rows, v_rows, decays, missed, state, y_rows):
    """Advance a state by a chunk: four of its rows at once, sixteen values in a vector."""
    for w in range(0, V, LANES):
        for i in range(steps):
            store(y_rows, i * V + w, splat(float32(0.0)))
        for n in range(0, K, 4):
            at = n * V + w
            a, b, c, d = load(state, at), load(state, at + V), load(state, at + 2 * V), load(state, at + 3 * V)
            a_0, b_0, c_0, d_0 = a, b, c, d
            for i in range(steps):
                j = i * K + n
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
def advance_sums(K, steps, q_rows, k_rows, decays, missed, sums, weights):
    """Advance the sums of keys by a chunk; their products with the queries are the first numbers of `weights`."""
    for i in range(CHUNK):
        store(weights, i, splat(float32(0.0)))
    for n in range(0, K, LANES):
        running = load(sums, n)
        first = running
        for i in range(steps):
            running = fma(running, load(decays, i * K + n), load(k_rows, i * K + n))
            store(weights, i, fma(running, load(q_rows, i * K + n), load(weights, i)))
        store(sums, n, quench(fma(first, load(missed, n), running)))
    store(weights, 0, sum_rows(weights, 0))


@compiled
def forward(sizes, inputs, outputs, scratch, items_from, items_to):
    """Run items (series and group of heads) `items_from` to `items_to`."""
    heads, keys, values = sizes.heads, sizes.keys, sizes.values
    K, V = whole(keys), whole(values)
    q_rows = scratch  # (CHUNK, K)
    k_rows = q_rows + FLOAT * CHUNK * K
    decays = k_rows + FLOAT * CHUNK * K
    missed = decays + FLOAT * CHUNK * K  # (K,)
    v_rows = missed + FLOAT * K  # (CHUNK, V)
    y_rows = v_rows + FLOAT * CHUNK * V
    states = y_rows + FLOAT * CHUNK * V  # (heads, K, V)
    all_sums = states + FLOAT * heads * K * V  # (heads, K)
    weights = stack(CHUNK)
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        heads_from, heads_to = group * heads // sizes.groups, (group + 1) * heads // sizes.groups
        clear(states, 0, heads * K * V)
        for head in range(heads_from, heads_to):
            own = series * heads + head
            for n in range(keys):
                read_row(outputs.state, (own * keys + n) * values, values, states, (head * K + n) * V)
            if sizes.sums != 0:
                read_row(outputs.sums, own * keys, keys, all_sums, head * K)
        for chunk in range(chunks):
            row = series * sizes.length + chunk * CHUNK
            steps = min(CHUNK, sizes.length - chunk * CHUNK)
            if chunk + 2 < chunks:
                prefetch_chunk(sizes, inputs, row + CHUNK)
            for head in range(heads_from, heads_to):
                state, sums = states + FLOAT * head * K * V, all_sums + FLOAT * head * K
                for i in range(steps):
                    at = (row + i) * heads + head
                    read_row(inputs.q, at * keys, keys, q_rows, i * K)
                    read_row(inputs.k, at * keys, keys, k_rows, i * K)
                    read_row(inputs.v, at * values, values, v_rows, i * V)
                read_decays(sizes, inputs, row, head, steps, decays, missed)
                if outputs.checkpoints != 0:
                    kept = (series * chunks + chunk) * heads + head
                    write_row(state, 0, K * V, outputs.checkpoints, kept * K * V)
                    if sizes.sums != 0:
                        write_row(sums, 0, K, outputs.sum_checkpoints, kept * K)
                advance_values(K, V, steps, q_rows, k_rows, v_rows, decays, missed, state, y_rows)
                for i in range(steps):
                    write_row(y_rows, i * V, values, outputs.y, ((row + i) * heads + head) * values)
                if sizes.sums != 0:
                    advance_sums(K, steps, q_rows, k_rows, decays, missed, sums, weights)
                    for i in range(steps):
                        write(outputs.weights, (row + i) * heads + head, read(weights, i))
        for head in range(heads_from, heads_to):
            own = series * heads + head
            for n in range(keys):
                write_row(states, (head * K + n) * V, values, outputs.state, (own * keys + n) * values)
            if sizes.sums != 0:
                write_row(all_sums, head * K, keys, outputs.sums, own * keys)


@inlined
def read_checkpoint(sizes, outputs, kept, states, tile):
    """A checkpoint of the state, turned: a row of (whole keys) for each value, and one for the sums of keys."""
    K, V = whole(sizes.keys), whole(sizes.values)
    for n in range(0, K, LANES):
        for w in range(0, V, LANES):
            for i in range(LANES):
                store(tile, i, load(outputs.checkpoints, (kept * K + n + i) * V + w))
            transpose(tile, 0)
            for i in range(LANES):
                store(states, (w + i) * K + n, load(tile, i))
        if sizes.sums != 0:
            store(states, sizes.values * K + n, load(outputs.sum_checkpoints, kept * K + n))


@compiled
def backward(sizes, inputs, outputs, grad_y, grad_weights, grads, scratch, items_from, items_to):
    """Gradients for items `items_from` to `items_to`."""
    heads, keys, values = sizes.heads, sizes.keys, sizes.values
    K = whole(keys)
    rows = values + sizes.sums  # of a state, turned: one for each value, the sums' value is 1
    R = whole(rows + 1)  # they are taken two at a time
    q_rows = scratch  # (CHUNK, K)
    k_rows = q_rows + FLOAT * CHUNK * K
    decays = k_rows + FLOAT * CHUNK * K
    grad_q = decays + FLOAT * CHUNK * K
    grad_k = grad_q + FLOAT * CHUNK * K
    grad_decay = grad_k + FLOAT * CHUNK * K
    missed = grad_decay + FLOAT * CHUNK * K  # (K,)
    v_rows = missed + FLOAT * K  # (CHUNK, R)
    out_rows = v_rows + FLOAT * CHUNK * R
    grad_v = out_rows + FLOAT * CHUNK * R  # (R, CHUNK)
    states = grad_v + FLOAT * CHUNK * R  # (R, K)
    all_grads = states + FLOAT * R * K  # (heads, R, K)
    tile, kept_a, kept_b, into_a, into_b = stack(CHUNK), stack(CHUNK), stack(CHUNK), stack(CHUNK), stack(CHUNK)
    zero = splat(float32(0.0))
    chunks = (sizes.length + CHUNK - 1) // CHUNK
    clear(v_rows, 0, 2 * CHUNK * R)
    clear(states, 0, R * K)
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        heads_from, heads_to = group * heads // sizes.groups, (group + 1) * heads // sizes.groups
        clear(all_grads, 0, heads * R * K)
        for head in range(heads_from, heads_to):
            own = series * heads + head
            for n in range(keys):
                for w in range(values):
                    write(all_grads, (head * R + w) * K + n, read(grads.state, (own * keys + n) * values + w))
                if sizes.sums != 0:
                    write(all_grads, (head * R + values) * K + n, read(grads.sums, own * keys + n))
        for chunk in range(chunks - 1, -1, -1):
            row = series * sizes.length + chunk * CHUNK
            steps = min(CHUNK, sizes.length - chunk * CHUNK)
            if chunk > 0:
                prefetch_chunk(sizes, inputs, row - CHUNK)
                prefetch_row(grad_y, (row - CHUNK) * heads * values, CHUNK * heads * values)
            for head in range(heads_from, heads_to):
                grad_state = all_grads + FLOAT * head * R * K
                for i in range(steps):
                    at = (row + i) * heads + head
                    read_row(inputs.q, at * keys, keys, q_rows, i * K)
                    read_row(inputs.k, at * keys, keys, k_rows, i * K)
                    read_row(inputs.v, at * values, values, v_rows, i * R)
                    read_row(grad_y, at * values, values, out_rows, i * R)
                    if sizes.sums != 0:
                        write(v_rows, i * R + values, float32(1.0))
                        write(out_rows, i * R + values, read(grad_weights, at))
                read_decays(sizes, inputs, row, head, steps, decays, missed)
                read_checkpoint(sizes, outputs, (series * chunks + chunk) * heads + head, states, tile)
                clear(grad_q, 0, 3 * CHUNK * K)
                for w in range(0, rows, 2):
                    for i in range(CHUNK):
                        store(into_a, i, zero)
                        store(into_b, i, zero)
                    for n in range(0, K, LANES):
                        a, b = load(states, w * K + n), load(states, (w + 1) * K + n)
                        for i in range(steps):
                            j = i * K + n
                            decay, k = load(decays, j), load(k_rows, j)
                            a, b = a * decay, b * decay
                            store(kept_a, i, a)
                            store(kept_b, i, b)
                            a = fma(k, splat_at(v_rows, i * R + w), a)
                            b = fma(k, splat_at(v_rows, i * R + w + 1), b)
                            into_q = fma(a, splat_at(out_rows, i * R + w), load(grad_q, j))
                            store(grad_q, j, fma(b, splat_at(out_rows, i * R + w + 1), into_q))
                        a, b = load(grad_state, w * K + n), load(grad_state, (w + 1) * K + n)
                        last_a, last_b = a, b
                        for back in range(steps):
                            i = steps - 1 - back
                            j = i * K + n
                            q, k, decay = load(q_rows, j), load(k_rows, j), load(decays, j)
                            a = fma(q, splat_at(out_rows, i * R + w), a)
                            b = fma(q, splat_at(out_rows, i * R + w + 1), b)
                            into_k = fma(a, splat_at(v_rows, i * R + w), load(grad_k, j))
                            store(grad_k, j, fma(b, splat_at(v_rows, i * R + w + 1), into_k))
                            into_decay = fma(a, load(kept_a, i), load(grad_decay, j))
                            store(grad_decay, j, fma(b, load(kept_b, i), into_decay))
                            store(into_a, i, fma(a, k, load(into_a, i)))
                            store(into_b, i, fma(b, k, load(into_b, i)))
                            a, b = a * decay, b * decay
                        off = load(missed, n)
                        store(grad_state, w * K + n, quench(fma(last_a, off, a)))
                        store(grad_state, (w + 1) * K + n, quench(fma(last_b, off, b)))
                    store(grad_v, w * CHUNK, sum_rows(into_a, 0))
                    store(grad_v, (w + 1) * CHUNK, sum_rows(into_b, 0))
                for i in range(steps):
                    at = (row + i) * heads + head
                    write_row(grad_q, i * K, keys, grads.q, at * keys)
                    write_row(grad_k, i * K, keys, grads.k, at * keys)
                    for w in range(values):
                        write(grads.v, at * values + w, read(grad_v, w * CHUNK + i))
                    if sizes.decays > 1:
                        write_row(grad_decay, i * K, keys, grads.log_decay, at * keys)
                    elif sizes.decays == 1:
                        of_head = zero
                        for n in range(0, K, LANES):
                            of_head = of_head + load(grad_decay, i * K + n)
                        write(grads.log_decay, at, total(of_head))
        for head in range(heads_from, heads_to):
            own = series * heads + head
            for n in range(keys):
                for w in range(values):
                    write(grads.state, (own * keys + n) * values + w, read(all_grads, (head * R + w) * K + n))
                if sizes.sums != 0:
                    write(grads.sums, own * keys + n, read(all_grads, (head * R + values) * K + n))
