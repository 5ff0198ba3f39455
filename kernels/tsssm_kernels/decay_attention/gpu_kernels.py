"""Decay attention on GPUs: Triton kernels.

Time is cut into chunks. `run_states` walks along the chunks and writes down the state before each; it is the only one
that has to wait for what came before, and does little. All else is done for all chunks at once: within a chunk every
step reads every earlier one by products of matrices, and what came before the chunk from the state. The backward pass
is of the same form: gradients of the states are run backward in time, by the same kernel.

Log-decays are read as (steps, keys), with a decay for each head the same number for all keys. Where two steps of a
chunk have a decay of their own for each key, their scores are no product of matrices: no split of the decay between
query and key is safe where decays are strong. They are summed one earlier step at a time.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import LOG2_E, exp2_less_one, load_tile, row_of, times

__all__ = [
    "gradients_by_key",
    "query_gradients_by_head",
    "read_states",
    "run_states",
    "written_gradients_by_head",
]

VARYING = ["batch", "length"]  # from call to call: not compiled for each kind of number


@triton.jit
def _chunk_of(start, length, series, head, heads, STEPS: tl.constexpr):
    """Steps of a chunk, those that are there, those with another behind them in it, and where they lie."""
    t = tl.arange(0, STEPS)
    is_step, is_followed = start + t < length, (t < STEPS - 1) & (start + t + 1 < length)
    step = series * length + start + t
    return t, is_step, is_followed, step, step * heads + head


@triton.jit
def _sequences(resets, step, is_step, t):
    """The number of each step's sequence within a chunk, from 0, and that of the last step."""
    begins = tl.zeros_like(t)
    if resets is not None:
        begins = tl.load(resets + step, mask=is_step, other=0).to(tl.int32)
    return tl.cumsum(begins, 0), tl.sum(begins, 0)


@triton.jit
def _logs(log_decay, row, i, is_step, is_followed, is_key, heads, LOGS: tl.constexpr, STEPS: tl.constexpr):
    """Log-decays in log2, (steps, keys): each step's, summed up to each step, behind each step, and over all steps.

    Sums behind a step are made of the logs of later steps alone: a difference of long sums would lose digits.
    """
    column = i if LOGS > 1 else tl.zeros_like(i)
    if log_decay is None:
        log = tl.zeros([STEPS, i.shape[0]], tl.float32)
        later = log
    else:
        log = load_tile(log_decay, row * LOGS, column, is_step[:, None] & is_key[None, :]) * LOG2_E
        later = load_tile(log_decay, (row + heads) * LOGS, column, is_followed[:, None] & is_key[None, :]) * LOG2_E
    return log, tl.cumsum(log, 0), tl.cumsum(later, 0, reverse=True), tl.sum(log, 0)


@triton.jit
def _decays_of_pairs(log_decay, row, is_step, t, sequence):
    """From one step to another (to, from) with a decay of the head; each pair has a sum of its own, which is exact."""
    pairs = (t[:, None] >= t[None, :]) & (sequence[:, None] == sequence[None, :])
    decays = tl.where(pairs, 1.0, 0.0)
    if log_decay is not None:
        log = tl.load(log_decay + row, mask=is_step, other=0).to(tl.float32) * LOG2_E
        between = tl.cumsum(tl.where(t[:, None] > t[None, :], log[:, None], 0.0), 0)
        decays *= tl.exp2(tl.minimum(between, 0.0))
    return decays


@triton.jit
def _decays_from(log, sequence, t, at):
    """From a step to those behind it and to itself (to, key), zero where they do not belong together.

    Each pair has a sum of its own, which is exact.
    """
    behind = (t >= at) & (sequence == row_of(sequence[:, None], t, at))
    between = tl.cumsum(tl.where((t > at)[:, None], log, 0.0), 0)
    return tl.where(behind[:, None], tl.exp2(tl.minimum(between, 0.0)), 0.0)


