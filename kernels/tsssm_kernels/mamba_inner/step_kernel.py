"""One step of the inside of a Mamba block on the CPU, series by series.

Tensors are integer addresses of contiguous float32 memory: a step of one series takes microseconds, about as long as
handing over that many arrays.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from numba import float32

from .. import simd, simd_math
from ..compiling import compile_serial
from ..simd import LANES, fma, inlined, load, quench, read, splat, splat_at, stack, step_state, store, total, write
from ..simd_math import LOG2_E, sigmoid, softplus

__all__ = ["Addresses", "StepSizes", "inner_step"]

compiled = partial(compile_serial, helpers=(simd, simd_math))


class StepSizes(NamedTuple):
    """Sizes of a step."""

    channels: int
    taps: int
    rank: int
    state: int


class Addresses(NamedTuple):
    """Where the tensors of `mamba_inner_step` are, and the new ones."""

    xz: int
    conv_weight: int
    conv_bias: int
    x_weight: int
    delta_weight: int
    delta_bias: int
    A: int
    D: int
    tail: int
    state: int
    y: int
    new_tail: int
    new_state: int


@inlined
def load_some(array, index, count, room):
    """Up to sixteen numbers, zeros behind them; `room` is a stack of one vector."""
    if count >= LANES:
        return load(array, index)
    store(room, 0, splat(float32(0.0)))
    for lane in range(count):
        write(room, lane, read(array, index + lane))
    return load(room, 0)


@inlined
def store_some(array, index, count, value, room):
    """Write up to sixteen numbers."""
    if count >= LANES:
        store(array, index, value)
        return
    store(room, 0, value)
    for lane in range(count):
        write(array, index + lane, read(room, lane))


@inlined
def convolve(sizes, at, series, x, room):
    """Convolved inputs after SiLU to `x`, filled up with zeros; the new tail."""
    channels, kept = sizes.channels, sizes.taps - 1
    for c in range(0, channels, LANES):
        count = channels - c
        value = load_some(at.xz, series * 2 * channels + c, count, room)
        out = fma(value, load_some(at.conv_weight, kept * channels + c, count, room),
                  load_some(at.conv_bias, c, count, room))  # fmt: skip
        for j in range(kept):
            earlier = load_some(at.tail, (series * kept + j) * channels + c, count, room)
            out = fma(earlier, load_some(at.conv_weight, j * channels + c, count, room), out)
            if j > 0:
                store_some(at.new_tail, (series * kept + j - 1) * channels + c, count, earlier, room)
        store_some(at.new_tail, (series * kept + kept - 1) * channels + c, count, value, room)
        store(x, c, out * sigmoid(out))


@inlined
def project(sizes, at, x, low, B, C, room):
    """Low-rank step sizes, B and C."""
    for p in range(sizes.rank + 2 * sizes.state):
        out = splat(float32(0.0))
        for c in range(0, sizes.channels, LANES):
            weight = load_some(at.x_weight, p * sizes.channels + c, sizes.channels - c, room)
            out = fma(weight, load(x, c), out)
        if p < sizes.rank:
            low[p] = total(out)
        elif p < sizes.rank + sizes.state:
            B[p - sizes.rank] = total(out)
        else:
            C[p - sizes.rank - sizes.state] = total(out)


@inlined
def step_sizes(sizes, at, low, delta):
    """Step sizes of the channels."""
    for c in range(sizes.channels):
        raw = read(at.delta_bias, c)
        for r in range(sizes.rank):
            raw += read(at.delta_weight, c * sizes.rank + r) * low[r]
        delta[c] = raw
    for c in range(0, sizes.channels, LANES):
        store(delta, c, softplus(load(delta, c)))


@inlined
def advance(sizes, at, series, x, delta, B, C, y, room):
    """The new state, and what is read of it to `y`."""
    for c in range(sizes.channels):
        size = splat(delta[c])
        scaled, entering = size * splat(float32(LOG2_E)), size * splat_at(x, c)
        out = splat(float32(0.0))
        for n in range(0, sizes.state, LANES):
            count = sizes.state - n
            at_state = (series * sizes.channels + c) * sizes.state + n
            exponent = scaled * load_some(at.A, c * sizes.state + n, count, room)
            before = load_some(at.state, at_state, count, room)
            h = quench(step_state(before, exponent, entering * load(B, n)))
            store_some(at.new_state, at_state, count, h, room)
            out = fma(h, load(C, n), out)
        y[c] = total(out)


@compiled
def inner_step(sizes, at, scratch, series_from, series_to):
    """Advance series `series_from` to `series_to`; `scratch`, zeros, has 3 rows of channels and 3 of state or rank.

    Rows are whole blocks of sixteen.
    """
    room = stack(1)
    wide = (sizes.channels + LANES - 1) // LANES * LANES
    narrow = (max(sizes.state, sizes.rank) + LANES - 1) // LANES * LANES
    x, delta, y = scratch[:wide], scratch[wide : 2 * wide], scratch[2 * wide : 3 * wide]
    rest = scratch[3 * wide :]
    low, B, C = rest[:narrow], rest[narrow : 2 * narrow], rest[2 * narrow : 3 * narrow]
    for series in range(series_from, series_to):
        convolve(sizes, at, series, x, room)
        project(sizes, at, x, low, B, C, room)
        step_sizes(sizes, at, low, delta)
        advance(sizes, at, series, x, delta, B, C, y, room)
        for c in range(0, sizes.channels, LANES):
            count = sizes.channels - c
            z = load_some(at.xz, (series * 2 + 1) * sizes.channels + c, count, room)
            out = fma(load_some(at.D, c, count, room), load(x, c), load(y, c))
            store_some(at.y, series * sizes.channels + c, count, out * z * sigmoid(z), room)
