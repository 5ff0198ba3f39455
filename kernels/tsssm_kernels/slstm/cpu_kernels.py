"""The sLSTM's loops for the CPU, forward and backward, in vectors of sixteen numbers of a head.

A few series go together, head by head through a chunk of steps: each load of a head's recurrent weights, which stay in
the processor's cache, serves all of them.

The loops hold h = c / n in place of c. With w, the share of what enters in n, a step is ``h' = h + w * (z - h)``, which
loses nothing where little is forgotten; and as y depends on c, n and m through h and s = m + log(n) alone, the backward
pass needs gradients of these two. What remains is m for its own sake, which only a final state shows: its gradient
goes back to the step that the last maximum is from.
"""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import simd, simd_math, simd_rows
from ..compiling import compile_serial
from ..simd import (
    LANES,
    exp2,
    exp2_less_one,
    fma,
    inlined,
    load,
    maximum,
    quench,
    read,
    splat,
    splat_at,
    store,
    where_positive,
)
from ..simd_math import LOG2_E, sigmoid, softplus_and_slope
from ..simd_rows import clear, prefetch_row, read_row, whole, write_row
from . import cpu_arrays
from .cpu_arrays import ENDS, KEPT, SERIES

__all__ = ["backward", "forward"]

LEAST = -1e30  # stands for minus infinity: differences of it are numbers
FLOAT = 4  # bytes
STATE = 5  # rows of a state: h, n, m, what rounding took off m, the step that m is from
CHUNK = 16  # steps of one head before the next head's: rows of all heads lie side by side

compiled = partial(compile_serial, helpers=(simd, simd_math, simd_rows, cpu_arrays))


@inlined
def tanh(x):
    """The hyperbolic tangent, accurate also where it is small."""
    e = exp2_less_one(x * splat(float32(2 * LOG2_E)))
    return e / (e + splat(float32(2.0)))


@inlined
def see_output_of_four(weights, width, W, ys, raw):
    """Add ``y @ recurrent`` to the raw gates of four series, two gates at once."""
    for pair in range(2):
        for w in range(0, W, LANES):
            at = pair * 2 * W + w
            a_0, a_1 = load(raw, at), load(raw, at + W)
            b_0, b_1 = load(raw, at + 4 * W), load(raw, at + 5 * W)
            c_0, c_1 = load(raw, at + 8 * W), load(raw, at + 9 * W)
            d_0, d_1 = load(raw, at + 12 * W), load(raw, at + 13 * W)
            for i in range(width):
                from_i = (pair * W + w) * 2 * width + i * 2 * LANES
                first, second = load(weights, from_i), load(weights, from_i + LANES)
                a, b = splat_at(ys, i), splat_at(ys, W + i)
                c, d = splat_at(ys, 2 * W + i), splat_at(ys, 3 * W + i)
                a_0, a_1 = fma(a, first, a_0), fma(a, second, a_1)
                b_0, b_1 = fma(b, first, b_0), fma(b, second, b_1)
                c_0, c_1 = fma(c, first, c_0), fma(c, second, c_1)
                d_0, d_1 = fma(d, first, d_0), fma(d, second, d_1)
            store(raw, at, a_0)
            store(raw, at + W, a_1)
            store(raw, at + 4 * W, b_0)
            store(raw, at + 5 * W, b_1)
            store(raw, at + 8 * W, c_0)
            store(raw, at + 9 * W, c_1)
            store(raw, at + 12 * W, d_0)
            store(raw, at + 13 * W, d_1)


@inlined
def see_output(weights, width, W, y, raw):
    """The same for one series: all gates at once, so that the processor has something to do beside waiting."""
    second_pair = 2 * W * width
    for w in range(0, W, LANES):
        i_, f, z, o = load(raw, w), load(raw, W + w), load(raw, 2 * W + w), load(raw, 3 * W + w)
        for i in range(width):
            from_i = w * 2 * width + i * 2 * LANES
            a = splat_at(y, i)
            i_ = fma(a, load(weights, from_i), i_)
            f = fma(a, load(weights, from_i + LANES), f)
            z = fma(a, load(weights, second_pair + from_i), z)
            o = fma(a, load(weights, second_pair + from_i + LANES), o)
        store(raw, w, i_)
        store(raw, W + w, f)
        store(raw, 2 * W + w, z)
        store(raw, 3 * W + w, o)