@triton.jit(do_not_specialize=VARYING)
def run_states(
    x, y, log_decay, resets, first, states, last,
    length, heads, keys, values,
    BACKWARD: tl.constexpr, LOGS: tl.constexpr, DOT: tl.constexpr, PRECISION: tl.constexpr,
    STEPS: tl.constexpr, KEYS: tl.constexpr, VALUES: tl.constexpr,
):  # fmt: skip
    """States of what keys `x` and values `y` write: before each chunk, and after the last.

    Backward in time: the gradients of the states after each chunk, of queries `x` and gradients `y` of outputs, and
    that of the state before the first.
    """
    of_head = tl.program_id(0).to(tl.int64)
    series, head = of_head // heads, of_head % heads
    i, j = tl.program_id(1) * KEYS + tl.arange(0, KEYS), tl.program_id(2) * VALUES + tl.arange(0, VALUES)
    is_key, is_value = i < keys, j < values
    is_number = is_key[:, None] & is_value[None, :]
    chunks = tl.cdiv(length, STEPS)
    state = tl.zeros([KEYS, VALUES], tl.float32)
    if first is not None:
        state = load_tile(first, (of_head * keys + i) * values, j, is_number)
    for n in range(chunks):
        chunk = chunks - 1 - n if BACKWARD else n
        at = ((of_head * chunks + chunk) * keys + i)[:, None] * values + j[None, :]
        tl.store(states + at, state, mask=is_number)
        t, is_step, is_followed, step, row = _chunk_of(chunk * STEPS, length, series, head, heads, STEPS)
        _log, into, out, total = _logs(log_decay, row, i, is_step, is_followed, is_key, heads, LOGS, STEPS)
        sequence, end = _sequences(resets, step, is_step, t)
        weight = tl.where((sequence == 0)[:, None], tl.exp2(into), 0.0)
        if not BACKWARD:
            weight = tl.where((sequence == end)[:, None], tl.exp2(out), 0.0)
        writing = load_tile(x, row * keys, i, is_step[:, None] & is_key[None, :]) * weight
        written = load_tile(y, row * values, j, is_step[:, None] & is_value[None, :])
        state = tl.where(end == 0, state + exp2_less_one(total)[:, None] * state, 0.0)
        state += times(tl.trans(writing), written, DOT, PRECISION)
    tl.store(last + (of_head * keys + i)[:, None] * values + j[None, :], state, mask=is_number)


@triton.jit(do_not_specialize=VARYING)
def read_states(
    q, k, v, log_decay, resets, states, y,
    length, heads, keys, values,
    LOGS: tl.constexpr, DOT: tl.constexpr, PRECISION: tl.constexpr,
    STEPS: tl.constexpr, KEYS: tl.constexpr, VALUES: tl.constexpr,
):  # fmt: skip
    """Outputs of a chunk: of its own steps, and of the state before it."""
    chunks = tl.cdiv(length, STEPS)
    of_chunk = tl.program_id(0).to(tl.int64)
    of_head, chunk = of_chunk // chunks, of_chunk % chunks
    series, head = of_head // heads, of_head % heads
    j = tl.program_id(1) * VALUES + tl.arange(0, VALUES)
    is_value = j < values
    t, is_step, is_followed, step, row = _chunk_of(chunk * STEPS, length, series, head, heads, STEPS)
    sequence, _end = _sequences(resets, step, is_step, t)
    has_values = is_step[:, None] & is_value[None, :]
    scores = tl.zeros([STEPS, STEPS], tl.float32)
    outputs = tl.zeros([STEPS, VALUES], tl.float32)
    for begin in range(0, keys, KEYS):
        i = begin + tl.arange(0, KEYS)
        is_key = i < keys
        has_keys = is_step[:, None] & is_key[None, :]
        queries, written = load_tile(q, row * keys, i, has_keys), load_tile(k, row * keys, i, has_keys)
        log, into, _out, _total = _logs(log_decay, row, i, is_step, is_followed, is_key, heads, LOGS, STEPS)
        if LOGS > 1:
            for at in range(STEPS):
                products = queries * _decays_from(log, sequence, t, at) * row_of(written, t, at)[None, :]
                scores += tl.where((t == at)[None, :], tl.sum(products, 1)[:, None], 0.0)
        else:
            scores += times(queries, tl.trans(written), DOT, PRECISION)
        state = load_tile(states, (of_chunk * keys + i) * values, j, is_key[:, None] & is_value[None, :])
        reading = queries * tl.where((sequence == 0)[:, None], tl.exp2(into), 0.0)
        outputs += times(reading, state, DOT, PRECISION)
    if LOGS == 1:
        scores *= _decays_of_pairs(log_decay, row, is_step, t, sequence)
    outputs += times(scores, load_tile(v, row * values, j, has_values), DOT, PRECISION)
    tl.store(y + (row * values)[:, None] + j[None, :], outputs, mask=has_values)


