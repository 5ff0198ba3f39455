"""Functions of sixteen lanes against NumPy in float64."""

import numpy as np
import pytest

from tsssm_kernels import simd, simd_math
from tsssm_kernels.compiling import compile_serial
from tsssm_kernels.simd import exp2, load, quench, store, total
from tsssm_kernels.simd_math import sigmoid, silu_slope, softplus, softplus_and_slope


def _exp2(x, out):
    for i in range(0, x.size, 16):
        store(out, i, exp2(load(x, i)))


def _quench(x, out):
    for i in range(0, x.size, 16):
        store(out, i, quench(load(x, i)))


def _softplus(x, out):
    for i in range(0, x.size, 16):
        store(out, i, softplus(load(x, i)))


def _sigmoid(x, out):
    for i in range(0, x.size, 16):
        store(out, i, sigmoid(load(x, i)))


def _silu_slope(x, out):
    for i in range(0, x.size, 16):
        store(out, i, silu_slope(load(x, i)))


def _softplus_and_slope(x, out):
    half = x.size // 2
    for i in range(0, half, 16):
        value, slope = softplus_and_slope(load(x, i))
        store(out, i, value)
        store(out, half + i, slope)


def _total(x, out):
    out[0] = total(load(x, 0))


def apply(function, x):
    x = np.ascontiguousarray(x, np.float32)
    out = np.full_like(x, -7.0)
    compile_serial(function, helpers=(simd, simd_math))(x, out)
    return out.astype(np.float64)


def spread(low, high):
    return np.linspace(low, high, 16 * 4001).astype(np.float32).astype(np.float64)


def test_exp2_is_accurate_and_exact_at_integers():
    x = spread(-126, 126)
    np.testing.assert_allclose(apply(_exp2, x), np.exp2(x), rtol=2.5e-7)
    integers = np.arange(-126.0, 127).repeat(16)
    assert np.array_equal(apply(_exp2, integers), np.exp2(integers))


def test_exp2_near_zero_errs_less_than_a_long_sequence_would_show():
    """A decay of 2^-f is raised to the power 1 / f by the time it matters: its error must shrink with f."""
    x = -np.logspace(-6, -3, 16 * 1000).astype(np.float32).astype(np.float64)
    error = apply(_exp2, x) - np.exp2(x)
    assert np.abs(error).max() < 0.51 * 2.0**-23  # half a unit in the last place: rounding alone


def test_exp2_selects_zero_below_the_normal_range_and_stays_finite_above():
    below, above = -np.logspace(np.log10(126.01), 38, 160), np.logspace(np.log10(126), 38, 160)
    assert (apply(_exp2, below) == 0).all()
    assert (apply(_exp2, above) == 2.0**126).all()
    assert np.isnan(apply(_exp2, np.full(16, np.nan))).all()


def test_quench_leaves_nothing_that_decays_into_denormals():
    x = np.logspace(-44, 38, 16 * 100).astype(np.float32).astype(np.float64)
    for sign in (1, -1):
        assert np.array_equal(apply(_quench, sign * x), np.where(x < 2.0**-100, 0, sign * x))
    assert np.isnan(apply(_quench, np.full(16, np.nan))).all()


@pytest.mark.parametrize("low_high", [(-80, -5), (-5, 5), (5, 80)], ids=str)
def test_softplus_sigmoid_and_slope(low_high):
    x = spread(*low_high)
    np.testing.assert_allclose(apply(_softplus, x), np.logaddexp(0, x), rtol=1e-5 if low_high[0] < -5 else 1e-6)
    s = np.exp(-np.logaddexp(0, -x))
    np.testing.assert_allclose(apply(_sigmoid, x), s, rtol=1e-5 if low_high[0] < -5 else 1e-6)
    np.testing.assert_allclose(apply(_silu_slope, x), s * (1 + x * (1 - s)), rtol=2e-5, atol=3e-7)
    value, slope = np.split(apply(_softplus_and_slope, np.concatenate([x, x])), 2)
    np.testing.assert_allclose(value, np.logaddexp(0, x), rtol=1e-5 if low_high[0] < -5 else 1e-6)
    np.testing.assert_allclose(slope, s, rtol=1e-5 if low_high[0] < -5 else 1e-6)


def test_total_adds_every_lane():
    x = 2.0 ** np.arange(16)
    assert apply(_total, x)[0] == 2**16 - 1
