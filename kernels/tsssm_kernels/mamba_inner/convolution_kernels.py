"""A short causal convolution and SiLU on the CPU, forward and backward, in vectors of sixteen channels."""

from __future__ import annotations

from functools import partial

from numba import float32

from .. import simd, simd_math
from ..compiling import compile_serial
from ..simd import LANES, fma, inlined, load, read, splat, store
from ..simd_math import add_to, sigmoid, silu_slope

__all__ = ["convolution_backward", "convolution_forward"]

compiled = partial(compile_serial, helpers=(simd, simd_math))


@inlined
def earlier(x, tail, series, length, taps, blocks, t, block):
    """The input at step `t`, which may stand in the tail; a row of `x` holds the gates as well."""
    if t >= 0:
        return load(x, ((series * length + t) * 2 * blocks + block) * LANES)
    return load(tail, ((series * (taps - 1) + t + taps - 1) * blocks + block) * LANES)


@inlined
def convolve(x, tail, weight, bias, series, length, taps, blocks, t, block, reach):
    """The convolution, of which `reach` steps back count."""
    total = load(bias, block * LANES)
    if reach == taps - 1 and t >= reach:  # most steps: no more to ask for each tap
        at, tap = ((series * length + t) * 2 * blocks + block) * LANES, ((taps - 1) * blocks + block) * LANES
        for _ in range(taps):
            total = fma(load(x, at), load(weight, tap), total)
            at -= 2 * blocks * LANES
            tap -= blocks * LANES
        return total
    for back in range(reach + 1):
        value = earlier(x, tail, series, length, taps, blocks, t - back, block)
        total = fma(value, load(weight, ((taps - 1 - back) * blocks + block) * LANES), total)
    return total


@compiled
def convolution_forward(x, tail, weight, bias, resets, out, last, length, taps, blocks, series_from, series_to):
    """Write `out`, (T, blocks * 16), and `last`, the tail after the last step.

    `x` is (T, 2, blocks * 16), of which the first half counts, `tail` and `last` (batch, taps - 1, blocks * 16),
    `weight` (taps, blocks * 16), `bias` (blocks * 16,), `resets` (T,) or 0 for none; all of them addresses.
    """
    zero = splat(float32(0.0))
    for series in range(series_from, series_to):
        age = taps
        for t in range(length):
            row = series * length + t
            age += 1
            if resets != 0 and read(resets, row) != 0:
                age = 0
            reach = min(age, taps - 1)
            for block in range(blocks):
                total = convolve(x, tail, weight, bias, series, length, taps, blocks, t, block, reach)
                store(out, (row * blocks + block) * LANES, total * sigmoid(total))
        for k in range(taps - 1):
            kept = age >= taps - 2 - k
            for block in range(blocks):
                value = zero
                if kept:
                    value = earlier(x, tail, series, length, taps, blocks, length - taps + 1 + k, block)
                store(last, ((series * (taps - 1) + k) * blocks + block) * LANES, value)


@compiled
def convolution_backward(
    x, tail, weight, bias, resets, grad_last, grad_x, grad_tail, grad_weight, grad_bias,
    length, taps, blocks, share, series_from, series_to,
):  # fmt: skip
    """Gradients; `grad_x` like `x`: in, that of the output, out, that of the input. Its other half is left alone.

    `grad_last`, of the last tail, may be 0 for none; `grad_tail`, and `grad_weight` and `grad_bias`, which have a part
    a share, are zero at first.
    """
    for series in range(series_from, series_to):
        age = taps
        for t in range(length):
            row = series * length + t
            age += 1
            if resets != 0 and read(resets, row) != 0:
                age = 0
            reach = min(age, taps - 1)
            for block in range(blocks):
                total = convolve(x, tail, weight, bias, series, length, taps, blocks, t, block, reach)
                at = (row * 2 * blocks + block) * LANES
                grad = load(grad_x, at) * silu_slope(total)
                add_to(grad_bias, (share * blocks + block) * LANES, grad)
                tap, of_share = ((taps - 1) * blocks + block) * LANES, share * taps * blocks * LANES
                store(grad_weight, of_share + tap, fma(grad, load(x, at), load(grad_weight, of_share + tap)))
                store(grad_x, at, grad * load(weight, tap))
                for back in range(1, reach + 1):
                    tap -= blocks * LANES
                    at -= 2 * blocks * LANES
                    into = grad * load(weight, tap)
                    if t >= back:
                        value = load(x, at)
                        add_to(grad_x, at, into)
                    else:
                        at_tail = ((series * (taps - 1) + t - back + taps - 1) * blocks + block) * LANES
                        value = load(tail, at_tail)
                        add_to(grad_tail, at_tail, into)
                    store(grad_weight, of_share + tap, fma(grad, value, load(grad_weight, of_share + tap)))
        if grad_last != 0:
            for k in range(taps - 1):
                if age < taps - 2 - k:
                    continue
                t = length - taps + 1 + k
                for block in range(blocks):
                    grad = load(grad_last, ((series * (taps - 1) + k) * blocks + block) * LANES)
                    if t >= 0:
                        add_to(grad_x, ((series * length + t) * 2 * blocks + block) * LANES, grad)
                    else:
                        add_to(grad_tail, ((series * (taps - 1) + t + taps - 1) * blocks + block) * LANES, grad)