@triton.jit
def _logs_of_head(log_decay, row, is_step, is_followed, t, heads):
    """As `_logs`, with a decay of the head: (steps,), (steps,) and a number."""
    log, later = t * 0.0, t * 0.0
    if log_decay is not None:
        log = tl.load(log_decay + row, mask=is_step, other=0).to(tl.float32) * LOG2_E
        later = tl.load(log_decay + row + heads, mask=is_followed, other=0).to(tl.float32) * LOG2_E
    return tl.cumsum(log, 0), tl.cumsum(later, 0, reverse=True), tl.sum(log, 0)


@triton.jit(do_not_specialize=VARYING)
def query_gradients_by_head(
    q, k, v, log_decay, resets, states, grad_y, grad_q, grad_log,
    batch, length, heads, keys, values,
    LOGS: tl.constexpr, DOT: tl.constexpr, PRECISION: tl.constexpr,
    STEPS: tl.constexpr, KEYS: tl.constexpr, VALUES: tl.constexpr,
):  # fmt: skip
    """Gradients of a chunk's queries, for a block of keys; of log-decays what that block's readings say."""
    chunks = tl.cdiv(length, STEPS)
    of_chunk, block = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    of_head, chunk = of_chunk // chunks, of_chunk % chunks
    series, head = of_head // heads, of_head % heads
    i = block * KEYS + tl.arange(0, KEYS)
    is_key = i < keys
    t, is_step, is_followed, step, row = _chunk_of(chunk * STEPS, length, series, head, heads, STEPS)
    has_keys = is_step[:, None] & is_key[None, :]
    into_scores, into_reading = tl.zeros([STEPS, STEPS], tl.float32), tl.zeros([STEPS, KEYS], tl.float32)
    for begin in range(0, values, VALUES):
        j = begin + tl.arange(0, VALUES)
        is_value = j < values
        has_values = is_step[:, None] & is_value[None, :]
        grad = load_tile(grad_y, row * values, j, has_values)
        into_scores += times(grad, tl.trans(load_tile(v, row * values, j, has_values)), DOT, PRECISION)
        state = load_tile(states, (of_chunk * keys + i) * values, j, is_key[:, None] & is_value[None, :])
        into_reading += times(grad, tl.trans(state), DOT, PRECISION)
    sequence, _end = _sequences(resets, step, is_step, t)
    into, _out, _total = _logs_of_head(log_decay, row, is_step, is_followed, t, heads)
    into_reading *= tl.where(sequence == 0, tl.exp2(into), 0.0)[:, None]
    decayed = into_scores * _decays_of_pairs(log_decay, row, is_step, t, sequence)
    written = load_tile(k, row * keys, i, has_keys)
    into_queries = times(decayed, written, DOT, PRECISION) + into_reading
    tl.store(grad_q + (row * keys)[:, None] + i[None, :], into_queries, mask=has_keys)
    if log_decay is not None:
        # a step's decay is in what is read of the state from there on, and in all pairs that lie across it
        queries = load_tile(q, row * keys, i, has_keys)
        into_log = tl.cumsum(tl.sum(queries * into_reading, 1), 0, reverse=True)
        products = times(queries, tl.trans(written), DOT, PRECISION) * decayed
        across = tl.cumsum(tl.where(t[:, None] > t[None, :], products, 0.0), 0, reverse=True)
        into_log += tl.sum(tl.where(t[:, None] > t[None, :], across, 0.0), 1)
        tl.store(grad_log + (block * batch * length + step) * heads + head, into_log, mask=is_step)


