"""Functions that Triton kernels share."""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = [
    "LOG2_E",
    "compose",
    "exp2_less_one",
    "load_numbers",
    "load_tile",
    "row_of",
    "sigmoid",
    "silu",
    "silu_slope",
    "softplus",
    "tanh",
    "times",
]

LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def softplus(x):
    """log(1 + exp(x)), without overflow, and with all digits of small step sizes."""
    e = tl.exp(-tl.abs(x))
    u = 1.0 + e
    log1p = tl.where(u == 1.0, e, tl.log(u) * (e / tl.where(u == 1.0, 1.0, u - 1.0)))  # Kahan: what 1 + e lost cancels
    return tl.maximum(x, 0.0) + log1p


@triton.jit
def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow."""
    e = tl.exp(-tl.abs(x))
    return tl.where(x >= 0, 1.0, e) / (1.0 + e)


@triton.jit
def silu(x):
    """x sigmoid(x)."""
    return x * sigmoid(x)


@triton.jit
def silu_slope(x):
    """The derivative of `silu`."""
    s = sigmoid(x)
    return s * (1.0 + x * (1.0 - s))


@triton.jit
def exp2_less_one(x):
    """2^x - 1, with all digits near 0, where it is how much of a state is lost."""
    y = x * LN_2
    series = y * (1.0 + y * (0.5 + y * (1 / 6 + y * (1 / 24 + y * (1 / 120 + y * (1 / 720))))))
    return tl.where(tl.abs(x) < 0.25, series, tl.exp2(x) - 1.0)


@triton.jit
def compose(first_factor, first_term, second_factor, second_term):
    """Two steps ``x -> factor x + term`` as one, for `triton.language.associative_scan`."""
    return first_factor * second_factor, second_factor * first_term + second_term


@triton.jit
def load_numbers(x, at, inside):
    """Numbers of a tensor at some places, zero outside, in float32."""
    return tl.load(x + at, mask=inside, other=0).to(tl.float32)


@triton.jit
def load_tile(x, rows, columns, inside):
    """Rows and columns of a tensor, zero outside, in float32."""
    return tl.load(x + rows[:, None] + columns[None, :], mask=inside, other=0).to(tl.float32)


@triton.jit
def times(x, y, DOT: tl.constexpr, PRECISION: tl.constexpr):
    """The product of two matrices on the matrix units, summed in float32."""
    return tl.dot(x.to(DOT), y.to(DOT), input_precision=PRECISION)


@triton.jit
def row_of(x, t, at):
    """A row of a tile whose rows are numbered `t`."""
    return tl.sum(tl.where((t == at)[:, None], x, tl.zeros_like(x)), 0)


@triton.jit
def tanh(x):
    """The hyperbolic tangent, without overflow, and with all digits near 0."""
    e = exp2_less_one(tl.abs(x) * (-2.0 * LOG2_E))
    size = -e / (2.0 + e)
    return tl.where(x < 0, -size, size)
