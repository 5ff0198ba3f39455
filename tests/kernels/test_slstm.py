"""The sLSTM against its equations without a stabilizer, closed forms and rest states."""

import numpy as np
import pytest
import torch

from tsssm_kernels import SLSTMState, slstm, slstm_step

BACKENDS = ["reference", "cpu"]


def make_inputs(batch=3, length=29, heads=2, width=6, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    gates = torch.randn(batch, length, heads, 4, width, generator=generator, dtype=torch.float64)
    recurrent = torch.randn(heads, 4, width, width, generator=generator, dtype=torch.float64) / 4
    return gates.to(dtype), recurrent.to(dtype)


def at_rest(batch=1, heads=1, width=1):
    zeros = torch.zeros(batch, heads, width)
    return SLSTMState(zeros, zeros, zeros, zeros - torch.inf)


def plain(gates, recurrent, resets=None):
    """The equations with exponentials as they are, one number at a time in NumPy's float64."""
    gates, recurrent = gates.double().numpy(), recurrent.double().numpy()
    batch, length, heads, _, width = gates.shape
    outputs = np.zeros((batch, length, heads, width))
    for b in range(batch):
        for h in range(heads):
            y, cell, weights = np.zeros(width), np.zeros(width), np.zeros(width)
            for t in range(length):
                if resets is not None and resets[b, t]:
                    y, cell, weights = np.zeros(width), np.zeros(width), np.zeros(width)
                seen = y
                y = np.zeros(width)
                for j in range(width):
                    i, f, z, o = (gates[b, t, h, g, j] + seen @ recurrent[h, g, :, j] for g in range(4))
                    keep = 1 / (1 + np.exp(-f))
                    cell[j] = keep * cell[j] + np.exp(i) * np.tanh(z)
                    weights[j] = keep * weights[j] + np.exp(i)
                    y[j] = cell[j] / weights[j] / (1 + np.exp(-o))
                outputs[b, t, h] = y
    return torch.from_numpy(outputs)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("with_resets", [False, True])
def test_equations_without_a_stabilizer(backend, with_resets):
    gates, recurrent = make_inputs()
    resets = torch.rand(3, 29, generator=torch.Generator().manual_seed(1)) < 0.2 if with_resets else None
    y, _ = slstm(gates, recurrent, resets=resets, backend=backend)
    torch.testing.assert_close(y.double(), plain(gates, recurrent, resets), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_state_is_the_sums_over_exp_of_m(backend):
    gates, _ = make_inputs(batch=1, length=7, heads=1, width=1, dtype=torch.float64)
    _, state = slstm(gates.float(), torch.zeros(1, 4, 1, 1), backend=backend)
    i, f, z, _ = gates[0, :, 0, :, 0].unbind(1)
    forgotten = torch.nn.functional.logsigmoid(f)
    later = forgotten.flip(0).cumsum(0).flip(0) - forgotten  # of the steps after each
    torch.testing.assert_close(state.m.double().item(), float((i + later).max()), rtol=1e-6, atol=1e-6)
    weights = (i + later).exp()
    scale = state.m.double().exp().item()
    torch.testing.assert_close(state.n.double().item() * scale, float(weights.sum()), rtol=1e-6, atol=0)
    torch.testing.assert_close(state.c.double().item() * scale, float((weights * z.tanh()).sum()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_first_step_forgets_the_zeros_of_rest(backend):
    gates, recurrent = make_inputs(length=1)
    y, state = slstm(gates, recurrent, backend=backend)
    i, _, z, o = gates[:, 0].unbind(2)
    torch.testing.assert_close(y[:, 0], o.sigmoid() * z.tanh())
    assert torch.equal(state.m, i)
    assert torch.equal(state.n, torch.ones_like(i))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [1e-3, 1.0, 100.0, 1e4])
def test_gates_of_any_size_give_numbers(backend, size):
    gates, recurrent = (x.requires_grad_() for x in make_inputs())
    resets = torch.zeros(3, 29, dtype=torch.bool)
    resets[:, [0, 13]] = True
    y, state = slstm(gates * size, recurrent, resets=resets, backend=backend)
    (y.sum() + sum(part.sum() for part in state)).backward()
    for x in (y, *state, gates.grad, recurrent.grad):
        assert x.isfinite().all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_state_at_rest_has_gradients_of_zero_but_for_its_output(backend):
    gates, recurrent = make_inputs(width=16)
    rest = [part.requires_grad_() for part in at_rest(3, 2, 16)]
    rest[0] = (rest[0] + 1.0).detach().requires_grad_()
    y, state = slstm(gates, recurrent, initial_state=SLSTMState(*rest), backend=backend)
    of_y, *others = torch.autograd.grad(y.sum() + sum(part.sum() for part in state), rest)
    assert of_y.abs().min() > 0
    assert all(torch.equal(gradient, torch.zeros_like(gradient)) for gradient in others)


def test_steps_from_rest_are_the_sequence_from_rest():
    gates, recurrent = make_inputs()
    y, last = slstm(gates, recurrent)
    state = at_rest(3, 2, 6)
    for t in range(29):
        out, state = slstm_step(gates[:, t], recurrent, state)
        torch.testing.assert_close(out, y[:, t])
    torch.testing.assert_close(state, last)


def test_what_is_hardly_forgotten_stays_over_32_768_steps():
    """With f = 16 a step forgets 1e-7: less than a number of the size of m can lose."""
    gates, recurrent = make_inputs(batch=1, length=32_768, heads=1, width=3)
    gates[..., 0, :] += 3.0
    gates[..., 1, :] = 16.0
    recurrent[:, :2] = 0.0
    y, state = slstm(gates, recurrent)
    expected, last = slstm(gates.double(), recurrent.double())
    for got, right in zip((y, *state), (expected, *last)):
        assert (got.double() - right).norm() < 1e-5 * right.norm()


@pytest.mark.parametrize("batch", [1, 3, 4, 5, 9])
def test_series_alone_are_what_they_are_together(batch):
    gates, recurrent = make_inputs(batch=batch, heads=3, width=17)
    together, _ = slstm(gates, recurrent)
    for series in range(batch):
        alone, _ = slstm(gates[series : series + 1], recurrent)
        torch.testing.assert_close(alone[0], together[series], rtol=1e-6, atol=1e-6)


def test_gradient_without_one_asked_for_at_the_call():
    """torch's compilers run the operator without what the backward pass keeps, and may differentiate it."""
    gates, recurrent = make_inputs(length=5)
    gates.requires_grad_()
    expected = torch.autograd.grad(slstm(gates, recurrent)[0].sum(), gates)[0]
    state = at_rest(3, 2, 6)
    y, *_ = torch.ops.tsssm.slstm(gates, recurrent, *state, None, False)
    torch.testing.assert_close(torch.autograd.grad(y.sum(), gates)[0], expected)


def test_refusals_say_what_is_wrong():
    gates, recurrent = make_inputs()
    with pytest.raises(ValueError, match=r"4 raw gates \(i, f, z, o\) on their fourth axis.*got \(3, 29, 2, 3, 6\)"):
        slstm(gates[:, :, :, :3], recurrent)
    with pytest.raises(ValueError, match=r"recurrent must have shape \(2, 4, 6, 6\) for gates .*got \(2, 4, 6\)"):
        slstm(gates, recurrent[..., 0])
    with pytest.raises(ValueError, match=r"initial_state.m must have shape \(3, 2, 6\)"):
        slstm(gates, recurrent, initial_state=at_rest(3, 2, 6)._replace(m=torch.zeros(3, 2)))
    with pytest.raises(ValueError, match=r"resets must be a bool tensor"):
        slstm(gates, recurrent, resets=torch.zeros(3, 29))
    with pytest.raises(ValueError, match=r"backend is 'chunked'; this operator has \['cpu', 'reference', 'triton'\]"):
        slstm(gates, recurrent, backend="chunked")
    with pytest.raises(ValueError, match=r"asks? for torch.float64 on cpu. Use 'reference', or None"):
        slstm(gates.double(), recurrent.double(), backend="cpu")
    with pytest.raises(ValueError, match=r"slstm_step: state.c must have shape \(3, 2, 6\)"):
        slstm_step(gates[:, 0], recurrent, at_rest(3, 2, 6)._replace(c=torch.zeros(1, 2, 6)))
