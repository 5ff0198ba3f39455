"""The diagonal scan against the convolution that it is, closed forms, and its equations with gaps."""

import pytest
import torch

from tsssm_kernels import diagonal_scan, diagonal_scan_step

BACKENDS = ["reference", "chunked", "cpu"]


def make_inputs(batch=2, length=150, channels=19, state=5, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    return {
        "u": normal(batch, length, channels),
        "log_A": torch.complex(-normal(channels, state).exp() / 10, 2 * normal(channels, state)),
        "B": torch.complex(normal(channels, state), normal(channels, state)),
        "C": torch.complex(normal(channels, state), normal(channels, state)),
        "D": normal(channels),
    }


def double(inputs):
    return {name: x.to(torch.complex128 if x.is_complex() else torch.float64) for name, x in inputs.items()}


def convolved(u, log_A, B, C, D):
    """S4D as its authors compute it: a kernel from powers of the transitions, and products of Fourier transforms."""
    length = u.shape[1]
    powers = (log_A.unsqueeze(-1) * torch.arange(length)).exp()
    kernel = 2 * torch.einsum("cn,cnl->cl", C * B, powers).real
    transformed = torch.fft.rfft(u, n=2 * length, dim=1) * torch.fft.rfft(kernel.T, n=2 * length, dim=0)
    return torch.fft.irfft(transformed, n=2 * length, dim=1)[:, :length] + D * u


def assert_close(got, expected, limit=1e-5):
    assert got.shape == expected.shape
    expected = expected.to(torch.complex128 if expected.is_complex() else torch.float64)
    assert (got.to(expected.dtype) - expected).norm() < limit * expected.norm()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("length", [1, 15, 16, 17, 63, 64, 65, 150])
def test_is_a_convolution(backend, length):
    inputs = make_inputs(length=length)
    y, _ = diagonal_scan(**inputs, backend=backend)
    assert_close(y, convolved(**double(inputs)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_impulse_turns_and_decays(backend):
    u = torch.zeros(1, 50, 1)
    u[0, 0] = 1.0
    one = torch.ones(1, 1, dtype=torch.complex64)
    y, state = diagonal_scan(u, (-0.1 + 0.7j) * one, one, 0.5 * one, backend=backend)
    steps = torch.arange(50, dtype=torch.float64)
    assert_close(y.flatten(), (-0.1 * steps).exp() * (0.7 * steps).cos())
    assert_close(state.flatten(), (torch.tensor(-0.1 + 0.7j, dtype=torch.complex128) * 49).exp().view(1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gap_of_three_is_three_steps_without_input(backend):
    inputs = make_inputs(length=40)
    inputs["u"][:, [t for t in range(40) if t % 3 != 2]] = 0.0
    whole, _ = diagonal_scan(**inputs, backend=backend)
    apart = {**inputs, "u": inputs["u"][:, 2::3]}
    gaps = torch.full((2, 13), 3.0)
    y, _ = diagonal_scan(**apart, time_gaps=gaps, backend=backend)
    assert_close(y, whole[:, 2::3])


@pytest.mark.parametrize("backend", ["chunked", "cpu"])
def test_angles_stay_right_over_millions_of_turns(backend):
    inputs = make_inputs(length=40, state=2)
    inputs["log_A"] = torch.complex(torch.zeros(19, 2), inputs["log_A"].imag)
    gaps = 1e6 * torch.rand(2, 40, generator=torch.Generator().manual_seed(1))
    y, state = diagonal_scan(**inputs, time_gaps=gaps, backend=backend)
    expected, last = diagonal_scan(**double(inputs), time_gaps=gaps.double(), backend="reference")
    assert_close(y, expected)
    assert_close(state, last)


@pytest.mark.parametrize("log_A", [-1e-7 + 1e-7j, -1e-7 + 0j, 2.5j])
@pytest.mark.parametrize("with_gaps", [False, True])
def test_nothing_is_lost_over_32_768_steps(log_A, with_gaps):
    inputs = make_inputs(batch=4, length=32_768, channels=16, state=1)  # the errors of a few states are chance
    inputs["log_A"] = torch.full((16, 1), log_A, dtype=torch.complex64)
    if with_gaps:
        inputs["time_gaps"] = torch.ones(4, 32_768)
    weights = torch.randn(4, 32_768, 16, generator=torch.Generator().manual_seed(1))

    def results(inputs, backend):
        inputs = {name: x.requires_grad_() for name, x in inputs.items()}
        y, state = diagonal_scan(**inputs, backend=backend)
        gradients = torch.autograd.grad((y * weights).sum() + state.abs().sum(), list(inputs.values()))
        return {"y": y, "state": state} | dict(zip(inputs, gradients))

    expected = results(double(inputs), "chunked")
    for backend in ("cpu", "chunked"):
        for name, got in results(inputs, backend).items():
            assert_close(got.detach(), expected[name].detach(), 1e-5 if name in ("y", "state") else 1e-4)


def test_many_chunks_and_segments_of_the_torch_form(monkeypatch):
    from tsssm_kernels.diagonal_scan import chunked

    monkeypatch.setattr(chunked, "NUMBERS", 1)
    inputs = double(make_inputs(length=9)) | {"time_gaps": torch.rand(2, 9, dtype=torch.float64)}
    results = []
    for backend in ("reference", "chunked"):
        leaves = {name: x.clone().requires_grad_() for name, x in inputs.items()}
        y, state = diagonal_scan(**leaves, backend=backend)
        results.append(torch.autograd.grad((y**2).sum() + state.abs().sum(), list(leaves.values())))
    for expected, got in zip(*results):
        assert_close(got, expected, 1e-10)


def test_conjugated_parameters_are_read_as_what_they_are():
    inputs = make_inputs(length=20)
    conjugates = {name: x.conj() if x.is_complex() else x for name, x in inputs.items()}
    assert_close(diagonal_scan(**conjugates)[0], diagonal_scan(**inputs)[0])


def test_a_stream_with_gaps_is_the_sequence():
    inputs = make_inputs(length=30)
    gaps = torch.rand(2, 30, generator=torch.Generator().manual_seed(1)) * 100
    whole, last = diagonal_scan(**inputs, time_gaps=gaps)
    u = inputs.pop("u")
    state = torch.zeros(2, 19, 5, dtype=torch.complex64)
    outputs = []
    for t in range(30):
        y, state = diagonal_scan_step(u[:, t], **inputs, state=state, time_gap=gaps[:, t])
        outputs.append(y)
    assert_close(torch.stack(outputs, dim=1), whole)
    assert_close(state, last)


def test_double_precision_of_any_input_is_kept():
    inputs = make_inputs(length=4)
    y, state = diagonal_scan(**inputs | {"B": inputs["B"].to(torch.complex128)})
    assert y.dtype == torch.float32
    assert state.dtype == torch.complex128


def test_refusals_say_what_is_wrong():
    inputs = make_inputs(length=4)
    with pytest.raises(ValueError, match=r"log_A must be complex; got torch.float32. Pass log_A.to\(torch.complex64\)"):
        diagonal_scan(**inputs | {"log_A": inputs["log_A"].real})
    with pytest.raises(ValueError, match=r"log_A must have shape \(19, state\), none of them 0.*got \(3, 5\)"):
        diagonal_scan(**inputs | {"log_A": inputs["log_A"][:3]})
    with pytest.raises(ValueError, match=r"C must have shape \(19, 5\) for u of shape .* and log_A of shape \(19, 5\)"):
        diagonal_scan(**inputs | {"C": inputs["C"][:, :2]})
    with pytest.raises(ValueError, match=r"time_gaps must have shape \(2, 4\)"):
        diagonal_scan(**inputs, time_gaps=torch.ones(4))
    with pytest.raises(ValueError, match=r"u must be floating point; got torch.complex64"):
        diagonal_scan(**inputs | {"u": inputs["u"].to(torch.complex64)})
    with pytest.raises(ValueError, match=r"backend is 'cpu'.*ask for torch.float64 on cpu. Use 'chunked', or None"):
        diagonal_scan(**double(inputs), backend="cpu")
    state = torch.zeros(2, 19, 4, dtype=torch.complex64)
    with pytest.raises(ValueError, match=r"diagonal_scan_step: state must have shape \(2, 19, 5\)"):
        diagonal_scan_step(inputs["u"][:, 0], *(inputs[name] for name in ("log_A", "B", "C")), state)
