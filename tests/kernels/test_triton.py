"""The kernels for GPUs, run in Triton's interpreter, against the loops that define the operators."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tsssm_kernels import mamba_inner, selective_scan, slstm
from tsssm_kernels.conformance import check_kernels, find_operators
from tsssm_kernels.gpu_launch import is_interpreted

pytest.importorskip("triton", reason="needs Triton, which there is for Linux")

OPERATORS = {name: operator for name, operator in find_operators().items() if operator.on_gpu}
CASES = [(name, case) for name, operator in OPERATORS.items() for case in operator.cases]
HARD = [(name, case) for name, operator in OPERATORS.items() for case in operator.hard]


@pytest.fixture(autouse=True)
def scans_in_slices(monkeypatch):
    """Have Triton's interpreter scan whole slices: it would combine number by number, a hundred times as slow."""
    interpreter = pytest.importorskip("triton.runtime.interpreter")

    def generic_scan(scan, inputs):
        steps = [np.moveaxis(x.handle.data, scan.axis, 0) for x in inputs]
        made = [[part[0] for part in steps]]
        for index in range(1, len(steps[0])):
            both = [*made[-1], *(part[index] for part in steps)]
            tensors = [scan.to_tensor(part, x.dtype) for part, x in zip(both, [*inputs, *inputs])]
            made.append([part.handle.data for part in scan.combine_fn.fn(*tensors)])
        stacked = [np.stack(parts, axis=scan.axis) for parts in zip(*made)]
        return [scan.to_tensor(part, x.dtype) for part, x in zip(stacked, inputs)]

    monkeypatch.setattr(interpreter.ScanOps, "generic_scan", generic_scan)


def test_kernels_are_interpreted_here():
    assert is_interpreted()  # tests/conftest.py sees to it


@pytest.mark.parametrize(("name", "case"), CASES)
def test_kernels_equal_the_reference(name, case):
    check_kernels(OPERATORS[name], OPERATORS[name].cases[case])


@pytest.mark.parametrize(("name", "case"), HARD)
def test_kernels_are_accurate_when_it_is_hard(name, case):
    check_kernels(OPERATORS[name], OPERATORS[name].hard[case], lengths=(32,))


def test_a_convolution_reaches_into_the_tile_before():
    operator = OPERATORS["causal_conv1d"]
    check_kernels(operator, operator.cases["four taps, bias, SiLU (Mamba)"], lengths=(70,))


def mamba_inputs():
    generator = torch.Generator().manual_seed(0)
    batch, length, channels, rank, state, taps = 2, 18, 5, 2, 3, 4

    def normal(*shape):
        return torch.randn(*shape, generator=generator).requires_grad_()

    inputs = {
        "xz": normal(batch, length, 2 * channels),
        "conv_weight": normal(taps, channels),
        "conv_bias": normal(channels),
        "x_projection_weight": normal(rank + 2 * state, channels),
        "delta_projection_weight": normal(channels, rank),
        "delta_projection_bias": normal(channels),
        "A": (-normal(channels, state).exp()).detach().requires_grad_(),
        "D": normal(channels),
        "tail": normal(batch, taps - 1, channels),
        "initial_state": normal(batch, channels, state),
        "time_gaps": normal(batch, length).exp().detach().requires_grad_(),
    }
    resets = torch.rand(batch, length, generator=generator) < 0.2
    return inputs, resets


def test_the_inside_of_a_mamba_block_equals_the_reference_with_every_gradient():
    inputs, resets = mamba_inputs()
    double = {name: x.detach().double().requires_grad_() for name, x in inputs.items()}
    expected = mamba_inner(**double, resets=resets, backend="reference")
    got = mamba_inner(**inputs, resets=resets, backend="triton")
    for part, wanted in zip(got, expected):
        assert (part - wanted).norm() < 1e-5 * wanted.norm()
    wanted_gradients = torch.autograd.grad(sum(part.square().sum() for part in expected), list(double.values()))
    gradients = torch.autograd.grad(sum(part.square().sum() for part in got), list(inputs.values()))
    for name, gradient, wanted in zip(inputs, gradients, wanted_gradients):
        assert (gradient - wanted).norm() < 1e-4 * wanted.norm(), name


def test_the_inside_of_a_mamba_block_takes_inputs_in_bfloat16_and_weights_in_float32():
    inputs, resets = mamba_inputs()
    half = inputs["xz"].detach().bfloat16()
    expected, _, _ = mamba_inner(**inputs | {"xz": half.double()}, resets=resets, backend="reference")
    y, _, state = mamba_inner(**inputs | {"xz": half}, resets=resets, backend="triton")
    assert (y.dtype, state.dtype) == (torch.bfloat16, torch.float32)
    assert (y - expected).norm() < 2e-2 * expected.norm()


def test_a_dtype_that_kernels_do_not_know_is_refused():
    x = torch.ones(1, 2, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"'triton', which computes in float32 on GPUs.*float64.*Use 'chunked'"):
        selective_scan(x, x, -x[0, :1], x, x, backend="triton")


def test_a_width_that_a_program_cannot_hold_is_refused_where_it_was_asked_for():
    gates, recurrent = torch.zeros(1, 1, 1, 4, 65), torch.zeros(1, 4, 65, 65)
    with pytest.raises(ValueError, match=r"'triton'; this operator has \['cpu', 'reference'\]"):
        slstm(gates, recurrent, backend="triton")
