"""The functions that instructions name, of vectors and of single numbers."""

from __future__ import annotations

import math

import numpy as np
from numba import float32

from ..simd import exp2, exp2_less_one, fma, inlined, splat
from ..simd_logic import choose, equal, is_nan, less, less_or_equal, square_root
from ..simd_math import LOG2_E, softplus
from . import opcodes

__all__ = ["of_integers", "of_number", "of_vectors"]

# erf(z) = 1 - polynomial(1 / (1 + p z)) exp(-z^2) to 1.5e-7: Abramowitz and Stegun, 7.1.26
_ERF_P = 0.3275911
_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)


@inlined
def _exp(x):
    """The exponential, also of what is infinite or no number."""
    exponent = x * splat(float32(LOG2_E)) - splat(float32(2.0))
    exponent = choose(less(exponent, splat(float32(-200.0))), splat(float32(-200.0)), exponent)
    return exp2(exponent) * splat(float32(4.0))  # exp2 ends at 2^126, so that this overflows where it should


@inlined
def _sigmoid(x):
    one = splat(float32(1.0))
    return one / (one + _exp(splat(float32(0.0)) - x))


@inlined
def _tanh(x):
    bound = splat(float32(15.0))
    x = choose(less(bound, x), bound, x)
    x = choose(less(x, splat(float32(-15.0))), splat(float32(-15.0)), x)
    less_one = exp2_less_one(x * splat(float32(2.0 * LOG2_E)))
    return less_one / (less_one + splat(float32(2.0)))


@inlined
def _gelu(x):
    """``x`` times the normal distribution function, by its tail on the side of -|x|."""
    zero, one = splat(float32(0.0)), splat(float32(1.0))
    positive = less(zero, x)
    z = choose(positive, x, zero - x) * splat(float32(math.sqrt(0.5)))
    t = one / fma(splat(float32(_ERF_P)), z, one)
    series = fma(t, splat(float32(_ERF[4])), splat(float32(_ERF[3])))
    series = fma(t, series, splat(float32(_ERF[2])))
    series = fma(t, series, splat(float32(_ERF[1])))
    series = fma(t, series, splat(float32(_ERF[0])))
    tail = x * splat(float32(0.5)) * t * series * _exp(zero - z * z)
    return choose(positive, x - tail, tail)


@inlined
def _softplus(x):
    """The softplus, also of what is infinite."""
    largest = splat(float32(1e30))
    bounded = choose(less(largest, x), largest, x)
    bounded = choose(less(bounded, zero_less(largest)), zero_less(largest), bounded)
    return choose(less(largest, x), x, softplus(bounded))


@inlined
def zero_less(x):
    """The negative of a vector."""
    return splat(float32(0.0)) - x


@inlined
def of_vectors(function, a, b, c, constant):
    """One vector of three, by the function's number."""
    zero, one = splat(float32(0.0)), splat(float32(1.0))
    if function == opcodes.COPY:
        return a
    if function == opcodes.ADD:
        return fma(b, splat(constant), a)
    if function == opcodes.MULTIPLY:
        return a * b
    if function == opcodes.ADD_PRODUCT:
        return fma(b * splat(constant), c, a)
    if function == opcodes.EXP:
        return _exp(a)
    if function == opcodes.DIVIDE:
        return a / b
    if function == opcodes.MAXIMUM:
        return choose(is_nan(b), b, choose(less(a, b), b, a))
    if function == opcodes.MINIMUM:
        return choose(is_nan(b), b, choose(less(b, a), b, a))
    if function == opcodes.WHERE:
        return choose(a, b, c)
    if function == opcodes.NEGATIVE:
        return a * splat(float32(-1.0))
    if function == opcodes.SQRT:
        return square_root(a)
    if function == opcodes.RSQRT:
        return one / square_root(a)
    if function == opcodes.RECIPROCAL:
        return one / a
    if function == opcodes.SIGMOID:
        return _sigmoid(a)
    if function == opcodes.SILU:
        return a * _sigmoid(a)
    if function == opcodes.GELU:
        return _gelu(a)
    if function == opcodes.TANH:
        return _tanh(a)
    if function == opcodes.SOFTPLUS:
        return _softplus(a)
    if function == opcodes.LOG_SIGMOID:
        return zero - _softplus(zero - a)
    if function == opcodes.SQUARE:
        return a * a
    if function == opcodes.ABSOLUTE:
        return choose(less(a, zero), zero - a, a + zero)  # the sum is for -0
    if function == opcodes.NOT:
        return one - a
    if function == opcodes.LESS:
        return less(a, b)
    if function == opcodes.LESS_OR_EQUAL:
        return less_or_equal(a, b)
    if function == opcodes.EQUAL:
        return equal(a, b)
    return is_nan(a)


