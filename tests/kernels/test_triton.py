"""The kernels for GPUs, run in Triton's interpreter, against the loops that define the operators."""

from __future__ import annotations

import pytest
import torch

from tsssm_kernels import selective_scan
from tsssm_kernels.conformance import check_kernels, find_operators
from tsssm_kernels.gpu_launch import is_interpreted

pytest.importorskip("triton", reason="needs Triton, which there is for Linux")

OPERATORS = {name: operator for name, operator in find_operators().items() if operator.on_gpu}
CASES = [(name, case) for name, operator in OPERATORS.items() for case in operator.cases]
HARD = [(name, case) for name, operator in OPERATORS.items() for case in operator.hard]


def test_kernels_are_interpreted_here():
    assert is_interpreted()  # tests/conftest.py sees to it


@pytest.mark.parametrize(("name", "case"), CASES)
def test_kernels_equal_the_reference(name, case):
    check_kernels(OPERATORS[name], OPERATORS[name].cases[case])


@pytest.mark.parametrize("name", OPERATORS)
def test_kernels_take_a_single_step_and_many(name):
    make = next(iter(OPERATORS[name].cases.values()))
    check_kernels(OPERATORS[name], make, lengths=(1, 32))


@pytest.mark.parametrize(("name", "case"), HARD)
def test_kernels_are_accurate_when_it_is_hard(name, case):
    check_kernels(OPERATORS[name], OPERATORS[name].hard[case], lengths=(32,))


def test_a_dtype_that_kernels_do_not_know_is_refused():
    x = torch.ones(1, 2, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"'triton', which computes in float32 on GPUs.*float64.*Use 'chunked'"):
        selective_scan(x, x, -x[0, :1], x, x, backend="triton")
