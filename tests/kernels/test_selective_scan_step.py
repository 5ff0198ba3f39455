"""Single steps of the selective scan against the scan of the whole sequence."""

import pytest
import torch
from torch.nn.functional import softplus

from tsssm_kernels import selective_scan, selective_scan_step

BATCH, LENGTH, CHANNELS, STATE = 2, 20, 3, 4


def make_inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    sequence = (BATCH, LENGTH)
    along_time = {
        "u": normal(*sequence, CHANNELS),
        "delta": normal(*sequence, CHANNELS),
        "B": normal(*sequence, STATE),
        "C": normal(*sequence, STATE),
        "z": normal(*sequence, CHANNELS),
    }
    fixed = {"A": -normal(CHANNELS, STATE).exp(), "D": normal(CHANNELS), "delta_bias": normal(CHANNELS)}
    return along_time, fixed


def run_steps(along_time, fixed, state, time_gaps):
    outputs = []
    for t in range(LENGTH):
        at_t = {name: value[:, t] for name, value in along_time.items()}
        y_t, state = selective_scan_step(
            **at_t, **fixed, state=state, delta_softplus=True, time_gap=None if time_gaps is None else time_gaps[:, t]
        )
        outputs.append(y_t)
    return torch.stack(outputs, dim=1), state


@pytest.mark.parametrize("gaps", [None, torch.full((BATCH, LENGTH), 2.5, dtype=torch.float64)], ids=["even", "gaps"])
@pytest.mark.parametrize("backend", ["reference", "chunked"])
def test_steps_equal_the_scan(backend, gaps):
    along_time, fixed = make_inputs()
    state = torch.randn(BATCH, CHANNELS, STATE, dtype=torch.float64)
    got = run_steps(along_time, fixed, state, gaps)
    expected = selective_scan(
        **along_time, **fixed, delta_softplus=True, initial_state=state, time_gaps=gaps, backend=backend
    )
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_without_autograd_the_numbers_are_the_same_and_the_state_is_left_alone():
    along_time, fixed = make_inputs()
    state = torch.randn(BATCH, CHANNELS, STATE, dtype=torch.float64)
    before = state.clone()
    expected = run_steps(along_time, fixed, state, None)
    with torch.no_grad():
        got = run_steps(along_time, fixed, state, None)
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    assert torch.equal(state, before)


def test_one_step_by_hand():
    u, delta, A, B, C, state = (torch.tensor([[value]]).double() for value in (2.0, 0.5, -1.0, 3.0, 4.0, 7.0))
    y, after = selective_scan_step(u, delta, A, B, C, state.unsqueeze(-1), D=torch.tensor([5.0]).double())
    expected = torch.exp(torch.tensor(-0.5).double()) * 7 + 0.5 * 2 * 3
    torch.testing.assert_close(after.squeeze(), expected)
    torch.testing.assert_close(y.squeeze(), 4 * expected + 5 * 2)


def test_bfloat16_step_keeps_its_float32_state():
    along_time, fixed = make_inputs(torch.bfloat16)
    state = torch.zeros(BATCH, CHANNELS, STATE)
    got, last = run_steps(along_time, fixed, state, None)
    assert (got.dtype, last.dtype) == (torch.bfloat16, torch.float32)
    double = {name: value.double() for name, value in (along_time | fixed).items()}
    expected, expected_last = selective_scan(**double, delta_softplus=True, backend="reference")
    assert float((got.double() - expected).norm() / expected.norm()) < 2e-2
    assert float((last.double() - expected_last).norm() / expected_last.norm()) < 1e-5


def test_step_is_differentiable():
    along_time, fixed = make_inputs()
    first = {name: value[:, 0] for name, value in along_time.items()} | fixed
    first |= {"state": torch.randn(BATCH, CHANNELS, STATE, dtype=torch.float64), "delta": softplus(first["delta"])}
    names = list(first)

    def step(*tensors):
        return selective_scan_step(**dict(zip(names, tensors)))

    assert torch.autograd.gradcheck(step, [value.requires_grad_() for value in first.values()])


def test_wrong_state_is_refused():
    along_time, fixed = make_inputs()
    first = {name: value[:, 0] for name, value in along_time.items()}
    with pytest.raises(ValueError, match=r"state must have shape .* = \(2, 3, 4\).*got \(2, 4, 3\)"):
        selective_scan_step(**first, **fixed, state=torch.zeros(BATCH, STATE, CHANNELS).double())