@inlined
def of_integers(function, a, b, constant):
    """One integer of two."""
    if function == opcodes.COPY:
        return a
    if function == opcodes.ADD:
        return a + constant * b
    if function == opcodes.MULTIPLY:
        return a * b
    if function == opcodes.NEGATIVE:
        return -a
    if function == opcodes.MAXIMUM:
        return max(a, b)
    if function == opcodes.MINIMUM:
        return min(a, b)
    if function == opcodes.LESS:
        return 1 if a < b else 0
    if function == opcodes.LESS_OR_EQUAL:
        return 1 if a <= b else 0
    if function == opcodes.EQUAL:
        return 1 if a == b else 0
    if function == opcodes.ABSOLUTE:
        return abs(a)
    if function == opcodes.SQUARE:
        return a * a
    return a % b if b != 0 else 0


@inlined
def of_number(function, a, b, c, constant):
    """One number of three, in float64."""
    if function == opcodes.COPY:
        return a
    if function == opcodes.ADD:
        return a + constant * b
    if function == opcodes.MULTIPLY:
        return a * b
    if function == opcodes.DIVIDE:
        return a / b
    if function == opcodes.MAXIMUM:
        return a if a > b or math.isnan(a) else b
    if function == opcodes.MINIMUM:
        return a if a < b or math.isnan(a) else b
    if function == opcodes.ADD_PRODUCT:
        return a + constant * b * c
    if function == opcodes.WHERE:
        return b if a != 0.0 else c
    if function == opcodes.NEGATIVE:
        return -a
    if function == opcodes.EXP:
        return np.exp(a)
    if function == opcodes.SQRT:
        return math.sqrt(a) if a >= 0.0 else math.nan
    if function == opcodes.RSQRT:
        return 1.0 / math.sqrt(a) if a > 0.0 else math.inf if a == 0.0 else math.nan
    if function == opcodes.RECIPROCAL:
        return 1.0 / a
    if function == opcodes.SIGMOID:
        return 1.0 / (1.0 + math.exp(-a))
    if function == opcodes.SILU:
        return a / (1.0 + math.exp(-a))
    if function == opcodes.GELU:
        return 0.5 * a * math.erfc(-a * math.sqrt(0.5))
    if function == opcodes.TANH:
        return math.tanh(a)
    if function == opcodes.SOFTPLUS:
        return max(a, 0.0) + math.log1p(math.exp(-abs(a)))
    if function == opcodes.LOG_SIGMOID:
        return min(a, 0.0) - math.log1p(math.exp(-abs(a)))
    if function == opcodes.SQUARE:
        return a * a
    if function == opcodes.ABSOLUTE:
        return abs(a)
    if function == opcodes.NOT:
        return 1.0 - a
    if function == opcodes.LESS:
        return 1.0 if a < b else 0.0
    if function == opcodes.LESS_OR_EQUAL:
        return 1.0 if a <= b else 0.0
    if function == opcodes.EQUAL:
        return 1.0 if a == b else 0.0
    if function == opcodes.IS_NAN:
        return 1.0 if math.isnan(a) else 0.0
    if function == opcodes.LOG:
        return np.log(a)
    if function == opcodes.LOG1P:
        return np.log1p(a)
    if function == opcodes.EXPM1:
        return math.expm1(a)
    if function == opcodes.SIN:
        return math.sin(a)
    if function == opcodes.COS:
        return math.cos(a)
    if function == opcodes.POWER:
        return a**constant
    if function == opcodes.REMAINDER:
        return np.remainder(a, b)
    if function == opcodes.FLOOR:
        return np.floor(a)
    if function == opcodes.ERF:
        return math.erf(a)
    return 1.0 if a > 0.0 else -1.0 if a < 0.0 else 0.0
