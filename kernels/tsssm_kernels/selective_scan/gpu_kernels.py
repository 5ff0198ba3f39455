"""The selective scan on GPUs: Triton kernels.

A program owns a block of channels of one series and walks along time, a tile of steps at once: within a tile states
come from an associative scan, between tiles they are handed on. The backward pass begins each tile at the state that
was kept before it, and scans twice, for the states and, backward in time, for their gradients.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import LOG2_E, compose, exp2_less_one, load_numbers, sigmoid, silu, silu_slope, softplus

__all__ = ["scan_backward", "scan_forward"]

VARYING = ["length", "series_count"]  # from call to call: not compiled for each kind of number


@triton.jit
def _step_sizes(delta, bias, at, inside, SOFTPLUS: tl.constexpr):
    """Step sizes of a tile, and before their softplus; zero outside."""
    raw = load_numbers(delta, at, inside) + bias[None, :]
    sizes = softplus(raw) if SOFTPLUS else raw
    return tl.where(inside, sizes, 0.0), raw


@triton.jit(do_not_specialize=VARYING)
def scan_forward(
    u, delta, A, B, C, D, z, delta_bias, gaps, resets, initial, y, final, kept,
    length, channels, states,
    SOFTPLUS: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """Outputs, the final state, and with `kept` the state before each tile of steps."""
    series = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    n = tl.arange(0, STATES)
    t = tl.arange(0, STEPS)
    is_channel, is_state = c < channels, n < states
    of_state = c[:, None] * states + n[None, :]
    is_number = is_channel[:, None] & is_state[None, :]
    rates = load_numbers(A, of_state, is_number) * LOG2_E
    bias = tl.zeros([CHANNELS], tl.float32) if delta_bias is None else load_numbers(delta_bias, c, is_channel)
    state = tl.zeros([CHANNELS, STATES], tl.float32)
    if initial is not None:
        state = load_numbers(initial, series * channels * states + of_state, is_number)

    for start in range(0, length, STEPS):
        is_step = start + t < length
        row = series * length + start + t
        wide, inside = row[:, None] * channels + c[None, :], is_step[:, None] & is_channel[None, :]
        narrow, has = row[:, None] * states + n[None, :], is_step[:, None] & is_state[None, :]
        if kept is not None:
            tile = series * tl.cdiv(length, STEPS) + start // STEPS
            tl.store(kept + tile * channels * states + of_state, state, mask=is_number)

        x = load_numbers(u, wide, inside)
        size, _ = _step_sizes(delta, bias, wide, inside, SOFTPLUS)
        time = size if gaps is None else size * load_numbers(gaps, row, is_step)[:, None]
        log = time[:, :, None] * rates[None, :, :]
        entering = (size * x)[:, :, None] * load_numbers(B, narrow, has)[:, None, :]
        factor, reached = tl.exp2(log), tl.full([STEPS], 1, tl.int1)
        if resets is not None:
            begins = tl.load(resets + row, mask=is_step, other=0)
            factor = tl.where((begins != 0)[:, None, None], 0.0, factor)
            reached = tl.cumsum(begins.to(tl.int32), 0) == 0
        total = tl.cumsum(log, 0)
        _, own = tl.associative_scan((factor, entering), 0, compose)
        h = own + tl.where(reached[:, None, None], tl.exp2(total) * state[None, :, :], 0.0)

        out = tl.sum(h * load_numbers(C, narrow, has)[:, None, :], 2)
        if D is not None:
            out += load_numbers(D, c, is_channel)[None, :] * x
        if z is not None:
            out *= silu(load_numbers(z, wide, inside))
        tl.store(y + wide, out, mask=inside)
        at_end = (t == STEPS - 1)[:, None, None]
        lost = exp2_less_one(tl.sum(tl.where(at_end, total, 0.0), 0)) * state
        survives = tl.min(reached.to(tl.int32), 0) != 0
        state = tl.where(survives, state + lost, 0.0) + tl.sum(tl.where(at_end, own, 0.0), 0)
    tl.store(final + series * channels * states + of_state, state, mask=is_number)


@triton.jit(do_not_specialize=[*VARYING, "from_block"])
def scan_backward(
    u, delta, A, B, C, D, z, delta_bias, gaps, resets, kept, grad_y, grad_final,
    grad_u, grad_delta, grad_A, grad_B, grad_C, grad_D, grad_z, grad_bias, grad_gaps, grad_initial,
    series_count, length, channels, states, from_block,
    SOFTPLUS: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """What programs of other channels or series add to as well has a part for each, summed afterwards in order.

    Blocks of channels are launched some at a time; all but the first launch add to the parts that are there.
    """
    series = tl.program_id(0).to(tl.int64)
    c = (from_block + tl.program_id(1)) * CHANNELS + tl.arange(0, CHANNELS)
    part = tl.program_id(1) * series_count + series  # of B, C and gaps: a block of channels, a series
    n = tl.arange(0, STATES)
    t = tl.arange(0, STEPS)
    is_channel, is_state = c < channels, n < states
    of_state = c[:, None] * states + n[None, :]
    is_number = is_channel[:, None] & is_state[None, :]
    rates = load_numbers(A, of_state, is_number)
    bias = tl.zeros([CHANNELS], tl.float32) if delta_bias is None else load_numbers(delta_bias, c, is_channel)
    direct = tl.zeros([CHANNELS], tl.float32) if D is None else load_numbers(D, c, is_channel)
    carried = tl.zeros([CHANNELS, STATES], tl.float32)
    if grad_final is not None:
        carried = load_numbers(grad_final, series * channels * states + of_state, is_number)
    into_A = tl.zeros([CHANNELS, STATES], tl.float32)
    into_D = tl.zeros([CHANNELS], tl.float32)
    into_bias = tl.zeros([CHANNELS], tl.float32)

    tiles = tl.cdiv(length, STEPS)
    for back in range(tiles):
        start = (tiles - 1 - back) * STEPS
        is_step = start + t < length
        row = series * length + start + t
        wide, inside = row[:, None] * channels + c[None, :], is_step[:, None] & is_channel[None, :]
        narrow, has = row[:, None] * states + n[None, :], is_step[:, None] & is_state[None, :]
        # the step before, within the tile, and the step after
        is_later, is_followed = (is_step & (t > 0)), (is_step & (t < STEPS - 1) & (start + t + 1 < length))
        x = load_numbers(u, wide, inside)
        size, raw = _step_sizes(delta, bias, wide, inside, SOFTPLUS)
        inside_before, inside_after = (
            is_later[:, None] & is_channel[None, :],
            is_followed[:, None] & is_channel[None, :],
        )
        x_before = load_numbers(u, wide - channels, inside_before)
        size_before, _ = _step_sizes(delta, bias, wide - channels, inside_before, SOFTPLUS)
        size_after, _ = _step_sizes(delta, bias, wide + channels, inside_after, SOFTPLUS)
        gap = tl.full([STEPS], 1.0, tl.float32)
        gap_before, gap_after = gap, gap
        if gaps is not None:
            gap = load_numbers(gaps, row, is_step)
            gap_before, gap_after = load_numbers(gaps, row - 1, is_later), load_numbers(gaps, row + 1, is_followed)
        time = size * gap[:, None]
        log = time[:, :, None] * (rates * LOG2_E)[None, :, :]
        log_before = (size_before * gap_before[:, None])[:, :, None] * (rates * LOG2_E)[None, :, :]
        log_after = (size_after * gap_after[:, None])[:, :, None] * (rates * LOG2_E)[None, :, :]
        factor, factor_before, factor_after = tl.exp2(log), tl.exp2(log_before), tl.exp2(log_after)
        reached_before, reaches = tl.full([STEPS], 1, tl.int1), tl.full([STEPS], 1, tl.int1)
        if resets is not None:
            begins = tl.load(resets + row, mask=is_step, other=0).to(tl.int32)
            begins_before = tl.load(resets + row - 1, mask=is_later, other=0).to(tl.int32)
            begins_after = tl.load(resets + row + 1, mask=is_followed, other=0).to(tl.int32)
            factor = tl.where((begins != 0)[:, None, None], 0.0, factor)
            factor_before = tl.where((begins_before != 0)[:, None, None], 0.0, factor_before)
            factor_after = tl.where((begins_after != 0)[:, None, None], 0.0, factor_after)
            counted = tl.cumsum(begins, 0)
            reached_before = counted - begins == 0
            reaches = counted == tl.sum(begins, 0)

        # states before each step
        tile = series * tiles + start // STEPS
        first = load_numbers(kept, tile * channels * states + of_state, is_number)
        B_t, C_t = load_numbers(B, narrow, has), load_numbers(C, narrow, has)
        B_before = load_numbers(B, narrow - states, is_later[:, None] & is_state[None, :])
        _, own = tl.associative_scan(
            (factor_before, (size_before * x_before)[:, :, None] * B_before[:, None, :]), 0, compose
        )
        before = own + tl.where(
            reached_before[:, None, None], tl.exp2(tl.cumsum(log_before, 0)) * first[None, :, :], 0.0
        )
        h = factor * before + (size * x)[:, :, None] * B_t[:, None, :]

        grad = load_numbers(grad_y, wide, inside)
        if z is not None:
            gate = load_numbers(z, wide, inside)
            out = tl.sum(h * C_t[:, None, :], 2) + direct[None, :] * x
            tl.store(grad_z + wide, grad * out * silu_slope(gate), mask=inside)
            grad *= silu(gate)

        # gradients of the states
        scores = grad[:, :, None] * C_t[:, None, :]
        _, own = tl.associative_scan((factor_after, scores), 0, compose, reverse=True)
        lost = exp2_less_one(tl.cumsum(log_after, 0, reverse=True)) * carried[None, :, :]
        g = own + tl.where(reaches[:, None, None], carried[None, :, :] + lost, 0.0)
        into_log = g * factor * before
        passed = g + exp2_less_one(log) * g
        if resets is not None:
            passed = tl.where((begins != 0)[:, None, None], 0.0, passed)
        carried = tl.sum(tl.where((t == 0)[:, None, None], passed, 0.0), 0)

        into_time = tl.sum(into_log * rates[None, :, :], 2)
        entered = tl.sum(g * B_t[:, None, :], 2)
        into_size = into_time * gap[:, None] + entered * x
        if SOFTPLUS:
            into_size *= sigmoid(raw)
        tl.store(grad_u + wide, entered * size + direct[None, :] * grad, mask=inside)
        tl.store(grad_delta + wide, into_size, mask=inside)
        into_A += tl.sum(into_log * time[:, :, None], 0)
        into_D += tl.sum(grad * x, 0)
        into_bias += tl.sum(tl.where(inside, into_size, 0.0), 0)
        of_part = (part * length + start + t)[:, None] * states + n[None, :]
        into_B, into_C = tl.sum(g * (size * x)[:, :, None], 1), tl.sum(h * grad[:, :, None], 1)
        if from_block > 0:
            into_B += load_numbers(grad_B, of_part, has)
            into_C += load_numbers(grad_C, of_part, has)
        tl.store(grad_B + of_part, into_B, mask=has)
        tl.store(grad_C + of_part, into_C, mask=has)
        if gaps is not None:
            at_gap = part * length + start + t
            into_gap = tl.sum(into_time * size, 1)
            if from_block > 0:
                into_gap += load_numbers(grad_gaps, at_gap, is_step)
            tl.store(grad_gaps + at_gap, into_gap, mask=is_step)

    whole = series * channels * states + of_state
    tl.store(grad_A + whole, into_A, mask=is_number)
    if grad_initial is not None:
        tl.store(grad_initial + whole, carried, mask=is_number)
    if D is not None:
        tl.store(grad_D + series * channels + c, into_D, mask=is_channel)
    if delta_bias is not None:
        tl.store(grad_bias + series * channels + c, into_bias, mask=is_channel)