@triton.jit(do_not_specialize=VARYING)
def written_gradients_by_head(
    q, k, v, log_decay, resets, states, grad_y, grad_states, grad_k, grad_v, grad_log,
    batch, length, heads, keys, values,
    LOGS: tl.constexpr, DOT: tl.constexpr, PRECISION: tl.constexpr,
    STEPS: tl.constexpr, KEYS: tl.constexpr, VALUES: tl.constexpr,
):  # fmt: skip
    """Gradients of a chunk's keys and values, for a block of keys; those of values and decays in a part for each."""
    chunks = tl.cdiv(length, STEPS)
    of_chunk, block = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    of_head, chunk = of_chunk // chunks, of_chunk % chunks
    series, head = of_head // heads, of_head % heads
    i = block * KEYS + tl.arange(0, KEYS)
    is_key = i < keys
    t, is_step, is_followed, step, row = _chunk_of(chunk * STEPS, length, series, head, heads, STEPS)
    has_keys = is_step[:, None] & is_key[None, :]
    part = (block * batch * length + step) * heads + head
    sequence, end = _sequences(resets, step, is_step, t)
    decays = _decays_of_pairs(log_decay, row, is_step, t, sequence)
    _into, out, total = _logs_of_head(log_decay, row, is_step, is_followed, t, heads)
    leaving = tl.where(sequence == end, tl.exp2(out), 0.0)
    written = load_tile(k, row * keys, i, has_keys)
    scores = times(load_tile(q, row * keys, i, has_keys), tl.trans(written), DOT, PRECISION) * decays
    into_scores, into_writing = tl.zeros([STEPS, STEPS], tl.float32), tl.zeros([STEPS, KEYS], tl.float32)
    of_total = tl.zeros([KEYS], tl.float32)
    for begin in range(0, values, VALUES):
        j = begin + tl.arange(0, VALUES)
        is_value = j < values
        has_values, is_number = is_step[:, None] & is_value[None, :], is_key[:, None] & is_value[None, :]
        at = (of_chunk * keys + i) * values
        grad, of_values = load_tile(grad_y, row * values, j, has_values), load_tile(v, row * values, j, has_values)
        grad_state = load_tile(grad_states, at, j, is_number)
        into_scores += times(grad, tl.trans(of_values), DOT, PRECISION)
        into_writing += times(of_values, tl.trans(grad_state), DOT, PRECISION)
        into_values = times(tl.trans(scores), grad, DOT, PRECISION)
        into_values += times(written * leaving[:, None], grad_state, DOT, PRECISION)
        tl.store(grad_v + (part * values)[:, None] + j[None, :], into_values, mask=has_values)
        if log_decay is not None:
            of_total += tl.sum(grad_state * load_tile(states, at, j, is_number), 1)
    into_writing *= leaving[:, None]
    queries = load_tile(q, row * keys, i, has_keys)
    into_keys = times(tl.trans(into_scores * decays), queries, DOT, PRECISION) + into_writing
    tl.store(grad_k + (row * keys)[:, None] + i[None, :], into_keys, mask=has_keys)
    if log_decay is not None:
        # a step's decay is in all that left before it, and in what is kept of the state
        left = tl.sum(written * into_writing, 1)
        into_log = tl.sum(tl.where(t[:, None] > t[None, :], left[None, :], 0.0), 1)
        into_log += tl.sum(of_total, 0) * tl.where(end == 0, tl.exp2(total), 0.0)
        tl.store(grad_log + part, into_log, mask=is_step)


