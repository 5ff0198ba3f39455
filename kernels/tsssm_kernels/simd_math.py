"""Functions of vectors that the kernels share."""

from __future__ import annotations

from numba import float32

from .simd import exp2, fma, inlined, load, maximum, splat, store, where_positive

__all__ = ["LOG2_E", "add_to", "multiply_into", "sigmoid", "silu_slope", "softplus", "softplus_and_slope"]

LOG2_E = 1.4426950408889634

# log(1 + e) = s (2 + s^2 polynomial(s^2)) with s = e / (2 + e) <= 1/3; relative error below 1e-8
_LOG1P = (0.6666641628463992, 0.40021527304666077, 0.2800180409970768, 0.2801199305672294)


@inlined
def sigmoid(x):
    """``1 / (1 + exp(-x))``."""
    one = splat(float32(1.0))
    return one / (one + exp2(x * splat(float32(-LOG2_E))))


@inlined
def silu_slope(x):
    """The derivative of ``x * sigmoid(x)``."""
    one, gate = splat(float32(1.0)), sigmoid(x)
    return gate * fma(x, one - gate, one)


@inlined
def log1p_series(square):
    """``log(1 + e) / s`` for s = e / (2 + e), of its square."""
    series = fma(square, splat(float32(_LOG1P[3])), splat(float32(_LOG1P[2])))
    series = fma(square, series, splat(float32(_LOG1P[1])))
    series = fma(square, series, splat(float32(_LOG1P[0])))
    return fma(square, series, splat(float32(2.0)))


@inlined
def softplus(x):
    """``log(1 + exp(x))``, accurate also where it is small."""
    positive = maximum(x, splat(float32(0.0)))
    e = exp2((x - positive - positive) * splat(float32(LOG2_E)))  # exp(-|x|)
    s = e / (splat(float32(2.0)) + e)
    return positive + s * log1p_series(s * s)


@inlined
def softplus_and_slope(x):
    """The softplus and its derivative, ``sigmoid(x)``, with one exponential and one division for both."""
    one, two = splat(float32(1.0)), splat(float32(2.0))
    positive = maximum(x, splat(float32(0.0)))
    e = exp2((x - positive - positive) * splat(float32(LOG2_E)))  # exp(-|x|)
    inverse = one / ((one + e) * (two + e))
    s = e * (one + e) * inverse
    return positive + s * log1p_series(s * s), where_positive(x, one, e) * (two + e) * inverse


@inlined
def add_to(array, index, value):
    """Add a vector to sixteen elements of an array."""
    store(array, index, load(array, index) + value)


@inlined
def multiply_into(array, index, a, b):
    """Add the product of two vectors to sixteen elements of an array."""
    store(array, index, fma(a, b, load(array, index)))
