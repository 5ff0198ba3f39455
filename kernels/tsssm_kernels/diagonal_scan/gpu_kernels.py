"""The diagonal scan on GPUs: Triton kernels.

A program owns a block of channels of one series and walks along time, a tile of steps at once: within a tile states
come from an associative scan, between tiles they are handed on. The backward pass begins each tile at the state that
was kept before it, and scans twice, for the states and, backward in time, for their gradients. Complex numbers are
pairs of tiles; in memory their parts lie side by side.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import load_numbers
from .gpu_complex import advance, compose_complex, in_two, rates, transition

__all__ = ["scan_backward", "scan_forward"]

VARYING = ["batch", "length"]  # from call to call: not compiled for each kind of number


@triton.jit
def _complex(x, at, inside):
    """Complex numbers, in two."""
    return load_numbers(x, 2 * at, inside), load_numbers(x, 2 * at + 1, inside)


@triton.jit
def _store(x, at, real, imaginary, inside):
    """Store complex numbers."""
    tl.store(x + 2 * at, real, mask=inside)
    tl.store(x + 2 * at + 1, imaginary, mask=inside)


@triton.jit
def _times(gaps, row, inside):
    """The time of each step, in double precision as sums are made of it; none outside."""
    times = tl.where(inside, 1.0, 0.0)
    if gaps is not None:
        times = tl.load(gaps + row, mask=inside, other=0)
    return times.to(tl.float64)


@triton.jit
def _transitions(times, decay, turn, turn_rest):
    """Transitions over a time for each step, (steps, channels, state)."""
    first, rest = in_two(times)
    return transition(
        first[:, None, None], rest[:, None, None], decay[None, :, :], turn[None, :, :], turn_rest[None, :, :]
    )


@triton.jit(do_not_specialize=VARYING)
def scan_forward(
    u, log_A, B, C, D, gaps, resets, initial, y, final, kept, length, channels, states,
    STEPS: tl.constexpr, CHANNELS: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """Outputs, the final state, and with `kept` the state before each tile of steps."""
    series = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    n = tl.arange(0, STATES)
    t = tl.arange(0, STEPS)
    is_channel = c < channels
    of_state = c[:, None] * states + n[None, :]
    is_number = is_channel[:, None] & (n < states)[None, :]
    log_decay, angle = _complex(log_A, of_state, is_number)
    decay, turn, turn_rest = rates(log_decay, angle)
    enter, enter_i = _complex(B, of_state, is_number)
    read, read_i = _complex(C, of_state, is_number)
    state, state_i = _complex(initial, series * channels * states + of_state, is_number)

    for start in range(0, length, STEPS):
        is_step = start + t < length
        row = series * length + start + t
        wide, inside = row[:, None] * channels + c[None, :], is_step[:, None] & is_channel[None, :]
        if kept is not None:
            tile = series * tl.cdiv(length, STEPS) + start // STEPS
            _store(kept, tile * channels * states + of_state, state, state_i, is_number)
        x = load_numbers(u, wide, inside)
        times = _times(gaps, row, is_step)
        a, b = _transitions(times, decay, turn, turn_rest)
        reached = tl.full([STEPS], 1, tl.int1)
        if resets is not None:
            begins = tl.load(resets + row, mask=is_step, other=0).to(tl.int32)
            a, b = tl.where((begins != 0)[:, None, None], 0.0, a), tl.where((begins != 0)[:, None, None], 0.0, b)
            reached = tl.cumsum(begins, 0) == 0
        entering, entering_i = x[:, :, None] * enter[None, :, :], x[:, :, None] * enter_i[None, :, :]
        _, _, own, own_i = tl.associative_scan((a, b, entering, entering_i), 0, compose_complex)

        a, b = _transitions(tl.cumsum(times, 0), decay, turn, turn_rest)
        h = own + tl.where(reached[:, None, None], a * state[None, :, :] - b * state_i[None, :, :], 0.0)
        h_i = own_i + tl.where(reached[:, None, None], a * state_i[None, :, :] + b * state[None, :, :], 0.0)
        out = 2.0 * tl.sum(h * read[None, :, :] - h_i * read_i[None, :, :], 2)
        if D is not None:
            out += load_numbers(D, c, is_channel)[None, :] * x
        tl.store(y + wide, out, mask=inside)

        first, rest = in_two(tl.sum(times, 0))
        state, state_i = advance(state, state_i, first, rest, decay, turn, turn_rest)
        survives = tl.min(reached.to(tl.int32), 0) != 0
        at_end = (t == STEPS - 1)[:, None, None]
        state = tl.where(survives, state, 0.0) + tl.sum(tl.where(at_end, own, 0.0), 0)
        state_i = tl.where(survives, state_i, 0.0) + tl.sum(tl.where(at_end, own_i, 0.0), 0)
    _store(final, series * channels * states + of_state, state, state_i, is_number)


@triton.jit(do_not_specialize=VARYING)
def scan_backward(
    u, log_A, B, C, D, gaps, resets, kept, grad_y, grad_final,
    grad_u, grad_log_A, grad_B, grad_C, grad_D, grad_gaps, grad_initial, batch, length, channels, states,
    STEPS: tl.constexpr, CHANNELS: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """What programs of other channels or series add to as well has a part for each, summed afterwards in order."""
    series = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    n = tl.arange(0, STATES)
    t = tl.arange(0, STEPS)
    is_channel = c < channels
    of_state = c[:, None] * states + n[None, :]
    is_number = is_channel[:, None] & (n < states)[None, :]
    log_decay, angle = _complex(log_A, of_state, is_number)
    decay, turn, turn_rest = rates(log_decay, angle)
    enter, enter_i = _complex(B, of_state, is_number)
    read, read_i = _complex(C, of_state, is_number)
    whole = series * channels * states + of_state
    carried, carried_i = tl.zeros([CHANNELS, STATES], tl.float32), tl.zeros([CHANNELS, STATES], tl.float32)
    if grad_final is not None:
        carried, carried_i = _complex(grad_final, whole, is_number)
    into_log, into_log_i = tl.zeros([CHANNELS, STATES], tl.float32), tl.zeros([CHANNELS, STATES], tl.float32)
    into_B, into_B_i = tl.zeros([CHANNELS, STATES], tl.float32), tl.zeros([CHANNELS, STATES], tl.float32)
    into_C, into_C_i = tl.zeros([CHANNELS, STATES], tl.float32), tl.zeros([CHANNELS, STATES], tl.float32)
    into_D = tl.zeros([CHANNELS], tl.float32)

    tiles = tl.cdiv(length, STEPS)
    for back in range(tiles):
        start = (tiles - 1 - back) * STEPS
        is_step = start + t < length
        # the step before, within the tile, and the step after
        is_later, is_followed = is_step & (t > 0), (t < STEPS - 1) & (start + t + 1 < length)
        row = series * length + start + t
        wide, inside = row[:, None] * channels + c[None, :], is_step[:, None] & is_channel[None, :]
        times, times_before, times_after = (
            _times(gaps, row, is_step),
            _times(gaps, row - 1, is_later),
            _times(gaps, row + 1, is_followed),
        )
        reached_before, reaches = tl.full([STEPS], 1, tl.int1), tl.full([STEPS], 1, tl.int1)
        begins = tl.zeros([STEPS], tl.int32)
        begins_before, begins_after = begins, begins
        if resets is not None:
            begins = tl.load(resets + row, mask=is_step, other=0).to(tl.int32)
            begins_before = tl.load(resets + row - 1, mask=is_later, other=0).to(tl.int32)
            begins_after = tl.load(resets + row + 1, mask=is_followed, other=0).to(tl.int32)
            counted = tl.cumsum(begins, 0)
            reached_before = counted - begins == 0
            reaches = counted == tl.sum(begins, 0)

        # states before each step, then what of them goes on
        first, first_i = _complex(kept, (series * tiles + start // STEPS) * channels * states + of_state, is_number)
        a, b = _transitions(times_before, decay, turn, turn_rest)
        if resets is not None:
            a = tl.where((begins_before != 0)[:, None, None], 0.0, a)
            b = tl.where((begins_before != 0)[:, None, None], 0.0, b)
        x = load_numbers(u, wide - channels, is_later[:, None] & is_channel[None, :])
        entering, entering_i = x[:, :, None] * enter[None, :, :], x[:, :, None] * enter_i[None, :, :]
        _, _, before, before_i = tl.associative_scan((a, b, entering, entering_i), 0, compose_complex)
        a, b = _transitions(tl.cumsum(times_before, 0), decay, turn, turn_rest)
        before += tl.where(reached_before[:, None, None], a * first[None, :, :] - b * first_i[None, :, :], 0.0)
        before_i += tl.where(reached_before[:, None, None], a * first_i[None, :, :] + b * first[None, :, :], 0.0)
        a, b = _transitions(times, decay, turn, turn_rest)
        if resets is not None:
            a, b = tl.where((begins != 0)[:, None, None], 0.0, a), tl.where((begins != 0)[:, None, None], 0.0, b)
        past, past_i = a * before - b * before_i, a * before_i + b * before
        x, grad = load_numbers(u, wide, inside), load_numbers(grad_y, wide, inside)
        into_C += 2.0 * tl.sum(grad[:, :, None] * (past + x[:, :, None] * enter[None, :, :]), 0)
        into_C_i -= 2.0 * tl.sum(grad[:, :, None] * (past_i + x[:, :, None] * enter_i[None, :, :]), 0)

        # gradients of the states; backward in time transitions are conjugate
        a_after, b_after = _transitions(times_after, decay, turn, turn_rest)
        if resets is not None:
            a_after = tl.where((begins_after != 0)[:, None, None], 0.0, a_after)
            b_after = tl.where((begins_after != 0)[:, None, None], 0.0, b_after)
        score, score_i = 2.0 * grad[:, :, None] * read[None, :, :], -2.0 * grad[:, :, None] * read_i[None, :, :]
        _, _, own, own_i = tl.associative_scan((a_after, -b_after, score, score_i), 0, compose_complex, reverse=True)
        at_start = (t == 0)[:, None, None]
        from_own = tl.sum(tl.where(at_start, a * own + b * own_i, 0.0), 0)
        from_own_i = tl.sum(tl.where(at_start, a * own_i - b * own, 0.0), 0)
        a, b = _transitions(tl.cumsum(times_after, 0, reverse=True), decay, turn, turn_rest)
        g = own + tl.where(reaches[:, None, None], a * carried[None, :, :] + b * carried_i[None, :, :], 0.0)
        g_i = own_i + tl.where(reaches[:, None, None], a * carried_i[None, :, :] - b * carried[None, :, :], 0.0)
        time, time_rest = in_two(tl.sum(times, 0))
        carried, carried_i = advance(carried, carried_i, time, time_rest, decay, -turn, -turn_rest)
        survives = tl.sum(begins, 0) == 0
        carried = tl.where(survives, carried, 0.0) + from_own
        carried_i = tl.where(survives, carried_i, 0.0) + from_own_i

        of_log, of_log_i = g * past + g_i * past_i, g_i * past - g * past_i
        gap = times.to(tl.float32)
        into_log += tl.sum(of_log * gap[:, None, None], 0)
        into_log_i += tl.sum(of_log_i * gap[:, None, None], 0)
        into_B += tl.sum(g * x[:, :, None], 0)
        into_B_i += tl.sum(g_i * x[:, :, None], 0)
        into_x = tl.sum(g * enter[None, :, :] + g_i * enter_i[None, :, :], 2)
        if D is not None:
            into_x += load_numbers(D, c, is_channel)[None, :] * grad
            into_D += tl.sum(grad * x, 0)
        tl.store(grad_u + wide, into_x, mask=inside)
        if gaps is not None:
            into_gap = tl.sum(tl.sum(of_log * log_decay[None, :, :] + of_log_i * angle[None, :, :], 2), 1)
            part = tl.program_id(1) * batch + series
            tl.store(grad_gaps + part * length + start + t, into_gap, mask=is_step)

    _store(grad_log_A, whole, into_log, into_log_i, is_number)
    _store(grad_B, whole, into_B, into_B_i, is_number)
    _store(grad_C, whole, into_C, into_C_i, is_number)
    _store(grad_initial, whole, carried, carried_i, is_number)
    if D is not None:
        tl.store(grad_D + series * channels + c, into_D, mask=is_channel)
