"""The one-standard-error rule."""

import math

import numpy as np
import pytest

from tsssm.training.judgement import Judgement


def test_the_error_is_the_sum():
    assert Judgement(np.array([0.25, 0.5, 0.125])).error == 0.875


def test_a_difference_counts_from_one_standard_error_on():
    """Closed form: of n differences with mean m and deviation s the sum is n m, and its standard error s sqrt(n)."""
    other = np.full(4, 1.0)
    wiggle = np.array([1.0, -1.0, 1.0, -1.0])
    deviation = math.sqrt(4 / 3)
    for mean, clear in ((0.51 * deviation, True), (0.49 * deviation, False), (-2.0, False)):
        one = Judgement(other - mean - wiggle)
        assert one.error == pytest.approx(4 * (1 - mean))
        assert one.clearly_lower_than(Judgement(other)) is clear


def test_equal_errors_and_single_stretches_are_not_clear():
    same = Judgement(np.array([0.2, 0.3]))
    assert not same.clearly_lower_than(same)
    assert not Judgement(np.array([0.1])).clearly_lower_than(Judgement(np.array([0.9])))


def test_a_failure_is_worse_than_anything_finite():
    failure, fine = Judgement.of_failure(), Judgement(np.array([5.0, 6.0]))
    assert fine.clearly_lower_than(failure)
    assert not failure.clearly_lower_than(fine)
    assert not failure.clearly_lower_than(failure)
