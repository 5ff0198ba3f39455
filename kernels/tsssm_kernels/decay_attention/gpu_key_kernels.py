"""Decay attention on GPUs with a decay for each key: Triton kernels.

As in `gpu_kernels`, but two steps of a chunk have a decay of their own for each key, so that their scores are no product
of matrices: no split of the decay between query and key is safe where decays are strong. They are summed one earlier
step at a time; chunks are short, and all that passes through the state is a product of matrices.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import LOG2_E, exp2_less_one, load_tile, times

__all__ = ["attend_keys_backward", "attend_keys_forward"]


@triton.jit
def _sequences(resets, at, is_step, t):
    """The number of each step's sequence within a chunk, from 0, and that of the last step."""
    begins = tl.zeros_like(t)
    if resets is not None:
        begins = tl.load(resets + at, mask=is_step, other=0).to(tl.int32)
    return tl.cumsum(begins, 0), tl.sum(begins, 0)


@triton.jit
def _row(x, t, at):
    """A row of a tile."""
    return tl.sum(tl.where((t == at)[:, None], x, 0.0), 0)


@triton.jit
def _decays_from(sums, sequence, t, at):
    """Decays from a step to those behind it and to itself (to, key), zero where they do not belong together."""
    behind = (t >= at) & (sequence == tl.sum(tl.where(t == at, sequence, 0), 0))
    return tl.where(behind[:, None], tl.exp2(tl.minimum(sums - _row(sums, t, at)[None, :], 0.0)), 0.0)


@triton.jit
def attend_keys_forward(
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
    state = load_tile(initial, (of_head * keys + i) * values, j, is_number)
    sums = tl.zeros([KEYS], tl.float32)
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
        log = load_tile(log_decay, row * keys, i, has_keys) * LOG2_E
        totals, total = tl.cumsum(log, 0), tl.sum(log, 0)
        sequence, last = _sequences(resets, step, is_step, t)

        scores = tl.zeros([STEPS, STEPS], tl.float32)
        for at in range(STEPS):
            decays = _decays_from(totals, sequence, t, at)
            column = tl.sum(queries * decays * _row(keys_t, t, at)[None, :], 1)
            scores = tl.where((t == at)[None, :], column[:, None], scores)
        reading = queries * tl.where((sequence == 0)[:, None], tl.exp2(totals), 0.0)
        outputs = times(scores, values_t, DOT, PRECISION) + times(reading, state, DOT, PRECISION)
        tl.store(y + (row * values)[:, None] + j[None, :], outputs, mask=has_values)
        writing = keys_t * tl.where((sequence == last)[:, None], tl.exp2(total[None, :] - totals), 0.0)
        survives = last == 0
        lost = exp2_less_one(total)
        if weights is not None:
            tl.store(weights + row, tl.sum(scores, 1) + tl.sum(reading * sums[None, :], 1), mask=is_step)
            sums = tl.where(survives, sums + lost * sums, 0.0) + tl.sum(writing, 0)
        state = tl.where(survives, state + lost[:, None] * state, 0.0)
        state += times(tl.trans(writing), values_t, DOT, PRECISION)

    tl.store(final + (of_head * keys + i)[:, None] * values + j[None, :], state, mask=is_number)
    if final_sums is not None:
        tl.store(final_sums + of_head * keys + i, sums, mask=is_key)


@triton.jit
def attend_keys_backward(
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
        log = load_tile(log_decay, row * keys, i, has_keys) * LOG2_E
        totals, total = tl.cumsum(log, 0), tl.sum(log, 0)
        sequence, last = _sequences(resets, step, is_step, t)
        entering = tl.where((sequence == 0)[:, None], tl.exp2(totals), 0.0)
        leaving = tl.where((sequence == last)[:, None], tl.exp2(total[None, :] - totals), 0.0)
        kept_part = tl.where(last == 0, tl.exp2(total), 0.0)

        into_scores = times(grad, tl.trans(values_t), DOT, PRECISION)
        into_reading = times(grad, tl.trans(state), DOT, PRECISION)
        into_writing = times(values_t, tl.trans(carried), DOT, PRECISION)
        of_total = tl.sum(carried * state, 1)
        if grad_weights is not None:
            sums = tl.load(kept_sums + chunk * keys + i, mask=is_key, other=0)
            grad_weight = tl.load(grad_weights + row, mask=is_step, other=0).to(tl.float32)
            grad_weight = tl.where(block == 0, grad_weight, 0.0)
            into_scores += grad_weight[:, None]
            into_reading += grad_weight[:, None] * sums[None, :]
            into_writing += carried_sums[None, :]
            of_total += carried_sums * sums
            carried_sums = kept_part * carried_sums + tl.sum(queries * entering * grad_weight[:, None], 0)

        # pairs of two steps; a step with itself does not decay, and would bury what others say of the decays
        scores = tl.zeros([STEPS, STEPS], tl.float32)
        from_others, to_others = tl.zeros([STEPS, KEYS], tl.float32), tl.zeros([STEPS, KEYS], tl.float32)
        from_state, to_state = entering * into_reading, leaving * into_writing
        left, left_before = keys_t * to_state, tl.zeros([STEPS, KEYS], tl.float32)
        for at in range(STEPS):
            decays = _decays_from(totals, sequence, t, at)
            key = _row(keys_t, t, at)
            column = tl.sum(queries * decays * key[None, :], 1)
            scores = tl.where((t == at)[None, :], column[:, None], scores)
            grad_column = tl.sum(tl.where((t == at)[None, :], into_scores, 0.0), 1)
            decayed = tl.where((t > at)[:, None], grad_column[:, None] * decays, 0.0)
            from_others += decayed * key[None, :]
            to_others = tl.where((t == at)[:, None], tl.sum(decayed * queries, 0)[None, :], to_others)
            left_before += tl.where((t > at)[:, None], _row(left, t, at)[None, :], 0.0)
        of_itself = tl.sum(tl.where(t[:, None] == t[None, :], into_scores, 0.0), 1)[:, None]
        part = (block * batch * length + step) * heads + head
        into_queries, into_keys = from_others + of_itself * keys_t, to_others + of_itself * queries
        tl.store(grad_q + (part * keys)[:, None] + i[None, :], into_queries + from_state, mask=has_keys)
        tl.store(grad_k + (part * keys)[:, None] + i[None, :], into_keys + to_state, mask=has_keys)
        into_values = times(tl.trans(scores), grad, DOT, PRECISION)
        into_values += times(keys_t * leaving, carried, DOT, PRECISION)
        tl.store(grad_v + (row * values)[:, None] + j[None, :], into_values, mask=has_values)

        into_log = tl.cumsum(queries * (from_others + from_state) - keys_t * to_others, 0, reverse=True)
        into_log += left_before + (of_total * kept_part)[None, :]
        tl.store(grad_log + (part * keys)[:, None] + i[None, :], into_log, mask=has_keys)
        carried = kept_part[:, None] * carried + times(tl.trans(queries * entering), grad, DOT, PRECISION)

    tl.store(grad_initial + (of_head * keys + i)[:, None] * values + j[None, :], carried, mask=is_number)
    if grad_sums is not None:
        if block == 0:  # noqa: SIM102 - the compiler decides the one, the program the other
            tl.store(grad_sums + of_head * keys + i, carried_sums, mask=is_key)