@inlined
def fill(row, at, W, value):
    for w in range(0, W, LANES):
        store(row, at + w, splat(value))


@inlined
def read_state(sizes, inputs, outputs, head, first, count, ys, states):
    """The initial states of a head."""
    width, W = sizes.width, whole(sizes.width)
    for s in range(count):
        at, state = ((first + s) * sizes.heads + head) * width, s * STATE * W
        read_row(inputs.y, at, width, ys, s * W)
        read_row(outputs.c, at, width, states, state)
        read_row(outputs.n, at, width, states, state + W)
        read_row(outputs.m, at, width, states, state + 2 * W)
        clear(states, state + 3 * W, state + 4 * W)
        fill(states, state + 4 * W, W, float32(-1.0))


@inlined
def write_state(sizes, outputs, head, first, count, states):
    """The final states of a head."""
    width, W = sizes.width, whole(sizes.width)
    for s in range(count):
        own, state = (first + s) * sizes.heads + head, s * STATE * W
        for w in range(0, W, LANES):
            n = load(states, state + W + w)
            if outputs.kept != 0:
                store(outputs.ends, (own * ENDS + 1) * W + w, load(states, state + 4 * W + w))
                store(outputs.ends, (own * ENDS + 2) * W + w, n)
            store(states, state + w, n * load(states, state + w))
        write_row(states, state, width, outputs.c, own * width)
        write_row(states, state + W, width, outputs.n, own * width)
        write_row(states, state + 2 * W, width, outputs.m, own * width)


@inlined
def activate(raw, W, outputs, at):
    """Turn raw gates into -log(f), what enters and the output gate; i stays.

    Apart from what follows, as it waits for nothing: the processor can be at several of these at a time.
    """
    zero = splat(float32(0.0))
    for w in range(0, W, LANES):
        forgotten, slope = softplus_and_slope(zero - load(raw, W + w))
        new, out = tanh(load(raw, 2 * W + w)), sigmoid(load(raw, 3 * W + w))
        store(raw, W + w, forgotten)
        store(raw, 2 * W + w, new)
        store(raw, 3 * W + w, out)
        if outputs.kept != 0:
            store(outputs.kept, at + W + w, new)
            store(outputs.kept, at + 2 * W + w, out)
            store(outputs.kept, at + 3 * W + w, slope)


@inlined
def advance(raw, W, t, state, y, outputs, at, ends):
    """The state and output of a series after a step."""
    zero, one = splat(float32(0.0)), splat(float32(1.0))
    for w in range(0, W, LANES):
        entering, forgotten = load(raw, w), load(raw, W + w)
        h, n, m = load(state, w), load(state, W + w), maximum(load(state, 2 * W + w), splat(float32(LEAST)))
        # m - forgotten without rounding: where little is forgotten it would be lost, step after step
        before = m - forgotten
        taken = before - m
        rest = load(state, 3 * W + w) + (m - (before - taken) - (forgotten + taken))
        lead = before - entering + rest
        other = exp2(where_positive(lead, zero - lead, lead) * splat(float32(LOG2_E)))
        keep, enter = where_positive(lead, one, other), where_positive(lead, other, one)
        m, rest = where_positive(lead, before, entering), where_positive(lead, rest, zero)
        n = fma(keep, n, enter)
        inverse = one / n
        share, new = enter * inverse, load(raw, 2 * W + w)
        if t == 0:  # what stands for h is c
            of_c = keep * inverse
            h = fma(share, new, of_c * h)
            if outputs.kept != 0:
                store(outputs.ends, ends + w, of_c)
        else:
            h = quench(fma(share, new - h, h))
        store(y, w, load(raw, 3 * W + w) * h)
        store(state, w, h)
        store(state, W + w, n)
        store(state, 2 * W + w, m + rest)
        store(state, 3 * W + w, rest - (m + rest - m))
        store(state, 4 * W + w, where_positive(lead, load(state, 4 * W + w), splat(float32(t))))
        if outputs.kept != 0:
            store(outputs.kept, at + w, share)
            store(outputs.kept, at + 4 * W + w, h)


