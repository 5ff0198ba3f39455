"""The delta rule's loops for the CPU, forward and backward.

The states stay in the processor's cache while time advances. The forward pass has values side by side in vectors and
passes over the state once a step: it writes the step's state, reads the step's output and what the next step corrects.
The backward pass has keys side by side: turned like that each row of a state is a recurrence of its own, of which it
takes eight at once.
"""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import chunks, simd, simd_columns, simd_decays, simd_rows, simd_tiles
from ..chunks import CHUNK
from ..compiling import compile_serial
from ..simd import LANES, fma, inlined, load, quench, read, splat, splat_at, stack, store, total, vectors_at, write
from ..simd_columns import read_checkpoint
from ..simd_decays import read_decays
from ..simd_rows import clear, prefetch_row, read_row, whole, write_row
from ..simd_tiles import sum_rows
from . import cpu_arrays

__all__ = ["backward", "forward"]

FLOAT = 4  # bytes

compiled = partial(compile_serial, helpers=(chunks, simd, simd_columns, simd_decays, simd_rows, simd_tiles, cpu_arrays))

# In the backward pass, what a step has for sixteen keys lies side by side: inputs, and gradients of them.
Q, K, A, B, DECAY, GRAD_Q, GRAD_K, GRAD_A, GRAD_B, GRAD_DECAY = (which * LANES for which in range(10))
STEP = 10 * LANES


@inlined
def prefetch_chunk(sizes, inputs, row):
    """Ask for the inputs of a chunk, all heads: they stride through it, which processors do not foresee."""
    rows = CHUNK * sizes.heads
    at = row * sizes.heads * sizes.keys
    prefetch_row(inputs.q, at, rows * sizes.keys)
    prefetch_row(inputs.k, at, rows * sizes.keys)
    prefetch_row(inputs.a, at, rows * sizes.keys)
    prefetch_row(inputs.b, at, rows * sizes.keys)
    prefetch_row(inputs.v, row * sizes.heads * sizes.values, rows * sizes.values)
    if sizes.decays > 1:
        prefetch_row(inputs.log_decay, at, rows * sizes.keys)


@inlined
def begins(inputs, row):
    return inputs.resets != 0 and read(inputs.resets, row) != 0


