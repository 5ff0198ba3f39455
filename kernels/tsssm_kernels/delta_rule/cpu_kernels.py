"""The delta rule's loops for the CPU, forward and backward.

The states stay in the processor's cache while time advances. The forward pass has values side by side in vectors and
passes over the state once a step: it writes the step's state, reads the step's output and what the next step corrects.
The backward pass has keys side by side: turned like that each row of a state is a recurrence of its own, of which it
takes four at once.
"""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import chunks, simd, simd_columns, simd_decays, simd_rows, simd_tiles
from ..chunks import CHUNK
from ..compiling import compile_serial
from ..simd import LANES, fma, inlined, load, quench, read, splat, splat_at, stack, store, total, write
from ..simd_columns import read_checkpoint, read_columns, write_columns
from ..simd_decays import read_decays
from ..simd_rows import clear, prefetch_row, read_apart, read_row, whole, write_apart, write_row
from ..simd_tiles import splat_sums, sum_rows
from . import cpu_arrays

__all__ = ["backward", "forward"]

FLOAT = 4  # bytes

compiled = partial(compile_serial, helpers=(chunks, simd, simd_columns, simd_decays, simd_rows, simd_tiles, cpu_arrays))

# In the backward pass, what a step has for sixteen keys lies side by side: inputs, and gradients of them.
Q, K, A, B, DECAY, GRAD_Q, GRAD_K, GRAD_A, GRAD_B, GRAD_DECAY = (which * LANES for which in range(10))
STEP = 10 * LANES
# So does what a chunk has for four values: a vector of time steps for each of them, value by value.
VALUE, OUT, READ = (which * 4 * CHUNK for which in range(3))
FOUR = 3 * 4 * CHUNK


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
def run_again(wide, steps, rows, states, four, kept):
    """Four rows of the state through a chunk again: what they were before each step, and the queries' gradients."""
    for n in range(0, wide, LANES):
        s_0, s_1 = load(states, n), load(states, wide + n)
        s_2, s_3 = load(states, 2 * wide + n), load(states, 3 * wide + n)
        for i in range(steps):
            at, keep = n * CHUNK * 10 + i * STEP, n * CHUNK * 4 + i * 4 * LANES
            store(kept, keep, s_0)
            store(kept, keep + LANES, s_1)
            store(kept, keep + 2 * LANES, s_2)
            store(kept, keep + 3 * LANES, s_3)
            k, b, decay = load(rows, at + K), load(rows, at + B), load(rows, at + DECAY)
            s_0 = fma(s_0, decay, fma(b, splat_at(four, READ + i), k * splat_at(four, VALUE + i)))
            s_1 = fma(s_1, decay, fma(b, splat_at(four, READ + CHUNK + i), k * splat_at(four, VALUE + CHUNK + i)))
            s_2 = fma(s_2, decay, fma(b, splat_at(four, READ + 32 + i), k * splat_at(four, VALUE + 32 + i)))
            s_3 = fma(s_3, decay, fma(b, splat_at(four, READ + 48 + i), k * splat_at(four, VALUE + 48 + i)))
            into_q = fma(s_0, splat_at(four, OUT + i), load(rows, at + GRAD_Q))
            into_q = fma(s_1, splat_at(four, OUT + CHUNK + i), into_q)
            into_q = fma(s_2, splat_at(four, OUT + 32 + i), into_q)
            store(rows, at + GRAD_Q, fma(s_3, splat_at(four, OUT + 48 + i), into_q))