@compiled
def forward(sizes, inputs, outputs, scratch, items_from, items_to):
    """Run items (series and groups of heads) `items_from` to `items_to`."""
    length, heads, width = sizes.length, sizes.heads, sizes.width
    W = whole(width)
    raw = scratch  # (SERIES, 4, W)
    all_ys = raw + FLOAT * SERIES * 4 * W  # (heads, SERIES, W)
    all_states = all_ys + FLOAT * heads * SERIES * W  # (heads, SERIES, STATE, W)
    for item in range(items_from, items_to):
        first, group = item // sizes.groups * sizes.together, item % sizes.groups
        heads_from, heads_to = group * heads // sizes.groups, (group + 1) * heads // sizes.groups
        count = min(sizes.together, sizes.batch - first)
        for head in range(heads_from, heads_to):
            ys, states = all_ys + FLOAT * head * SERIES * W, all_states + FLOAT * head * SERIES * STATE * W
            read_state(sizes, inputs, outputs, head, first, count, ys, states)
        for start in range(0, length, CHUNK):
            stop = min(start + CHUNK, length)
            for s in range(count):
                for_steps = min(CHUNK, length - stop) * heads * 4 * width
                prefetch_row(inputs.gates, ((first + s) * length + stop) * heads * 4 * width, for_steps)
            for head in range(heads_from, heads_to):
                weights = inputs.recurrent + FLOAT * head * 4 * W * width
                ys, states = all_ys + FLOAT * head * SERIES * W, all_states + FLOAT * head * SERIES * STATE * W
                for t in range(start, stop):
                    for s in range(count):
                        row = (first + s) * length + t
                        for gate in range(4):
                            at = ((row * heads + head) * 4 + gate) * width
                            read_row(inputs.gates, at, width, raw, (s * 4 + gate) * W)
                        if inputs.resets != 0 and read(inputs.resets, row) != 0:
                            clear(ys, s * W, (s + 1) * W)
                            clear(states, s * STATE * W, (s * STATE + 4) * W)
                            fill(states, (s * STATE + 2) * W, W, float32(LEAST))
                    if count == SERIES:
                        see_output_of_four(weights, width, W, ys, raw)
                    else:
                        for s in range(count):
                            see_output(weights, width, W, ys + FLOAT * s * W, raw + FLOAT * s * 4 * W)
                    for s in range(count):
                        at = (((first + s) * length + t) * heads + head) * KEPT * W
                        activate(raw + FLOAT * s * 4 * W, W, outputs, at)
                    for s in range(count):
                        own, at = (first + s) * heads + head, ((first + s) * length + t) * heads + head
                        gates, state, y = s * 4 * W, s * STATE * W, s * W
                        into = states + FLOAT * state, ys + FLOAT * y
                        advance(raw + FLOAT * gates, W, t, *into, outputs, at * KEPT * W, own * ENDS * W)
                        write_row(ys, y, width, outputs.y, at * width)
        for head in range(heads_from, heads_to):
            write_state(sizes, outputs, head, first, count, all_states + FLOAT * head * SERIES * STATE * W)