@triton.jit(do_not_specialize=VARYING)
def gradients_by_key(
    q, k, v, log_decay, resets, states, grad_y, grad_states, grad_q, grad_k, grad_v, grad_log,
    batch, length, heads, keys, values,
    LOGS: tl.constexpr, DOT: tl.constexpr, PRECISION: tl.constexpr,
    STEPS: tl.constexpr, KEYS: tl.constexpr, VALUES: tl.constexpr,
):  # fmt: skip
    """Gradients of a chunk and a block of keys, with a decay for each key; those of values a part for each block."""
    chunks = tl.cdiv(length, STEPS)
    of_chunk, block = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    of_head, chunk = of_chunk // chunks, of_chunk % chunks
    series, head = of_head // heads, of_head % heads
    i = block * KEYS + tl.arange(0, KEYS)
    is_key = i < keys
    t, is_step, is_followed, step, row = _chunk_of(chunk * STEPS, length, series, head, heads, STEPS)
    has_keys = is_step[:, None] & is_key[None, :]
    sequence, end = _sequences(resets, step, is_step, t)
    log, into, out, total = _logs(log_decay, row, i, is_step, is_followed, is_key, heads, LOGS, STEPS)
    queries, written = load_tile(q, row * keys, i, has_keys), load_tile(k, row * keys, i, has_keys)
    part = (block * batch * length + step) * heads + head

    # first what passes through the state
    into_scores = tl.zeros([STEPS, STEPS], tl.float32)
    from_state, to_state = tl.zeros([STEPS, KEYS], tl.float32), tl.zeros([STEPS, KEYS], tl.float32)
    of_total = tl.zeros([KEYS], tl.float32)
    at_state = (of_chunk * keys + i) * values
    for begin in range(0, values, VALUES):
        j = begin + tl.arange(0, VALUES)
        has_values, is_number = is_step[:, None] & (j < values)[None, :], is_key[:, None] & (j < values)[None, :]
        grad, of_values = load_tile(grad_y, row * values, j, has_values), load_tile(v, row * values, j, has_values)
        state, grad_state = load_tile(states, at_state, j, is_number), load_tile(grad_states, at_state, j, is_number)
        into_scores += times(grad, tl.trans(of_values), DOT, PRECISION)
        from_state += times(grad, tl.trans(state), DOT, PRECISION)
        to_state += times(of_values, tl.trans(grad_state), DOT, PRECISION)
        of_total += tl.sum(grad_state * state, 1)
    leaving = tl.where((sequence == end)[:, None], tl.exp2(out), 0.0)
    from_state *= tl.where((sequence == 0)[:, None], tl.exp2(into), 0.0)
    to_state *= leaving

    # then pairs of steps; a step with itself does not decay, and would bury what others say of the decays
    left = written * to_state
    into_log = tl.zeros([STEPS, KEYS], tl.float32) + (of_total * tl.where(end == 0, tl.exp2(total), 0.0))[None, :]
    scores = tl.zeros([STEPS, STEPS], tl.float32)
    from_others, to_others = tl.zeros([STEPS, KEYS], tl.float32), tl.zeros([STEPS, KEYS], tl.float32)
    for at in range(STEPS):
        decays = _decays_from(log, sequence, t, at)
        key = row_of(written, t, at)
        column = tl.sum(queries * decays * key[None, :], 1)
        scores = tl.where((t == at)[None, :], column[:, None], scores)
        grad_column = tl.sum(tl.where((t == at)[None, :], into_scores, 0.0), 1)
        decayed = tl.where((t > at)[:, None], grad_column[:, None] * decays, 0.0)
        from_others += decayed * key[None, :]
        to_others = tl.where((t == at)[:, None], tl.sum(decayed * queries, 0)[None, :], to_others)
        into_log += tl.where((t > at)[:, None], row_of(left, t, at)[None, :], 0.0)
    into_log += tl.cumsum(queries * (from_others + from_state) - written * to_others, 0, reverse=True)
    tl.store(grad_log + (row * keys)[:, None] + i[None, :], into_log, mask=has_keys)
    of_itself = tl.sum(tl.where(t[:, None] == t[None, :], into_scores, 0.0), 1)[:, None]
    into_queries = from_others + of_itself * written + from_state
    into_keys = to_others + of_itself * queries + to_state
    tl.store(grad_q + (row * keys)[:, None] + i[None, :], into_queries, mask=has_keys)
    tl.store(grad_k + (row * keys)[:, None] + i[None, :], into_keys, mask=has_keys)

    for begin in range(0, values, VALUES):
        j = begin + tl.arange(0, VALUES)
        has_values, is_number = is_step[:, None] & (j < values)[None, :], is_key[:, None] & (j < values)[None, :]
        into_values = times(tl.trans(scores), load_tile(grad_y, row * values, j, has_values), DOT, PRECISION)
        into_values += times(written * leaving, load_tile(grad_states, at_state, j, is_number), DOT, PRECISION)
        tl.store(grad_v + (part * values)[:, None] + j[None, :], into_values, mask=has_values)
