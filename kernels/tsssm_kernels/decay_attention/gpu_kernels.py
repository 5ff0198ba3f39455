"""Decay attention on GPUs with a decay for each head, or none: Triton kernels.

A program owns one head of one series, and a block of its values. It walks along time in chunks: within a chunk every
step reads every earlier one by products of matrices, and what came before the chunk from the state, which stays in
registers. The backward pass begins each chunk at the state that was kept before it.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import LOG2_E, exp2_less_one, load_tile, times

__all__ = ["attend_backward", "attend_forward"]


@triton.jit
def _decays(log_decay, resets, at, at_reset, is_step, t):
    """Of a chunk's steps: from one to another (to, from), from before to each, from each to the end, over all; in log2.

    With them: which pairs belong to one sequence, which steps the state before reaches, which reach that after,
    whether the one reaches the other. Sums begin anew for each pair, since differences of long sums would lose digits.
    """
    pairs = t[:, None] >= t[None, :]
    if log_decay is None:
        log = tl.zeros_like(t).to(tl.float32)
    else:
        log = tl.load(log_decay + at, mask=is_step, other=0).to(tl.float32) * LOG2_E
    between = tl.cumsum(tl.where(t[:, None] > t[None, :], log[:, None], 0.0), 0)
    into = tl.cumsum(log, 0)
    total = tl.sum(log, 0)
    out = tl.sum(tl.where(t[:, None] > t[None, :], log[:, None], 0.0), 0)
    reached, reaches = t >= 0, t >= 0
    if resets is not None:
        begins = tl.load(resets + at_reset, mask=is_step, other=0).to(tl.int32)
        sequence, last = tl.cumsum(begins, 0), tl.sum(begins, 0)
        pairs = pairs & (sequence[:, None] == sequence[None, :])
        reached, reaches = sequence == 0, sequence == last
    return between, into, out, total, pairs, reached, reaches


@triton.jit
def attend_forward(
    q, k, v, log_decay, resets, initial, initial_sums, y, weights, final, final_sums, kept, kept_sums,
    length, heads, keys, values,
    DOT: tl.constexpr, PRECISION: tl.constexpr,
    STEPS: tl.constexpr, KEYS: tl.constexpr, VALUES: tl.constexpr,
):  # fmt: skip
    """Outputs, weights, the final state and sums, and with `kept` those before each chunk."""
    head, series = tl.program_id(1), tl.program_id(2).to(tl.int64)
    i, j = tl.arange(0, KEYS), tl.program_id(0) * VALUES + tl.arange(0, VALUES)
    t = tl.arange(0, STEPS)
    is_key, is_value = i < keys, j < values
    chunks, of_head = tl.cdiv(length, STEPS), series * heads + head
    is_number = is_key[:, None] & is_value[None, :]
    state = tl.zeros([KEYS, VALUES], tl.float32)
    sums = tl.zeros([KEYS], tl.float32)
    if initial is not None:
        state = load_tile(initial, (of_head * keys + i) * values, j, is_number)
    if initial_sums is not None:
        sums = tl.load(initial_sums + of_head * keys + i, mask=is_key, other=0).to(tl.float32)

    for start in range(0, length, STEPS):
        is_step = start + t < length
        step = series * length + start + t
        row = step * heads + head
        has_keys, has_values = is_step[:, None] & is_key[None, :], is_step[:, None] & is_value[None, :]
        if kept is not None:
            chunk = of_head * chunks + start // STEPS
            tl.store(kept + (chunk * keys + i)[:, None] * values + j[None, :], state, mask=is_number)
            if kept_sums is not None:
                tl.store(kept_sums + chunk * keys + i, sums, mask=is_key)
        queries, keys_t = load_tile(q, row * keys, i, has_keys), load_tile(k, row * keys, i, has_keys)
        values_t = load_tile(v, row * values, j, has_values)
        between, into, out, total, pairs, reached, reaches = _decays(log_decay, resets, row, step, is_step, t)

        scores = times(queries, tl.trans(keys_t), DOT, PRECISION)
        scores = tl.where(pairs, scores * tl.exp2(tl.minimum(between, 0.0)), 0.0)
        reading = queries * tl.where(reached, tl.exp2(into), 0.0)[:, None]
        outputs = times(scores, values_t, DOT, PRECISION) + times(reading, state, DOT, PRECISION)
        tl.store(y + (row * values)[:, None] + j[None, :], outputs, mask=has_values)
        writing = keys_t * tl.where(reaches, tl.exp2(out), 0.0)[:, None]
        survives = tl.sum(reached.to(tl.int32), 0) == STEPS
        if weights is not None:
            weight = tl.sum(scores, 1) + tl.sum(reading * sums[None, :], 1)
            tl.store(weights + row, weight, mask=is_step)
            sums = tl.where(survives, sums + exp2_less_one(total) * sums, 0.0) + tl.sum(writing, 0)
        state = tl.where(survives, state + exp2_less_one(total) * state, 0.0)
        state += times(tl.trans(writing), values_t, DOT, PRECISION)

    tl.store(final + (of_head * keys + i)[:, None] * values + j[None, :], state, mask=is_number)
    if final_sums is not None:
        tl.store(final_sums + of_head * keys + i, sums, mask=is_key)


@triton.jit
def attend_backward(
    q, k, v, log_decay, resets, kept, kept_sums, grad_y, grad_weights, grad_final, grad_final_sums,
    grad_q, grad_k, grad_v, grad_log, grad_initial, grad_sums,
    batch, length, heads, keys, values,
    DOT: tl.constexpr, PRECISION: tl.constexpr,
    STEPS: tl.constexpr, KEYS: tl.constexpr, VALUES: tl.constexpr,
):  # fmt: skip
    """Gradients; of queries, keys and decays a part for each block of values. The first block has those of weights."""
    head, series = tl.program_id(1), tl.program_id(2).to(tl.int64)
    block = tl.program_id(0)
    i, j = tl.arange(0, KEYS), block * VALUES + tl.arange(0, VALUES)
    t = tl.arange(0, STEPS)
    is_key, is_value = i < keys, j < values
    chunks, of_head = tl.cdiv(length, STEPS), series * heads + head
    is_number = is_key[:, None] & is_value[None, :]
    carried = tl.zeros([KEYS, VALUES], tl.float32)
    carried_sums = tl.zeros([KEYS], tl.float32)
    if grad_final is not None:
        carried = load_tile(grad_final, (of_head * keys + i) * values, j, is_number)
    if grad_final_sums is not None:
        carried_sums = tl.load(grad_final_sums + of_head * keys + i, mask=is_key, other=0).to(tl.float32)
        carried_sums = tl.where(block == 0, carried_sums, 0.0)

    for back in range(chunks):
        start = (chunks - 1 - back) * STEPS
        is_step = start + t < length
        step = series * length + start + t
        row = step * heads + head
        has_keys, has_values = is_step[:, None] & is_key[None, :], is_step[:, None] & is_value[None, :]
        queries, keys_t = load_tile(q, row * keys, i, has_keys), load_tile(k, row * keys, i, has_keys)
        values_t, grad = load_tile(v, row * values, j, has_values), load_tile(grad_y, row * values, j, has_values)
        chunk = of_head * chunks + start // STEPS
        state = load_tile(kept, (chunk * keys + i) * values, j, is_number)
        between, into, out, total, pairs, reached, reaches = _decays(log_decay, resets, row, step, is_step, t)
        decays = tl.where(pairs, tl.exp2(tl.minimum(between, 0.0)), 0.0)
        scores = times(queries, tl.trans(keys_t), DOT, PRECISION) * decays
        entering = tl.where(reached, tl.exp2(into), 0.0)
        leaving = tl.where(reaches, tl.exp2(out), 0.0)
        survives = tl.sum(reached.to(tl.int32), 0) == STEPS
        kept_part = tl.where(survives, tl.exp2(total), 0.0)

        into_scores = times(grad, tl.trans(values_t), DOT, PRECISION)
        into_reading = times(grad, tl.trans(state), DOT, PRECISION)
        into_writing = times(values_t, tl.trans(carried), DOT, PRECISION)
        of_total = tl.sum(tl.sum(carried * state, 1), 0)
        if grad_weights is not None:
            sums = tl.load(kept_sums + chunk * keys + i, mask=is_key, other=0)
            grad_weight = tl.load(grad_weights + row, mask=is_step, other=0).to(tl.float32)
            grad_weight = tl.where(block == 0, grad_weight, 0.0)
            into_scores += grad_weight[:, None]
            into_reading += grad_weight[:, None] * sums[None, :]
            into_writing += carried_sums[None, :]
            of_total += tl.sum(carried_sums * sums, 0)
            carried_sums = kept_part * carried_sums + tl.sum(queries * (entering * grad_weight)[:, None], 0)
        decayed = into_scores * decays
        part = (block * batch * length + step) * heads + head
        into_queries = times(decayed, keys_t, DOT, PRECISION) + entering[:, None] * into_reading
        into_keys = times(tl.trans(decayed), queries, DOT, PRECISION) + leaving[:, None] * into_writing
        into_values = times(tl.trans(scores), grad, DOT, PRECISION)
        into_values += times(keys_t * leaving[:, None], carried, DOT, PRECISION)
        tl.store(grad_q + (part * keys)[:, None] + i[None, :], into_queries, mask=has_keys)
        tl.store(grad_k + (part * keys)[:, None] + i[None, :], into_keys, mask=has_keys)
        tl.store(grad_v + (row * values)[:, None] + j[None, :], into_values, mask=has_values)
        if log_decay is not None:
            # a step's decay is in all pairs that lie across it, in what is read of the state, and in what leaves
            across = tl.cumsum(tl.where(t[:, None] > t[None, :], scores * into_scores, 0.0), 0, reverse=True)
            into_log = tl.sum(tl.where(t[:, None] > t[None, :], across, 0.0), 1)
            into_log += tl.cumsum(tl.sum(queries * into_reading, 1) * entering, 0, reverse=True)
            left = tl.sum(keys_t * into_writing, 1) * leaving
            into_log += tl.sum(tl.where(t[:, None] > t[None, :], left[None, :], 0.0), 1)
            tl.store(grad_log + part, into_log + of_total * kept_part, mask=is_step)
        carried = kept_part * carried + times(tl.trans(queries * entering[:, None]), grad, DOT, PRECISION)

    tl.store(grad_initial + (of_head * keys + i)[:, None] * values + j[None, :], carried, mask=is_number)
    if grad_sums is not None:
        if block == 0:  # noqa: SIM102 - the compiler decides the one, the program the other
            tl.store(grad_sums + of_head * keys + i, carried_sums, mask=is_key)