@inlined
def send_back_of_four(weights, width, W, grads, into):
    """Gradients of the outputs before from those of the raw gates, for four series, two gates at once."""
    zero = splat(float32(0.0))
    for w in range(0, W, LANES):
        a_0, a_1, b_0, b_1, c_0, c_1, d_0, d_1 = zero, zero, zero, zero, zero, zero, zero, zero
        for pair in range(2):
            for j in range(width):
                from_j = (pair * W + w) * 2 * width + j * 2 * LANES
                first, second = load(weights, from_j), load(weights, from_j + LANES)
                of = pair * 2 * W + j
                a_0, a_1 = fma(first, splat_at(grads, of), a_0), fma(second, splat_at(grads, of + W), a_1)
                b_0, b_1 = fma(first, splat_at(grads, of + 4 * W), b_0), fma(second, splat_at(grads, of + 5 * W), b_1)
                c_0, c_1 = fma(first, splat_at(grads, of + 8 * W), c_0), fma(second, splat_at(grads, of + 9 * W), c_1)
                d_0, d_1 = fma(first, splat_at(grads, of + 12 * W), d_0), fma(second, splat_at(grads, of + 13 * W), d_1)
        store(into, w, a_0 + a_1)
        store(into, W + w, b_0 + b_1)
        store(into, 2 * W + w, c_0 + c_1)
        store(into, 3 * W + w, d_0 + d_1)


@inlined
def send_back(weights, width, W, grads, into):
    """The same for one series."""
    zero, second_pair = splat(float32(0.0)), 2 * W * width
    for w in range(0, W, LANES):
        i_, f, z, o = zero, zero, zero, zero
        for j in range(width):
            from_j = w * 2 * width + j * 2 * LANES
            i_ = fma(load(weights, from_j), splat_at(grads, j), i_)
            f = fma(load(weights, from_j + LANES), splat_at(grads, W + j), f)
            z = fma(load(weights, second_pair + from_j), splat_at(grads, 2 * W + j), z)
            o = fma(load(weights, second_pair + from_j + LANES), splat_at(grads, 3 * W + j), o)
        store(into, w, (i_ + z) + (f + o))


@inlined
def read_gradients(sizes, grads, kept, ends, head, first, count, states):
    """Gradients of h and s = m + log(n), and of m for its own sake, from those of the final state."""
    width, W = sizes.width, whole(sizes.width)
    for s in range(count):
        own, state = (first + s) * sizes.heads + head, s * 3 * W
        read_row(grads.c, own * width, width, states, state)
        read_row(grads.n, own * width, width, states, state + W)
        read_row(grads.m, own * width, width, states, state + 2 * W)
        last = (((first + s + 1) * sizes.length - 1) * sizes.heads + head) * KEPT * W
        for w in range(0, W, LANES):  # n = exp(s - m), c = h n
            n, h = load(ends, (own * ENDS + 2) * W + w), load(kept, last + 4 * W + w)
            of_c = load(states, state + w)
            of_s = n * fma(of_c, h, load(states, state + W + w))
            store(states, state + w, of_c * n)
            store(states, state + W + w, of_s)
            store(states, state + 2 * W + w, load(states, state + 2 * W + w) - of_s)


@inlined
def step_back(W, t, kept, at, ends, last, incoming, y, state, raw):
    """From the gradients of a series' state and output after a step to those of its raw gates, and before the step.

    At the first step, to those of the initial c, n and m.
    """
    zero, one = splat(float32(0.0)), splat(float32(1.0))
    for w in range(0, W, LANES):
        share, new, out = load(kept, at + w), load(kept, at + W + w), load(kept, at + 2 * W + w)
        slope, h = load(kept, at + 3 * W + w), load(kept, at + 4 * W + w)
        of_y = load(incoming, w) + load(y, w)
        of_h = fma(of_y, out, load(state, w))
        of_s, of_m = load(state, W + w), load(state, 2 * W + w)
        later = splat(float32(t)) - load(ends, last + W + w)
        of_older = where_positive(later, of_m, zero)
        of_new = of_h * share
        of_lead = of_new * (new - h)
        stay = zero - share
        of_kept = fma(of_s, stay, of_s) - of_lead
        store(raw, w, fma(of_s, share, of_lead) + (of_m - of_older))
        store(raw, W + w, (of_kept + of_older) * slope)
        store(raw, 2 * W + w, of_new * (one - new * new))
        store(raw, 3 * W + w, of_y * h * out * (one - out))
        if t == 0:
            of_c = load(ends, last + w)
            store(state, w, of_c * of_h)
            store(state, W + w, of_c * (of_s - h * of_h))
            store(state, 2 * W + w, of_kept + of_older)
        else:
            store(state, w, quench(fma(of_h, stay, of_h)))
            store(state, W + w, quench(of_kept))
            store(state, 2 * W + w, of_older)


