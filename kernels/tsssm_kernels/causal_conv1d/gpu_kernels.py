"""The causal convolution on GPUs: Triton kernels.

A program owns a tile of steps and channels of one series. It reads the tile once for each tap, shifted, and learns from
the resets between how far back a step still sees. The backward pass computes SiLU's argument again. Its first kernel
gives the gradients of the sums, and a part of the taps' and the bias's for each tile; its second sends those of the
sums back along the taps.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ..gpu_math import silu, silu_slope

__all__ = ["convolve", "differentiate_sums", "send_back"]

VARYING = ["length"]  # from call to call: not compiled for each kind of number


@triton.jit
def _tile(length, channels, STEPS: tl.constexpr, CHANNELS: tl.constexpr):
    """The series, steps and channels of a program."""
    tiles = tl.cdiv(length, STEPS)
    program = tl.program_id(0)
    series = (program // tiles).to(tl.int64)
    t = program % tiles * STEPS + tl.arange(0, STEPS)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    return series, t, c


@triton.jit
def _inputs(x, state, series, t, c, seen, length, channels, TAPS: tl.constexpr):
    """Inputs of some steps, of which those before the first are the state's; zero where not seen, in float32."""
    at = (series * length + t)[:, None] * channels + c[None, :]
    values = tl.load(x + at, mask=seen & (t >= 0)[:, None], other=0).to(tl.float32)
    if state is not None:
        at = (series * (TAPS - 1) + t + TAPS - 1)[:, None] * channels + c[None, :]
        values += tl.load(state + at, mask=seen & (t < 0)[:, None], other=0).to(tl.float32)
    return values


@triton.jit
def _goes_on(resets, series, t, length):
    """Whether no sequence begins at a step; so it is outside the steps too."""
    begins = tl.load(resets + series * length + t, mask=(t >= 0) & (t < length), other=0)
    return begins == 0


@triton.jit
def _sums(x, weight, bias, state, resets, series, t, c, length, channels, TAPS: tl.constexpr):
    """What SiLU is applied to."""
    is_channel = c < channels
    sees = t < length
    first = tl.load(weight + (TAPS - 1) * channels + c, mask=is_channel, other=0).to(tl.float32)
    seen = sees[:, None] & is_channel[None, :]
    total = first[None, :] * _inputs(x, state, series, t, c, seen, length, channels, TAPS)
    if bias is not None:
        total += tl.load(bias + c, mask=is_channel, other=0).to(tl.float32)[None, :]
    for back in tl.static_range(1, TAPS):
        if resets is not None:
            sees = sees & _goes_on(resets, series, t - back + 1, length)
        tap = tl.load(weight + (TAPS - 1 - back) * channels + c, mask=is_channel, other=0).to(tl.float32)
        seen = sees[:, None] & is_channel[None, :]
        total += tap[None, :] * _inputs(x, state, series, t - back, c, seen, length, channels, TAPS)
    return total


@triton.jit(do_not_specialize=VARYING)
def convolve(
    x, weight, bias, state, resets, y, last, length, channels,
    TAPS: tl.constexpr, PLACES: tl.constexpr, SILU: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Outputs; the program of the last tile writes the last inputs besides."""
    series, t, c = _tile(length, channels, STEPS, CHANNELS)
    inside = (t < length)[:, None] & (c < channels)[None, :]
    out = _sums(x, weight, bias, state, resets, series, t, c, length, channels, TAPS)
    if SILU:
        out = silu(out)
    tl.store(y + (series * length + t)[:, None] * channels + c[None, :], out, mask=inside)

    if (tl.program_id(0) + 1) % tl.cdiv(length, STEPS) == 0:
        place = tl.arange(0, PLACES)
        step = length - (TAPS - 1) + place
        lasts = step < length
        if resets is not None:
            for ahead in tl.static_range(1, TAPS - 1):
                lasts = lasts & _goes_on(resets, series, step + ahead, length)
        values = _inputs(x, state, series, step, c, lasts[:, None] & (c < channels)[None, :], length, channels, TAPS)
        at = (series * (TAPS - 1) + place)[:, None] * channels + c[None, :]
        tl.store(last + at, values, mask=(place < TAPS - 1)[:, None] & (c < channels)[None, :])


@triton.jit(do_not_specialize=VARYING)
def differentiate_sums(
    x, weight, bias, state, resets, grad_y, grad_sums, grad_weight, grad_bias, length, channels,
    TAPS: tl.constexpr, SILU: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Gradients of the sums, where they are not those of the output, and the parts of taps and bias."""
    series, t, c = _tile(length, channels, STEPS, CHANNELS)
    is_channel = c < channels
    sees = t < length
    inside = sees[:, None] & is_channel[None, :]
    at = (series * length + t)[:, None] * channels + c[None, :]
    grad = tl.load(grad_y + at, mask=inside, other=0).to(tl.float32)
    if SILU:
        grad *= silu_slope(_sums(x, weight, bias, state, resets, series, t, c, length, channels, TAPS))
        tl.store(grad_sums + at, grad, mask=inside)
    part = tl.program_id(0).to(tl.int64)
    if bias is not None:
        tl.store(grad_bias + part * channels + c, tl.sum(grad, 0), mask=is_channel)
    for back in tl.static_range(TAPS):
        if resets is not None and back > 0:
            sees = sees & _goes_on(resets, series, t - back + 1, length)
        seen = sees[:, None] & is_channel[None, :]
        values = _inputs(x, state, series, t - back, c, seen, length, channels, TAPS)
        at = (part * TAPS + TAPS - 1 - back) * channels + c
        tl.store(grad_weight + at, tl.sum(grad * values, 0), mask=is_channel)


@triton.jit(do_not_specialize=VARYING)
def send_back(
    weight, resets, grad_sums, grad_last, grad_x, grad_state, length, channels,
    TAPS: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Gradients of the inputs, the state's among them, which are the steps before the first."""
    earlier = 0 if grad_state is None else TAPS - 1
    series, t, c = _tile(length + earlier, channels, STEPS, CHANNELS)
    t -= earlier
    is_channel = c < channels
    reaches = t < length
    into = tl.zeros([STEPS, CHANNELS], tl.float32)
    for ahead in tl.static_range(TAPS):
        later = t + ahead
        if resets is not None and ahead > 0:
            reaches = reaches & _goes_on(resets, series, later, length)
        seen = (reaches & (later >= 0) & (later < length))[:, None] & is_channel[None, :]
        at = (series * length + later)[:, None] * channels + c[None, :]
        tap = tl.load(weight + (TAPS - 1 - ahead) * channels + c, mask=is_channel, other=0).to(tl.float32)
        into += tap[None, :] * tl.load(grad_sums + at, mask=seen, other=0).to(tl.float32)
    if grad_last is not None:
        place = t + TAPS - 1 - length  # among the last inputs
        seen = (reaches & (place >= 0))[:, None] & is_channel[None, :]
        at = (series * (TAPS - 1) + place)[:, None] * channels + c[None, :]
        into += tl.load(grad_last + at, mask=seen, other=0).to(tl.float32)
    inside = ((t >= 0) & (t < length))[:, None] & is_channel[None, :]
    tl.store(grad_x + (series * length + t)[:, None] * channels + c[None, :], into, mask=inside)
    if grad_state is not None:
        at = (series * (TAPS - 1) + t + TAPS - 1)[:, None] * channels + c[None, :]
        tl.store(grad_state + at, into, mask=(t < 0)[:, None] & is_channel[None, :])
