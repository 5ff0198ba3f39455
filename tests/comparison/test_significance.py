"""The Diebold-Mariano test against hand-computed values, a paired t-test, and its size in simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from tsssm.comparison import diebold_mariano
from tsssm.errors import ConfigError, DataError


def test_hand_computed():
    """d = 0, 1, 1, 1, 0: mean 3/5, variance 6/25; DM = .6 / sqrt(.048) = 2.7386, corrected by sqrt(4/5): sqrt(6)."""
    result = diebold_mariano([1, 2, 3, 4, 5], [1, 1, 2, 3, 5])
    assert result.statistic == pytest.approx(math.sqrt(6), rel=1e-12)
    assert result.p_value == pytest.approx(2 * stats.t.sf(math.sqrt(6), 4), rel=1e-12)
    swapped = diebold_mariano([1, 1, 2, 3, 5], [1, 2, 3, 4, 5])
    assert (swapped.statistic, swapped.p_value) == (-result.statistic, result.p_value)
    assert result.note == ""


def test_hand_computed_with_overlap():
    """d = 1, 2, 4, 1, 0, 4: mean 2, g0 = 14/6, g1 = (0 + 0 - 2 + 2 - 4)/6; horizon 2 corrects by (7 - 4 + 1/3)/6."""
    result = diebold_mariano([1, 2, 4, 1, 0, 4], [0] * 6, horizon=2)
    expected = 2 / math.sqrt((14 / 6 - 8 / 6) / 6) * math.sqrt((7 - 4 + 2 / 6) / 6)
    assert result.statistic == pytest.approx(expected, rel=1e-12)
    assert result.p_value == pytest.approx(2 * stats.t.sf(expected, 5), rel=1e-12)


def test_without_overlap_it_is_the_paired_t_test():
    """DM* with horizon 1 is m / sqrt(g0 / n) sqrt((n - 1) / n), the t statistic of paired samples."""
    random = np.random.default_rng(1)
    a, b = random.gamma(2.0, size=(2, 23))
    expected = stats.ttest_rel(a, b)
    result = diebold_mariano(a, b)
    assert result.statistic == pytest.approx(expected.statistic, rel=1e-10)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-10)


@pytest.mark.parametrize("n", [8, 30])
def test_size_under_the_null(n):
    """2,000 draws without a difference: 5% are called significant, give or take four standard errors (2%)."""
    random = np.random.default_rng(2)
    losses = random.normal(size=(2000, 2, n)) ** 2
    rejected = np.mean([diebold_mariano(a, b).p_value < 0.05 for a, b in losses])
    assert 0.03 < rejected < 0.07


def test_overlap_is_accounted_for():
    """Sums of four successive draws: taken as independent they seem significant far too often, with horizon=4 less."""
    random = np.random.default_rng(3)
    draws = random.normal(size=(1000, 63))
    overlapping = np.lib.stride_tricks.sliding_window_view(draws, 4, axis=1).sum(-1)
    zero = np.zeros(overlapping.shape[1])
    naive, aware = (np.mean([diebold_mariano(d, zero, horizon=h).p_value < 0.05 for d in overlapping]) for h in (1, 4))
    assert naive > 0.25
    assert aware < 0.12


def test_a_clear_difference_is_found():
    random = np.random.default_rng(4)
    assert diebold_mariano(random.normal(size=30) + 2, random.normal(size=30)).p_value < 1e-4


def test_equal_losses():
    result = diebold_mariano([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0])
    assert (result.statistic, result.p_value) == (0.0, 1.0)
    assert result.note == "the losses are equal in every window"


def test_a_constant_difference():
    result = diebold_mariano([1.1, 2.1, 3.1, 4.1, 5.1], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert (result.statistic, result.p_value) == (math.inf, 0.0)
    assert "same amount" in result.note


@pytest.mark.parametrize(("n", "horizon", "needed"), [(0, 1, 4), (3, 1, 4), (4, 4, 5), (6, 9, 10)])
def test_too_few_windows(n, horizon, needed):
    result = diebold_mariano(np.arange(n), np.zeros(n), horizon)
    assert math.isnan(result.statistic)
    assert math.isnan(result.p_value)
    assert result.note == f"no test: {n} windows with a loss, and at least {needed} are needed"


def test_a_negative_variance_estimate_falls_back_to_weights_that_cannot_be():
    """Alternating differences: g0 + 2 g1 is below zero; with Bartlett's weight of 1/2 it is g0 + g1."""
    d = np.array([3.0, -1, 3, -1, 3, -1, 3, -1])
    n, g0, g1 = 8, 4.0, -4.0 * 7 / 8
    assert g0 + 2 * g1 < 0
    expected = 1 / math.sqrt((g0 + g1) / n) * math.sqrt((n - 3 + 2 / n) / n)
    assert diebold_mariano(d, np.zeros(n), horizon=2).statistic == pytest.approx(expected, rel=1e-12)


def test_pairs_with_nan_are_left_out():
    a, b = [1.0, math.nan, 2.0, 3.0, 4.0, 5.0, 9.0], [1.0, 5.0, 1.0, 2.0, 3.0, 5.0, math.nan]
    assert diebold_mariano(a, b).statistic == pytest.approx(math.sqrt(6), rel=1e-12)


def test_refusals():
    with pytest.raises(DataError, match=r"shapes \(2,\) and \(3,\)"):
        diebold_mariano([1, 2], [1, 2, 3])
    with pytest.raises(DataError, match="infinite"):
        diebold_mariano([1, 2, 3, math.inf], [1, 2, 3, 4])
    for horizon in (0, True, 1.5):
        with pytest.raises(ConfigError, match="horizon must be an integer of at least 1"):
            diebold_mariano([1], [2], horizon)