@compiled
def backward(sizes, inputs, kept, ends, grad_y, grads, scratch, items_from, items_to):
    """Gradients for items `items_from` to `items_to`; those of the recurrent weights follow from those of the gates."""
    length, heads, width = sizes.length, sizes.heads, sizes.width
    W = whole(width)
    raw = scratch  # (SERIES, 4, W): gradients of the raw gates
    incoming = raw + FLOAT * SERIES * 4 * W  # (W,)
    all_ys = incoming + FLOAT * W  # (heads, SERIES, W): of the output, from the step after
    all_states = all_ys + FLOAT * heads * SERIES * W  # (heads, SERIES, 3, W): of h, s and m
    for item in range(items_from, items_to):
        first, group = item // sizes.groups * sizes.together, item % sizes.groups
        heads_from, heads_to = group * heads // sizes.groups, (group + 1) * heads // sizes.groups
        count = min(sizes.together, sizes.batch - first)
        clear(all_ys, 0, heads * SERIES * W)
        for head in range(heads_from, heads_to):
            states = all_states + FLOAT * head * SERIES * 3 * W
            read_gradients(sizes, grads, kept, ends, head, first, count, states)
        for start in range((length - 1) // CHUNK * CHUNK, -1, -CHUNK):
            stop = min(start + CHUNK, length)
            if start > 0:
                for s in range(count):
                    row = ((first + s) * length + start - CHUNK) * heads
                    prefetch_row(grad_y, row * width, CHUNK * heads * width)
                    prefetch_row(kept, row * KEPT * W, CHUNK * heads * KEPT * W)
            for head in range(heads_from, heads_to):
                weights = inputs.recurrent + FLOAT * head * 4 * W * width
                ys, states = all_ys + FLOAT * head * SERIES * W, all_states + FLOAT * head * SERIES * 3 * W
                for back in range(stop - start):
                    t = stop - 1 - back
                    for s in range(count):
                        own, at = (first + s) * heads + head, ((first + s) * length + t) * heads + head
                        gates, y, state = raw + FLOAT * s * 4 * W, ys + FLOAT * s * W, states + FLOAT * s * 3 * W
                        read_row(grad_y, at * width, width, incoming, 0)
                        step_back(W, t, kept, at * KEPT * W, ends, own * ENDS * W, incoming, y, state, gates)
                        for gate in range(4):
                            write_row(gates, gate * W, width, grads.gates, (at * 4 + gate) * width)
                    if count == SERIES:
                        send_back_of_four(weights, width, W, raw, ys)
                    else:
                        for s in range(count):
                            send_back(weights, width, W, raw + FLOAT * s * 4 * W, ys + FLOAT * s * W)
                    if inputs.resets != 0:
                        for s in range(count):
                            if read(inputs.resets, (first + s) * length + t) != 0:
                                clear(ys, s * W, (s + 1) * W)
                                clear(states, s * 3 * W, (s + 1) * 3 * W)
        for head in range(heads_from, heads_to):
            ys, states = all_ys + FLOAT * head * SERIES * W, all_states + FLOAT * head * SERIES * 3 * W
            for s in range(count):
                at, state = ((first + s) * heads + head) * width, s * 3 * W
                write_row(ys, s * W, width, grads.y, at)
                write_row(states, state, width, grads.c, at)
                write_row(states, state + W, width, grads.n, at)
                write_row(states, state + 2 * W, width, grads.m, at)
