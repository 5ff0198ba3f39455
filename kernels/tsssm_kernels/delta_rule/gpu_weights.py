"""The delta rule on GPUs: the kernel of all that needs no state, for all chunks of steps at once.

A chunk's weights are five matrices (steps, steps), of what steps i read of what steps j wrote, decayed: of q and k, q
and b, a and k, a and b, and the inverse of the system by which reads depend on reads. And the kernels that walk along
time, one chunk after another, find here what decays make of q, a, k, b and the state; they compute no powers.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import exp2_less_one, load_numbers
from .gpu_chunk import decays_of_heads, ends, log_decays, pairs, product, sequences, spans, sums

__all__ = ["delta_weights"]


@triton.jit(do_not_specialize=["length"])  # it varies: not compiled for each kind of number
def delta_weights(
    q, k, a, b, log_decay, resets, weights, into_q, into_a, out_of_k, out_of_b, lost,
    length, heads, keys, decays,
    BY_KEY: tl.constexpr, STEPS: tl.constexpr, LEVELS: tl.constexpr, KEYS: tl.constexpr,
    DOT: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """A program owns a chunk of a head of a series and walks along its keys, twice.

    Of q and a is stored what reads the state before the chunk, of k and b what the state after it keeps; and `lost`,
    the decay of the state through the chunk less 1, with all digits where hardly anything decays: -1 if nothing stays.
    """
    chunks = tl.cdiv(length, STEPS)
    chunk = tl.program_id(0).to(tl.int64)
    item, start = chunk // chunks, (chunk % chunks) * STEPS
    row, steps = item // heads * length + start, length - start
    first = row * heads + item % heads
    i, j = tl.arange(0, STEPS)[:, None], tl.arange(0, STEPS)[None, :]
    qk, qb = tl.zeros([STEPS, STEPS], tl.float32), tl.zeros([STEPS, STEPS], tl.float32)
    ak, ab = tl.zeros([STEPS, STEPS], tl.float32), tl.zeros([STEPS, STEPS], tl.float32)

    for some in range(0, keys, KEYS):
        n = some + tl.arange(0, KEYS)
        at_key, has = i * heads * keys + n[None, :], (i < steps) & (n < keys)[None, :]
        q_t, k_t = load_numbers(q + first * keys, at_key, has), load_numbers(k + first * keys, at_key, has)
        a_t, b_t = load_numbers(a + first * keys, at_key, has), load_numbers(b + first * keys, at_key, has)
        if BY_KEY:
            log, _, _ = log_decays(log_decay, first, steps, heads, decays, n, STEPS, KEYS)
            qk += tl.where(i == j, tl.sum(q_t * k_t, 1)[:, None], 0.0)
            qb += tl.where(i == j, tl.sum(q_t * b_t, 1)[:, None], 0.0)
            for level in range(LEVELS):
                up_to, before, after, across = spans(1 << level, STEPS)
                into, into_before = tl.exp2(sums(up_to, log, PRECISION)), tl.exp2(sums(before, log, PRECISION))
                out_of = tl.exp2(sums(after, log, PRECISION))
                k_out, b_out = tl.trans(k_t * out_of), tl.trans(b_t * out_of)
                qk += tl.where(across, product(q_t * into, k_out, DOT, PRECISION), 0.0)
                qb += tl.where(across, product(q_t * into, b_out, DOT, PRECISION), 0.0)
                ak += tl.where(across, product(a_t * into_before, k_out, DOT, PRECISION), 0.0)
                ab += tl.where(across, product(a_t * into_before, b_out, DOT, PRECISION), 0.0)
        else:
            qk += product(q_t, tl.trans(k_t), DOT, PRECISION)
            qb += product(q_t, tl.trans(b_t), DOT, PRECISION)
            ak += product(a_t, tl.trans(k_t), DOT, PRECISION)
            ab += product(a_t, tl.trans(b_t), DOT, PRECISION)

    sequence = sequences(resets, row, steps, STEPS)
    up_to, before = pairs(sequence, STEPS)
    to_step, to_step_before = tl.where(up_to, 1.0, 0.0), tl.where(before, 1.0, 0.0)
    if not BY_KEY:
        log, log_before, _ = log_decays(log_decay, first, steps, heads, decays, tl.arange(0, 1), STEPS, 1)
        to_step, to_step_before = decays_of_heads(log, log_before, up_to, before, STEPS)
    qk, qb, ak, ab = qk * to_step, qb * to_step, ak * to_step_before, ab * to_step_before
    into_chunk = weights + chunk * 5 * STEPS * STEPS + i * STEPS + j
    tl.store(into_chunk, qk)
    tl.store(into_chunk + STEPS * STEPS, qb)
    tl.store(into_chunk + 2 * STEPS * STEPS, ak)
    tl.store(into_chunk + 3 * STEPS * STEPS, ab)
    tl.store(into_chunk + 4 * STEPS * STEPS, _inverse(ab, steps, STEPS))

    for some in range(0, keys, KEYS):
        n = some + tl.arange(0, KEYS)
        at_key, has = i * heads * keys + n[None, :], (i < steps) & (n < keys)[None, :]
        if BY_KEY:
            d = n
            log, log_before, log_after = log_decays(log_decay, first, steps, heads, decays, d, STEPS, KEYS)
        else:
            d = tl.arange(0, 1)
            log, log_before, log_after = log_decays(log_decay, first, steps, heads, decays, d, STEPS, 1)
        into, into_before, out_of, total, survives = ends(sequence, log, log_before, log_after, STEPS)
        tl.store(into_q + first * keys + at_key, load_numbers(q + first * keys, at_key, has) * into, mask=has)
        tl.store(into_a + first * keys + at_key, load_numbers(a + first * keys, at_key, has) * into_before, mask=has)
        tl.store(out_of_k + first * keys + at_key, load_numbers(k + first * keys, at_key, has) * out_of, mask=has)
        tl.store(out_of_b + first * keys + at_key, load_numbers(b + first * keys, at_key, has) * out_of, mask=has)
        tl.store(lost + chunk * decays + d, tl.where(survives, exp2_less_one(total), -1.0), mask=d < decays)


@triton.jit
def _inverse(weights, steps, STEPS: tl.constexpr):
    """(I - weights)^-1 for weights below the diagonal, by forward substitution.

    Products of powers would take fewer steps, but where keys are alike powers grow and cancel.
    """
    t = tl.arange(0, STEPS)
    i, j = t[:, None], t[None, :]
    solved = tl.where(i == j, 1.0, 0.0)
    for step in range(tl.minimum(steps, STEPS) - 1):
        column = tl.sum(tl.where(j == step, weights, 0.0), 1)
        row = tl.sum(tl.where(i == step, solved, 0.0), 0)
        solved += column[:, None] * row[None, :]
    return solved