@compiled
def forward(sizes, inputs, outputs, scratch, items_from, items_to):
    """Run items (series and group of heads) `items_from` to `items_to`."""
    heads, keys, values = sizes.heads, sizes.keys, sizes.values
    wide, V = whole(keys), whole(values)
    q_rows = scratch  # (CHUNK, wide)
    k_rows = q_rows + FLOAT * CHUNK * wide
    b_rows = k_rows + FLOAT * CHUNK * wide
    decays = b_rows + FLOAT * CHUNK * wide
    a_rows = decays + FLOAT * CHUNK * wide  # (CHUNK + 1, wide): of the step after the chunk too
    missed = a_rows + FLOAT * (CHUNK + 1) * wide  # (wide,)
    v_rows = missed + FLOAT * wide  # (CHUNK, V)
    y_rows = v_rows + FLOAT * CHUNK * V
    read_rows = y_rows + FLOAT * CHUNK * V  # (CHUNK + 1, V)
    start = read_rows + FLOAT * (CHUNK + 1) * V  # (wide, V)
    states = start + FLOAT * wide * V  # (heads, wide, V)
    zero = splat(float32(0.0))
    n_chunks = (sizes.length + CHUNK - 1) // CHUNK
    clear(a_rows, 0, (CHUNK + 1) * wide)
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        heads_from, heads_to = group * heads // sizes.groups, (group + 1) * heads // sizes.groups
        clear(states, 0, heads * wide * V)
        for head in range(heads_from, heads_to):
            for n in range(keys):
                own = ((series * heads + head) * keys + n) * values
                read_row(outputs.state, own, values, states, (head * wide + n) * V)
        for chunk in range(n_chunks):
            row = series * sizes.length + chunk * CHUNK
            steps = min(CHUNK, sizes.length - chunk * CHUNK)
            if chunk + 2 < n_chunks:
                prefetch_chunk(sizes, inputs, row + CHUNK)
            for head in range(heads_from, heads_to):
                state = states + FLOAT * head * wide * V
                for i in range(steps):
                    at = (row + i) * heads + head
                    read_row(inputs.q, at * keys, keys, q_rows, i * wide)
                    read_row(inputs.k, at * keys, keys, k_rows, i * wide)
                    read_row(inputs.b, at * keys, keys, b_rows, i * wide)
                    read_row(inputs.v, at * values, values, v_rows, i * V)
                    if begins(inputs, row + i):
                        clear(a_rows, i * wide, (i + 1) * wide)
                    else:
                        read_row(inputs.a, at * keys, keys, a_rows, i * wide)
                read_decays(sizes, inputs, row, head, steps, decays, missed)
                write_row(state, 0, wide * V, start, 0)
                if outputs.checkpoints != 0:
                    kept = (series * n_chunks + chunk) * heads + head
                    write_row(state, 0, wide * V, outputs.checkpoints, kept * wide * V)
                for w in range(0, V, LANES):
                    seen, seen_too = zero, zero
                    for n in range(0, wide, 2):
                        seen = fma(load(state, n * V + w), splat_at(a_rows, n), seen)
                        seen_too = fma(load(state, (n + 1) * V + w), splat_at(a_rows, n + 1), seen_too)
                    seen = seen + seen_too
                    for i in range(steps):
                        store(read_rows, i * V + w, seen)
                        v = load(v_rows, i * V + w)
                        y, y_too, after, after_too = zero, zero, zero, zero
                        for n in range(0, wide, 2):
                            j, at = i * wide + n, n * V + w
                            c = fma(seen, splat_at(b_rows, j), v * splat_at(k_rows, j))
                            d = fma(seen, splat_at(b_rows, j + 1), v * splat_at(k_rows, j + 1))
                            c = fma(load(state, at), splat_at(decays, j), c)
                            d = fma(load(state, at + V), splat_at(decays, j + 1), d)
                            y = fma(c, splat_at(q_rows, j), y)
                            y_too = fma(d, splat_at(q_rows, j + 1), y_too)
                            after = fma(c, splat_at(a_rows, j + wide), after)
                            after_too = fma(d, splat_at(a_rows, j + wide + 1), after_too)
                            store(state, at, c)
                            store(state, at + V, d)
                        store(y_rows, i * V + w, y + y_too)
                        seen = after + after_too
                    for n in range(wide):
                        at = n * V + w
                        whole_decay = fma(load(start, at), splat_at(missed, n), load(state, at))
                        store(state, at, quench(whole_decay))
                for i in range(steps):
                    at = ((row + i) * heads + head) * values
                    write_row(y_rows, i * V, values, outputs.y, at)
                    if outputs.read != 0:
                        write_row(read_rows, i * V, values, outputs.read, at)
        for head in range(heads_from, heads_to):
            for n in range(keys):
                own = ((series * heads + head) * keys + n) * values
                write_row(states, (head * wide + n) * V, values, outputs.state, own)


@inlined
def read_steps(source, at, step, steps, count, rows, which):
    """Numbers of keys, `count` a step, into the place `which` of the steps of each vector; zeros fill the last one."""
    full = count // LANES * LANES
    for n in range(0, full, LANES):
        for i in range(steps):
            store(rows, n * CHUNK * 10 + i * STEP + which, load(source, at + i * step + n))
    if full < count:
        for i in range(steps):
            read_row(source, at + i * step + full, count - full, rows, full * CHUNK * 10 + i * STEP + which)


@inlined
def write_steps(rows, which, steps, count, target, at, step):
    """Copy back what `read_steps` copies."""
    full = count // LANES * LANES
    for n in range(0, full, LANES):
        for i in range(steps):
            store(target, at + i * step + n, load(rows, n * CHUNK * 10 + i * STEP + which))
    if full < count:
        for i in range(steps):
            write_row(rows, full * CHUNK * 10 + i * STEP + which, count - full, target, at + i * step + full)


@inlined
def run_again(vectors, steps, rows, v, read, grad_y, V, states, kept):
    """Eight rows of the state through a chunk again: what they were before each step, and the queries' gradients."""
    now = stack(8)
    for n in range(vectors):
        for r in range(8):
            store(now, r, load(states, (r * vectors + n) * LANES))
        for i in range(steps):
            at, keep = (n * CHUNK + i) * STEP, (n * CHUNK + i) * 8 * LANES
            k, b, decay, into_q = (
                load(rows, at + K),
                load(rows, at + B),
                load(rows, at + DECAY),
                load(rows, at + GRAD_Q),
            )
            for r in range(8):
                entering = fma(b, splat_at(read, i * V + r), k * splat_at(v, i * V + r))
                store(kept, keep + r * LANES, load(now, r))
                store(now, r, fma(load(now, r), decay, entering))
                into_q = fma(load(now, r), splat_at(grad_y, i * V + r), into_q)
            store(rows, at + GRAD_Q, into_q)


