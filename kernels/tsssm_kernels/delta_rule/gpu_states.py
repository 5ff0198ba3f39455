"""The delta rule on GPUs: the kernels that walk along time, a chunk of steps at once.

A program owns a block of values of one head of a series and keeps its state (keys, values) in registers. All within a
chunk is products of small matrices; weights, decayed q, a, k, b, and the share of a state that is lost come from
`delta_weights`. The compiler shares out the numbers of all products among a program's warps as it does those of the
last: it has more columns than rows, so that warps have columns of their own.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import load_numbers
from .gpu_chunk import product

__all__ = ["delta_backward", "delta_forward"]


@triton.jit(do_not_specialize=["length"])  # it varies: not compiled for each kind of number
def delta_forward(
    v, weights, into_q, into_a, out_of_k, out_of_b, lost, initial, y, final, read, kept,
    length, heads, keys, values, decays,
    STEPS: tl.constexpr, KEYS: tl.constexpr, VALUES: tl.constexpr, DECAYS: tl.constexpr,
    DOT: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Outputs and the final state; for the backward pass what `a` read, and the state before each chunk."""
    item = tl.program_id(0).to(tl.int64)
    t, n = tl.arange(0, STEPS)[:, None], tl.arange(0, KEYS)
    c = tl.program_id(1) * VALUES + tl.arange(0, VALUES)
    is_key, is_value = (n < keys)[None, :], (c < values)[None, :]
    of_state, is_number = n[:, None] * values + c[None, :], (n < keys)[:, None] & is_value
    of_weights = t * STEPS + tl.arange(0, STEPS)[None, :]
    state = load_numbers(initial + item * keys * values, of_state, is_number)

    chunks = tl.cdiv(length, STEPS)
    for number in range(chunks):
        start = number * STEPS
        chunk, row, steps = item * chunks + number, item // heads * length + start, length - start
        first = row * heads + item % heads
        at_key, has = t * heads * keys + n[None, :], (t < steps) & is_key
        at_value, inside = t * heads * values + c[None, :], (t < steps) & is_value
        d = tl.arange(0, DECAYS)
        share_lost = load_numbers(lost + chunk * decays, d, d < decays)[:, None]
        of_chunk = weights + chunk * 5 * STEPS * STEPS + of_weights

        v_t = load_numbers(v + first * values, at_value, inside)
        known = product(load_numbers(into_a + first * keys, at_key, has), state, DOT, PRECISION)
        known += product(tl.load(of_chunk + 2 * STEPS * STEPS), v_t, DOT, PRECISION)
        reads = product(tl.load(of_chunk + 4 * STEPS * STEPS), known, tl.float32, PRECISION)
        out = product(load_numbers(into_q + first * keys, at_key, has), state, DOT, PRECISION)
        if kept is not None:
            tl.store(read + first * values + at_value, reads, mask=inside)
            tl.store(kept + chunk * keys * values + of_state, state, mask=is_number)
        state += share_lost * state
        state += product(tl.trans(load_numbers(out_of_k + first * keys, at_key, has)), v_t, DOT, PRECISION)
        state += product(tl.trans(load_numbers(out_of_b + first * keys, at_key, has)), reads, DOT, PRECISION)
        out += product(tl.load(of_chunk), v_t, DOT, PRECISION)
        out += product(tl.load(of_chunk + STEPS * STEPS), reads, DOT, PRECISION)
        tl.store(y + first * values + at_value, out, mask=inside)
    tl.store(final + item * keys * values + of_state, state, mask=is_number)


@triton.jit(do_not_specialize=["length"])  # it varies: not compiled for each kind of number
def delta_backward(
    weights, into_q, into_a, out_of_k, out_of_b, lost, grad_y, grad_final, grad_v, grad_known, after, grad_initial,
    length, heads, keys, values, decays,
    STEPS: tl.constexpr, KEYS: tl.constexpr, VALUES: tl.constexpr, DECAYS: tl.constexpr,
    DOT: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradients of values and the initial state; of the state after each chunk; of what the systems are solved for."""
    item = tl.program_id(0).to(tl.int64)
    t, n = tl.arange(0, STEPS)[:, None], tl.arange(0, KEYS)
    c = tl.program_id(1) * VALUES + tl.arange(0, VALUES)
    is_key, is_value = (n < keys)[None, :], (c < values)[None, :]
    of_state, is_number = n[:, None] * values + c[None, :], (n < keys)[:, None] & is_value
    turned = t + STEPS * tl.arange(0, STEPS)[None, :]
    grad = tl.zeros([KEYS, VALUES], tl.float32)
    if grad_final is not None:
        grad = load_numbers(grad_final + item * keys * values, of_state, is_number)

    chunks = tl.cdiv(length, STEPS)
    for back in range(chunks):
        number = chunks - 1 - back
        start = number * STEPS
        chunk, row, steps = item * chunks + number, item // heads * length + start, length - start
        first = row * heads + item % heads
        at_key, has = t * heads * keys + n[None, :], (t < steps) & is_key
        at_value, inside = t * heads * values + c[None, :], (t < steps) & is_value
        d = tl.arange(0, DECAYS)
        share_lost = load_numbers(lost + chunk * decays, d, d < decays)[:, None]
        of_chunk = weights + chunk * 5 * STEPS * STEPS + turned
        tl.store(after + chunk * keys * values + of_state, grad, mask=is_number)

        of_y = load_numbers(grad_y + first * values, at_value, inside)
        of_reads = product(load_numbers(out_of_b + first * keys, at_key, has), grad, DOT, PRECISION)
        of_reads += product(tl.load(of_chunk + STEPS * STEPS), of_y, DOT, PRECISION)
        of_known = product(tl.load(of_chunk + 4 * STEPS * STEPS), of_reads, tl.float32, PRECISION)
        tl.store(grad_known + first * values + at_value, of_known, mask=inside)
        of_v = product(load_numbers(out_of_k + first * keys, at_key, has), grad, DOT, PRECISION)
        of_v += product(tl.load(of_chunk), of_y, DOT, PRECISION)
        grad += share_lost * grad
        grad += product(tl.trans(load_numbers(into_q + first * keys, at_key, has)), of_y, DOT, PRECISION)
        grad += product(tl.trans(load_numbers(into_a + first * keys, at_key, has)), of_known, DOT, PRECISION)
        of_v += product(tl.load(of_chunk + 2 * STEPS * STEPS), of_known, DOT, PRECISION)
        tl.store(grad_v + first * values + at_value, of_v, mask=inside)
    tl.store(grad_initial + item * keys * values + of_state, grad, mask=is_number)
