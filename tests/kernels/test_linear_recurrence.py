"""The linear recurrence against a loop, finite differences and a closed form."""

import pytest
import torch

from tsssm_kernels import linear_recurrence
from tsssm_kernels.linear_recurrence import linear_recurrence_


def loop(a, b, state):
    states = []
    for t in range(a.shape[1]):
        state = a[:, t] * state + b[:, t]
        states.append(state)
    return torch.stack(states, dim=1)


def make_inputs(length, inner=(2,)):
    generator = torch.Generator().manual_seed(length)
    a = torch.rand(2, length, *inner, generator=generator, dtype=torch.float64)
    b = torch.randn(2, length, *inner, generator=generator, dtype=torch.float64)
    return a, b, torch.randn(2, *inner, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("length", [1, 31, 32, 33, 63, 64, 65, 97, 1024, 1087, 2048, 2113])
def test_equals_loop_in_both_directions(length):
    a, b, initial = make_inputs(length)
    expected = loop(a, b, initial)
    torch.testing.assert_close(linear_recurrence(a, b, initial), expected, rtol=1e-12, atol=1e-12)
    backwards = b.flip(1).clone()
    linear_recurrence_(a.flip(1), backwards, initial, reverse=True)
    torch.testing.assert_close(backwards.flip(1), expected, rtol=1e-12, atol=1e-12)


def test_constant_factor_gives_a_geometric_sum():
    states = linear_recurrence(torch.full((1, 500), 0.9).double(), torch.ones(1, 500).double())
    steps = torch.arange(1, 501, dtype=torch.float64)
    factor = torch.tensor(0.9).double()  # float32's 0.9, as in the input
    torch.testing.assert_close(states[0], (1 - factor**steps) / (1 - factor), rtol=1e-6, atol=0)


@pytest.mark.parametrize("length", [1, 5, 70])
def test_gradcheck(length):
    inputs = [tensor.requires_grad_() for tensor in make_inputs(length, inner=())]
    assert torch.autograd.gradcheck(linear_recurrence, inputs)


def test_gradcheck_of_complex_numbers():
    parts = [(x, y) for x, y in zip(make_inputs(70, inner=()), make_inputs(70, inner=(3,)))]
    inputs = [torch.complex(x, y[..., 0]).requires_grad_() for x, y in parts]
    assert torch.autograd.gradcheck(linear_recurrence, [inputs[0] / 2, *inputs[1:]])


def test_a_factor_of_zero_starts_anew():
    a, b, initial = make_inputs(70)
    a[:, 40] = 0
    separate = torch.cat([loop(a[:, :40], b[:, :40], initial), loop(a[:, 40:], b[:, 40:], 0 * initial)], dim=1)
    torch.testing.assert_close(linear_recurrence(a, b, initial), separate, rtol=1e-12, atol=1e-12)


def test_number_of_operations_does_not_grow_with_the_length():
    """One level of chunks or two: the operations are those of a few chunks, not one a step."""

    def count(length):
        a, b, initial = make_inputs(length)
        with torch.autograd.profiler.profile(use_cpu=True) as profile:
            linear_recurrence(a, b, initial)
        return sum(event.name.startswith("aten::addcmul") for event in profile.function_events)

    assert count(4096) < 250


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"a has \(2, 3\), b has \(2, 4\)"):
        linear_recurrence(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"non-empty.*a has \(0, 3\)"):
        linear_recurrence(torch.zeros(0, 3), torch.zeros(0, 3))
    with pytest.raises(ValueError, match=r"initial must have shape \(2, 5\); got \(2,\)"):
        linear_recurrence(torch.zeros(2, 3, 5), torch.zeros(2, 3, 5), torch.zeros(2))