@inlined
def run_back(vectors, steps, rows, v, read, grad_y, V, kept, held, grad_v, sums):
    """Gradients of eight rows of the state back through a chunk, `held` while time goes; and those of their values.

    The latter are written eight numbers too far, to be overwritten by those of the next rows.
    """
    tile = stack(16)
    for back in range(steps):
        i = steps - 1 - back
        for r in range(8):
            of_v, of_read = splat(float32(0.0)), splat(float32(0.0))
            for n in range(vectors):
                at = (n * CHUNK + i) * STEP
                d = fma(load(rows, at + Q), splat_at(grad_y, i * V + r), load(held, r * vectors + n))
                store(held, r * vectors + n, d)
                of_v, of_read = fma(d, load(rows, at + K), of_v), fma(d, load(rows, at + B), of_read)
            store(tile, r, of_v)
            store(tile, 8 + r, of_read)
        summed = sum_rows(tile, 0)
        store(sums, 0, summed)
        store(grad_v, i * (V + LANES), summed)
        for n in range(vectors):
            at, keep = (n * CHUNK + i) * STEP, (n * CHUNK + i) * 8 * LANES
            into_k, into_b, into_decay = load(rows, at + GRAD_K), load(rows, at + GRAD_B), load(rows, at + GRAD_DECAY)
            for r in range(8):
                d = load(held, r * vectors + n)
                into_k = fma(d, splat_at(v, i * V + r), into_k)
                into_b = fma(d, splat_at(read, i * V + r), into_b)
                into_decay = fma(d, load(kept, keep + r * LANES), into_decay)
            store(rows, at + GRAD_K, into_k)
            store(rows, at + GRAD_B, into_b)
            store(rows, at + GRAD_DECAY, into_decay)
        for n in range(vectors):
            at, keep = (n * CHUNK + i) * STEP, (n * CHUNK + i) * 8 * LANES
            a, decay, into_a = load(rows, at + A), load(rows, at + DECAY), load(rows, at + GRAD_A)
            for r in range(8):
                of_read = splat_at(sums, 8 + r)
                into_a = fma(load(kept, keep + r * LANES), of_read, into_a)
                store(held, r * vectors + n, fma(load(held, r * vectors + n), decay, a * of_read))
            store(rows, at + GRAD_A, into_a)


@inlined
def run_rows(vectors, steps, rows, v, read, grad_y, V, states, kept, held, missed, grad_states, grad_v, sums):
    """Eight rows of the state through a chunk again, and their gradients back through it."""
    run_again(vectors, steps, rows, v, read, grad_y, V, states, kept)
    for j in range(8 * vectors):
        store(held, j, load(grad_states, j * LANES))
    run_back(vectors, steps, rows, v, read, grad_y, V, kept, held, grad_v, sums)
    for r in range(8):
        for n in range(vectors):
            at = (r * vectors + n) * LANES
            true = fma(load(grad_states, at), load(missed, n * LANES), load(held, r * vectors + n))
            store(grad_states, at, quench(true))