@inlined
def run_back(wide, steps, rows, four, kept, grads, into):
    """Gradients of four rows of the state back through a chunk; those of the values are sums of rows of `into`."""
    zero = splat(float32(0.0))
    for back in range(steps):
        i = steps - 1 - back
        v_0, v_1 = splat_at(four, VALUE + i), splat_at(four, VALUE + CHUNK + i)
        v_2, v_3 = splat_at(four, VALUE + 32 + i), splat_at(four, VALUE + 48 + i)
        p_0, p_1 = splat_at(four, READ + i), splat_at(four, READ + CHUNK + i)
        p_2, p_3 = splat_at(four, READ + 32 + i), splat_at(four, READ + 48 + i)
        r_0, r_1, r_2, r_3 = zero, zero, zero, zero
        for n in range(0, wide, LANES):
            at = n * CHUNK * 10 + i * STEP
            q, b = load(rows, at + Q), load(rows, at + B)
            d_0 = fma(q, splat_at(four, OUT + i), load(grads, n))
            d_1 = fma(q, splat_at(four, OUT + CHUNK + i), load(grads, wide + n))
            d_2 = fma(q, splat_at(four, OUT + 32 + i), load(grads, 2 * wide + n))
            d_3 = fma(q, splat_at(four, OUT + 48 + i), load(grads, 3 * wide + n))
            store(grads, n, d_0)
            store(grads, wide + n, d_1)
            store(grads, 2 * wide + n, d_2)
            store(grads, 3 * wide + n, d_3)
            r_0, r_1, r_2, r_3 = fma(d_0, b, r_0), fma(d_1, b, r_1), fma(d_2, b, r_2), fma(d_3, b, r_3)
        r_0, r_1, r_2, r_3 = splat_sums(r_0, r_1, r_2, r_3)  # gradients of what `a` read
        k_0, k_1, k_2, k_3 = zero, zero, zero, zero
        for n in range(0, wide, LANES):
            at, keep = n * CHUNK * 10 + i * STEP, n * CHUNK * 4 + i * 4 * LANES
            k, a, decay = load(rows, at + K), load(rows, at + A), load(rows, at + DECAY)
            d_0, d_1 = load(grads, n), load(grads, wide + n)
            d_2, d_3 = load(grads, 2 * wide + n), load(grads, 3 * wide + n)
            s_0, s_1 = load(kept, keep), load(kept, keep + LANES)
            s_2, s_3 = load(kept, keep + 2 * LANES), load(kept, keep + 3 * LANES)
            into_k = fma(d_1, v_1, fma(d_0, v_0, load(rows, at + GRAD_K)))
            store(rows, at + GRAD_K, fma(d_3, v_3, fma(d_2, v_2, into_k)))
            into_b = fma(d_1, p_1, fma(d_0, p_0, load(rows, at + GRAD_B)))
            store(rows, at + GRAD_B, fma(d_3, p_3, fma(d_2, p_2, into_b)))
            into_a = fma(s_1, r_1, fma(s_0, r_0, load(rows, at + GRAD_A)))
            store(rows, at + GRAD_A, fma(s_3, r_3, fma(s_2, r_2, into_a)))
            into_decay = fma(d_1, s_1, fma(d_0, s_0, load(rows, at + GRAD_DECAY)))
            store(rows, at + GRAD_DECAY, fma(d_3, s_3, fma(d_2, s_2, into_decay)))
            k_0, k_1, k_2, k_3 = fma(d_0, k, k_0), fma(d_1, k, k_1), fma(d_2, k, k_2), fma(d_3, k, k_3)
            store(grads, n, fma(d_0, decay, a * r_0))
            store(grads, wide + n, fma(d_1, decay, a * r_1))
            store(grads, 2 * wide + n, fma(d_2, decay, a * r_2))
            store(grads, 3 * wide + n, fma(d_3, decay, a * r_3))
        store(into, i, k_0)
        store(into, CHUNK + i, k_1)
        store(into, 2 * CHUNK + i, k_2)
        store(into, 3 * CHUNK + i, k_3)


