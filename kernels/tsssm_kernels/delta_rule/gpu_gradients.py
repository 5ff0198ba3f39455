"""The delta rule on GPUs: the kernel of all other gradients, for all chunks of steps at once."""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import load_numbers
from .gpu_chunk import decays_of_heads, ends, log_decays, pairs, product, sequences, spans, sums

__all__ = ["delta_gradients"]


@triton.jit(do_not_specialize=["length"])  # it varies: not compiled for each kind of number
def delta_gradients(
    q, k, v, a, b, log_decay, resets, weights, read, kept, grad_y, grad_known, after,
    grad_q, grad_k, grad_a, grad_b, grad_log,
    length, heads, keys, values, decays,
    BY_KEY: tl.constexpr, STEPS: tl.constexpr, LEVELS: tl.constexpr,
    KEYS: tl.constexpr, VALUES: tl.constexpr, DOT: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """A program owns a chunk of a head of a series and a block of keys, and walks along values.

    Of log-decays of heads each block of keys has a part.
    """
    chunks = tl.cdiv(length, STEPS)
    chunk = tl.program_id(0).to(tl.int64)
    item, start = chunk // chunks, (chunk % chunks) * STEPS
    row, steps = item // heads * length + start, length - start
    first = row * heads + item % heads
    i, j = tl.arange(0, STEPS)[:, None], tl.arange(0, STEPS)[None, :]
    sequence = sequences(resets, row, steps, STEPS)
    up_to, before = pairs(sequence, STEPS)

    # of weights, for each block of keys again
    qk, qb = tl.zeros([STEPS, STEPS], tl.float32), tl.zeros([STEPS, STEPS], tl.float32)
    ak, ab = tl.zeros([STEPS, STEPS], tl.float32), tl.zeros([STEPS, STEPS], tl.float32)
    for some in range(0, values, VALUES):
        c = some + tl.arange(0, VALUES)
        at_value, inside = i * heads * values + c[None, :], (i < steps) & (c < values)[None, :]
        of_y, of_known = (
            load_numbers(grad_y + first * values, at_value, inside),
            load_numbers(grad_known + first * values, at_value, inside),
        )
        v_t = tl.trans(load_numbers(v + first * values, at_value, inside))
        reads = tl.trans(load_numbers(read + first * values, at_value, inside))
        qk += product(of_y, v_t, DOT, PRECISION)
        qb += product(of_y, reads, DOT, PRECISION)
        ak += product(of_known, v_t, DOT, PRECISION)
        ab += product(of_known, reads, DOT, PRECISION)
    to_step, to_step_before = tl.where(up_to, 1.0, 0.0), tl.where(before, 1.0, 0.0)
    passed = tl.zeros([STEPS], tl.float32)  # of a log-decay of heads
    if not BY_KEY:
        log, log_before, log_after = log_decays(log_decay, first, steps, heads, decays, tl.arange(0, 1), STEPS, 1)
        if log_decay is not None:
            of_chunk = weights + chunk * 5 * STEPS * STEPS + i * STEPS + j
            of_pairs = qk * tl.load(of_chunk) + qb * tl.load(of_chunk + STEPS * STEPS)
            of_pairs_before = ak * tl.load(of_chunk + 2 * STEPS * STEPS) + ab * tl.load(of_chunk + 3 * STEPS * STEPS)
            passed = tl.where(tl.program_id(1) == 0, _passed_in_pairs(of_pairs, of_pairs_before, STEPS), 0.0)
        to_step, to_step_before = decays_of_heads(log, log_before, up_to, before, STEPS)
    qk, qb, ak, ab = qk * to_step, qb * to_step, ak * to_step_before, ab * to_step_before

    n = tl.program_id(1) * KEYS + tl.arange(0, KEYS)
    at_key, has = i * heads * keys + n[None, :], (i < steps) & (n < keys)[None, :]
    q_t, k_t = load_numbers(q + first * keys, at_key, has), load_numbers(k + first * keys, at_key, has)
    a_t, b_t = load_numbers(a + first * keys, at_key, has), load_numbers(b + first * keys, at_key, has)
    if BY_KEY:
        log, log_before, log_after = log_decays(log_decay, first, steps, heads, decays, n, STEPS, KEYS)
    into, into_before, out_of, total, survives = ends(sequence, log, log_before, log_after, STEPS)

    # by way of the states before the chunk and after it
    of_q, of_k = tl.zeros([STEPS, KEYS], tl.float32), tl.zeros([STEPS, KEYS], tl.float32)
    of_a, of_b = tl.zeros([STEPS, KEYS], tl.float32), tl.zeros([STEPS, KEYS], tl.float32)
    carried = tl.zeros([KEYS], tl.float32)
    for others in range(0, values, VALUES):
        c = others + tl.arange(0, VALUES)
        at_value, inside = i * heads * values + c[None, :], (i < steps) & (c < values)[None, :]
        of_state = n[None, :] * values + c[:, None]
        is_number = (n < keys)[None, :] & (c < values)[:, None]
        state = load_numbers(kept + chunk * keys * values, of_state, is_number)  # (values, keys)
        grad = load_numbers(after + chunk * keys * values, of_state, is_number)
        of_q += product(load_numbers(grad_y + first * values, at_value, inside), state, DOT, PRECISION)
        of_a += product(load_numbers(grad_known + first * values, at_value, inside), state, DOT, PRECISION)
        of_k += product(load_numbers(v + first * values, at_value, inside), grad, DOT, PRECISION)
        of_b += product(load_numbers(read + first * values, at_value, inside), grad, DOT, PRECISION)
        carried += tl.sum(state * grad, 0)
    of_q, of_a, of_k, of_b = of_q * into, of_a * into_before, of_k * out_of, of_b * out_of

    # by way of weights
    if BY_KEY:
        of_log = sums(j >= i, q_t * of_q, PRECISION) + sums(j > i, a_t * of_a, PRECISION)
        of_log += sums(j < i, k_t * of_k + b_t * of_b, PRECISION)
        of_log += tl.where(survives, tl.exp2(total) * carried, 0.0)[None, :]
        own_k, own_b = tl.sum(tl.where(i == j, qk, 0.0), 1)[:, None], tl.sum(tl.where(i == j, qb, 0.0), 1)[:, None]
        of_q += own_k * k_t + own_b * b_t
        of_k += own_k * q_t
        of_b += own_b * q_t
        more_q, more_k, more_b, more_log = _through_spans(
            qk, qb, q_t, k_t, b_t, log, STEPS, LEVELS, True, DOT, PRECISION
        )
        of_q, of_k, of_b, of_log = of_q + more_q, of_k + more_k, of_b + more_b, of_log + more_log
        tl.store(grad_q + first * keys + at_key, of_q, mask=has)
        more_a, more_k, more_b, more_log = _through_spans(
            ak, ab, a_t, k_t, b_t, log, STEPS, LEVELS, False, DOT, PRECISION
        )
        of_a, of_k, of_b, of_log = of_a + more_a, of_k + more_k, of_b + more_b, of_log + more_log
        tl.store(grad_log + first * keys + at_key, of_log, mask=has)
    else:
        if log_decay is not None:
            passed += _passed_of_heads(q_t * of_q, a_t * of_a, k_t * of_k + b_t * of_b, STEPS)
            passed += tl.where(survives, tl.exp2(total) * tl.sum(carried, 0), 0.0)
        more_q, more_k, more_a, more_b = _through(qk, qb, ak, ab, q_t, k_t, a_t, b_t, DOT, PRECISION)
        of_q, of_k, of_a, of_b = of_q + more_q, of_k + more_k, of_a + more_a, of_b + more_b
        tl.store(grad_q + first * keys + at_key, of_q, mask=has)
    tl.store(grad_k + first * keys + at_key, of_k, mask=has)
    tl.store(grad_a + first * keys + at_key, of_a, mask=has)
    tl.store(grad_b + first * keys + at_key, of_b, mask=has)
    if log_decay is not None and not BY_KEY:
        t = tl.arange(0, STEPS)
        part = tl.program_id(1) * (tl.num_programs(0) // chunks).to(tl.int64) * length
        tl.store(grad_log + part + first + t * heads, passed, mask=t < steps)


@triton.jit
def _through(qk, qb, ak, ab, q_t, k_t, a_t, b_t, DOT: tl.constexpr, PRECISION: tl.constexpr):
    """Gradients of q, k, a, b, of those of their weights."""
    of_q = product(qk, k_t, DOT, PRECISION) + product(qb, b_t, DOT, PRECISION)
    of_k = product(tl.trans(qk), q_t, DOT, PRECISION) + product(tl.trans(ak), a_t, DOT, PRECISION)
    of_a = product(ak, k_t, DOT, PRECISION) + product(ab, b_t, DOT, PRECISION)
    of_b = product(tl.trans(qb), q_t, DOT, PRECISION) + product(tl.trans(ab), a_t, DOT, PRECISION)
    return of_q, of_k, of_a, of_b


@triton.jit
def _through_spans(
    xk, xb, x_t, k_t, b_t, log,
    STEPS: tl.constexpr, LEVELS: tl.constexpr, DECAYED: tl.constexpr, DOT: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradients of x, k, b and log-decays by weights between spans; x is q, decayed at its own step too, or a, not."""
    of_x, of_log = tl.zeros_like(x_t), tl.zeros_like(x_t)
    of_k, of_b = tl.zeros_like(x_t), tl.zeros_like(x_t)
    for level in range(LEVELS):
        up_to, before, after, across = spans(1 << level, STEPS)
        into = tl.exp2(sums(up_to if DECAYED else before, log, PRECISION))
        out_of = tl.exp2(sums(after, log, PRECISION))
        k, b = tl.where(across, xk, 0.0), tl.where(across, xb, 0.0)
        more_x = (product(k, k_t * out_of, DOT, PRECISION) + product(b, b_t * out_of, DOT, PRECISION)) * into
        more_k = product(tl.trans(k), x_t * into, DOT, PRECISION) * out_of
        more_b = product(tl.trans(b), x_t * into, DOT, PRECISION) * out_of
        # of log-decays the sum of all that pass; differences of sums would bury it under what passes no step at all
        of_log += sums(tl.trans(up_to if DECAYED else before), x_t * more_x, PRECISION)
        of_log += sums(before, k_t * more_k + b_t * more_b, PRECISION)
        of_x, of_k, of_b = of_x + more_x, of_k + more_k, of_b + more_b
    return of_x, of_k, of_b, of_log


@triton.jit
def _passed_of_heads(into, into_before, out_of, STEPS: tl.constexpr):
    """Gradients (steps,) of log-decays of a head, of those of decays into the chunk's steps and out of them."""
    i, j = tl.arange(0, STEPS)[:, None], tl.arange(0, STEPS)[None, :]
    passing = tl.where(j >= i, tl.sum(into, 1)[None, :], 0.0) + tl.where(j > i, tl.sum(into_before, 1)[None, :], 0.0)
    return tl.sum(passing + tl.where(j < i, tl.sum(out_of, 1)[None, :], 0.0), 1)


@triton.jit
def _passed_in_pairs(of_pairs, of_pairs_before, STEPS: tl.constexpr):
    """Gradients (steps,) of log-decays of a head, of those of decays from j to i, and from j to the step before i."""
    i, j = tl.arange(0, STEPS)[:, None], tl.arange(0, STEPS)[None, :]
    passed = tl.sum(tl.where(j < i, tl.cumsum(of_pairs, 0, reverse=True), 0.0), 1)
    # row i tells what passed the step before i
    passed_before = tl.sum(tl.where(j < i - 1, tl.cumsum(of_pairs_before, 0, reverse=True), 0.0), 1)
    return passed + tl.sum(tl.where(j == i + 1, passed_before[None, :], 0.0), 1)