@compiled
def backward(sizes, inputs, outputs, grad_y, grads, scratch, items_from, items_to):
    """Gradients for items `items_from` to `items_to`."""
    heads, keys, values = sizes.heads, sizes.keys, sizes.values
    wide, V = whole(keys), whole(values)
    rows = scratch  # (wide / 16, CHUNK, STEP)
    v_rows = rows + FLOAT * 10 * CHUNK * wide  # (CHUNK, V)
    y_rows = v_rows + FLOAT * CHUNK * V  # (CHUNK, V)
    read_rows = y_rows + FLOAT * CHUNK * V  # (CHUNK, V)
    grad_v = read_rows + FLOAT * CHUNK * V  # (CHUNK, V + 16)
    kept = grad_v + FLOAT * CHUNK * (V + LANES)  # (wide / 16, CHUNK, 8, 16)
    missed = kept + FLOAT * 8 * CHUNK * wide  # (wide,)
    decays = missed + FLOAT * wide  # (CHUNK, wide)
    last = decays + FLOAT * CHUNK * wide  # (8, wide)
    sums = last + FLOAT * 8 * wide  # (16,)
    states = sums + FLOAT * LANES  # (V, wide)
    all_grads = states + FLOAT * V * wide  # (heads, V, wide)
    tile, held, held_too = stack(16), stack(8), stack(16)
    zero = splat(float32(0.0))
    n_chunks = (sizes.length + CHUNK - 1) // CHUNK
    for item in range(items_from, items_to):
        series, group = item // sizes.groups, item % sizes.groups
        heads_from, heads_to = group * heads // sizes.groups, (group + 1) * heads // sizes.groups
        clear(all_grads, 0, heads * V * wide)
        for head in range(heads_from, heads_to):
            for n in range(keys):
                own = ((series * heads + head) * keys + n) * values
                for w in range(values):
                    write(all_grads, (head * V + w) * wide + n, read(grads.state, own + w))
        for chunk in range(n_chunks - 1, -1, -1):
            row = series * sizes.length + chunk * CHUNK
            steps = min(CHUNK, sizes.length - chunk * CHUNK)
            if chunk > 0:
                prefetch_chunk(sizes, inputs, row - CHUNK)
                prefetch_row(grad_y, (row - CHUNK) * heads * values, CHUNK * heads * values)
                prefetch_row(outputs.read, (row - CHUNK) * heads * values, CHUNK * heads * values)
            for head in range(heads_from, heads_to):
                read_decays(sizes, inputs, row, head, steps, decays, missed)
                at, step = (row * heads + head) * keys, heads * keys
                read_steps(inputs.q, at, step, steps, keys, rows, Q)
                read_steps(inputs.k, at, step, steps, keys, rows, K)
                read_steps(inputs.a, at, step, steps, keys, rows, A)
                read_steps(inputs.b, at, step, steps, keys, rows, B)
                read_steps(decays, 0, wide, steps, wide, rows, DECAY)
                for n in range(0, wide, LANES):
                    for i in range(steps):
                        clear(rows, n * CHUNK * 10 + i * STEP + GRAD_Q, n * CHUNK * 10 + (i + 1) * STEP)
                        if begins(inputs, row + i):
                            store(rows, n * CHUNK * 10 + i * STEP + A, zero)
                for i in range(steps):
                    at = ((row + i) * heads + head) * values
                    read_row(inputs.v, at, values, v_rows, i * V)
                    read_row(grad_y, at, values, y_rows, i * V)
                    read_row(outputs.read, at, values, read_rows, i * V)
                read_checkpoint(outputs.checkpoints, (series * n_chunks + chunk) * heads + head, wide, V, states, tile)
                for w in range(0, values, 8):
                    v, y, seen = v_rows + FLOAT * w, y_rows + FLOAT * w, read_rows + FLOAT * w
                    s, g = states + FLOAT * w * wide, all_grads + FLOAT * (head * V + w) * wide
                    into = grad_v + FLOAT * w
                    # numbers held in registers while time goes, if there are few enough
                    if wide == LANES:
                        run_rows(1, steps, rows, v, seen, y, V, s, kept, held, missed, g, into, sums)
                    elif wide == 2 * LANES:
                        run_rows(2, steps, rows, v, seen, y, V, s, kept, held_too, missed, g, into, sums)
                    else:
                        n = wide // LANES
                        run_rows(n, steps, rows, v, seen, y, V, s, kept, vectors_at(last), missed, g, into, sums)
                for i in range(steps):
                    write_row(grad_v, i * (V + LANES), values, grads.v, ((row + i) * heads + head) * values)
                    of_head = zero
                    for n in range(0, wide, LANES):
                        step = n * CHUNK * 10 + i * STEP
                        into_log = load(rows, step + GRAD_DECAY) * load(rows, step + DECAY)
                        of_head = of_head + into_log
                        store(rows, step + GRAD_DECAY, into_log)
                        if begins(inputs, row + i):
                            store(rows, step + GRAD_A, zero)
                    if sizes.decays == 1:
                        write(grads.log_decay, (row + i) * heads + head, total(of_head))
                at, step = (row * heads + head) * keys, heads * keys
                write_steps(rows, GRAD_Q, steps, keys, grads.q, at, step)
                write_steps(rows, GRAD_K, steps, keys, grads.k, at, step)
                write_steps(rows, GRAD_A, steps, keys, grads.a, at, step)
                write_steps(rows, GRAD_B, steps, keys, grads.b, at, step)
                if sizes.decays > 1:
                    write_steps(rows, GRAD_DECAY, steps, keys, grads.log_decay, at, step)
        for head in range(heads_from, heads_to):
            for n in range(keys):
                own = ((series * heads + head) * keys + n) * values
                for w in range(values):
                    write(grads.state, own + w, read(all_grads, (head * V + w) * wide + n))