@compiled
def backward(sizes, inputs, outputs, grad_y, grads, scratch, items_from, items_to):
    """Gradients for items `items_from` to `items_to`."""
    heads, keys, values = sizes.heads, sizes.keys, sizes.values
    wide, V = whole(keys), whole(values)
    rows = scratch  # (wide / 16, CHUNK, STEP)
    columns = rows + FLOAT * 10 * CHUNK * wide  # (V / 4, FOUR)
    grad_v = columns + FLOAT * 3 * CHUNK * V  # (V, CHUNK)
    kept = grad_v + FLOAT * CHUNK * V  # (wide / 16, CHUNK, 4, 16)
    missed = kept + FLOAT * 4 * CHUNK * wide  # (wide,)
    decays = missed + FLOAT * wide  # (CHUNK, wide)
    last = decays + FLOAT * CHUNK * wide  # (4, wide)
    states = last + FLOAT * 4 * wide  # (V, wide)
    all_grads = states + FLOAT * V * wide  # (heads, V, wide)
    tile, into = stack(16), stack(64)
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
                apart = CHUNK * STEP
                read_decays(sizes, inputs, row, head, steps, decays, missed)
                for i in range(steps):
                    at = ((row + i) * heads + head) * keys
                    read_apart(inputs.q, at, keys, rows, i * STEP + Q, apart)
                    read_apart(inputs.k, at, keys, rows, i * STEP + K, apart)
                    read_apart(inputs.a, at, keys, rows, i * STEP + A, apart)
                    read_apart(inputs.b, at, keys, rows, i * STEP + B, apart)
                    read_apart(decays, i * wide, wide, rows, i * STEP + DECAY, apart)
                    for n in range(0, wide, LANES):
                        if begins(inputs, row + i):
                            store(rows, n * CHUNK * 10 + i * STEP + A, zero)
                        clear(rows, n * CHUNK * 10 + i * STEP + GRAD_Q, n * CHUNK * 10 + (i + 1) * STEP)
                at = (row * heads + head) * values
                read_columns(inputs.v, at, heads * values, steps, values, columns, FOUR, VALUE, tile)
                read_columns(grad_y, at, heads * values, steps, values, columns, FOUR, OUT, tile)
                read_columns(outputs.read, at, heads * values, steps, values, columns, FOUR, READ, tile)
                read_checkpoint(outputs.checkpoints, (series * n_chunks + chunk) * heads + head, wide, V, states, tile)
                for w in range(0, values, 4):
                    four = columns + FLOAT * (w // 4) * FOUR
                    grad_state = all_grads + FLOAT * (head * V + w) * wide
                    write_row(grad_state, 0, 4 * wide, last, 0)
                    run_again(wide, steps, rows, states + FLOAT * w * wide, four, kept)
                    run_back(wide, steps, rows, four, kept, grad_state, into)
                    for n in range(0, wide, LANES):
                        for r in range(0, 4 * wide, wide):
                            true = fma(load(last, r + n), load(missed, n), load(grad_state, r + n))
                            store(grad_state, r + n, quench(true))
                    for r in range(4):
                        store(grad_v, (w + r) * CHUNK, sum_rows(into, r * CHUNK))
                write_columns(grad_v, steps, values, grads.v, at, heads * values, tile)
                for i in range(steps):
                    at = (row + i) * heads + head
                    write_apart(rows, i * STEP + GRAD_Q, apart, keys, grads.q, at * keys)
                    write_apart(rows, i * STEP + GRAD_K, apart, keys, grads.k, at * keys)
                    write_apart(rows, i * STEP + GRAD_B, apart, keys, grads.b, at * keys)
                    of_head = zero
                    for n in range(0, wide, LANES):
                        step = n * CHUNK * 10 + i * STEP
                        into_log = load(rows, step + GRAD_DECAY) * load(rows, step + DECAY)
                        of_head = of_head + into_log
                        store(rows, step + GRAD_DECAY, into_log)
                        if begins(inputs, row + i):
                            store(rows, step + GRAD_A, zero)
                    write_apart(rows, i * STEP + GRAD_A, apart, keys, grads.a, at * keys)
                    if sizes.decays > 1:
                        write_apart(rows, i * STEP + GRAD_DECAY, apart, keys, grads.log_decay, at * keys)
                    elif sizes.decays == 1:
                        write(grads.log_decay, at, total(of_head))
        for head in range(heads_from, heads_to):
            for n in range(keys):
                own = ((series * heads + head) * keys + n) * values
                for w in range(values):
                    write(grads.state, own + w, read(all_grads, (head * V + w) * wide + n))
