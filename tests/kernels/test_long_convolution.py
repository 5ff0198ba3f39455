"""The long convolution against SciPy's and torch's, loud inputs, streams, and what it refuses."""

import importlib

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve, lfilter
from torch.nn.functional import conv1d, pad

from tsssm_kernels import long_convolution, long_convolution_step

cpu = importlib.import_module("tsssm_kernels.long_convolution.cpu")
cpu_transforms = importlib.import_module("tsssm_kernels.long_convolution.cpu_transforms")
fft_size = importlib.import_module("tsssm_kernels.long_convolution.fft_size").fft_size

BACKENDS = ["reference", "chunked", "cpu"]


@pytest.fixture(params=["reference", "chunked", "cpu", "transforms on the CPU"])
def backend(request, monkeypatch):
    """Every form; the compiled one with sums where it would take them, and with transforms for every size."""
    if request.param in BACKENDS:
        return request.param
    monkeypatch.setattr(cpu, "PRODUCTS", 0)
    return "cpu"


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def fading(taps, channels, seed=1):
    """A kernel as Hyena's: numbers that fade exponentially, in each channel at another rate."""
    rates = torch.linspace(3.07, 15.35, channels)
    return normal(taps, channels, seed=seed) * (-torch.linspace(0, 1, taps).unsqueeze(1) * rates).exp()


def off(got, expected):
    expected = torch.as_tensor(np.ascontiguousarray(expected))
    return float((got.double() - expected).norm() / expected.norm())


@pytest.mark.parametrize(("length", "taps"), [(1, 1), (1, 30), (40, 1), (40, 40), (50, 13), (300, 9), (13, 200)])
def test_equals_scipy(backend, length, taps):
    u, kernel = normal(2, length, 5), fading(taps, 5)
    y, _ = long_convolution(u, kernel, backend=backend)
    expected = fftconvolve(u.double().numpy(), kernel.double().numpy()[None], axes=1)[:, :length]
    assert off(y, expected) < 1e-6


def test_equals_a_convolution_of_torch_on_a_long_sequence_in_overlapping_pieces():
    u, kernel, skip = normal(1, 20_000, 3), fading(500, 3), normal(3, seed=2)
    assert fft_size(20_000, 500) < 10_000
    padded = pad(u.double().transpose(1, 2), (499, 0))
    expected = conv1d(padded, kernel.double().flip(0).t().unsqueeze(1), groups=3).transpose(1, 2) + skip * u.double()
    for name in ("chunked", "cpu"):
        assert off(long_convolution(u, kernel, skip, backend=name)[0], expected) < 1e-6


def test_a_recurrence_is_the_convolution_with_its_impulse_response(backend):
    u, decay = normal(1, 400, 1), 0.9
    kernel = (decay ** torch.arange(400)).unsqueeze(1)
    expected = lfilter([1.0], [1.0, -decay], u.double().numpy(), axis=1)
    assert off(long_convolution(u, kernel, backend=backend)[0], expected) < 1e-6


def test_no_later_step_is_seen(backend):
    u, kernel = normal(1, 64, 4), fading(64, 4)
    later = u.clone()
    later[:, 40:] = normal(1, 24, 4, seed=3)
    y, changed = (long_convolution(x, kernel, backend=backend)[0] for x in (u, later))
    torch.testing.assert_close(y[:, :40], changed[:, :40], rtol=0, atol=1e-6)


def test_quiet_outputs_beside_a_loud_input_are_as_accurate(backend):
    u, kernel = normal(1, 1500, 2), fading(500, 2)
    u[:, 300] = 1e5
    y, _ = long_convolution(u, kernel, backend=backend)
    expected, _ = long_convolution(u.double(), kernel.double(), backend="reference")
    for quiet in (slice(0, 300), slice(800, 1500)):  # before it, and beyond the kernel's reach
        assert off(y[:, quiet], expected[:, quiet]) < 1e-5


def test_quiet_outputs_beside_a_loud_gradient_have_accurate_gradients(backend):
    grad = normal(1, 1500, 2)
    grad[:, 900] = 1e5
    gradients = []
    for dtype, form in ((torch.float32, backend), (torch.float64, "reference")):
        u, kernel = normal(1, 1500, 2).to(dtype).requires_grad_(), fading(500, 2).to(dtype)
        y, _ = long_convolution(u, kernel, backend=form)
        gradients.append(torch.autograd.grad(y, u, grad.to(dtype))[0])
    for quiet in (slice(0, 400), slice(901, 1500)):
        assert off(gradients[0][:, quiet], gradients[1][:, quiet]) < 1e-5


def test_nothing_before_a_reset_reaches_later_steps(backend):
    u, kernel = normal(3, 90, 4), fading(60, 4)
    resets = torch.zeros(3, 90, dtype=torch.bool)
    resets[0, 30], resets[1, 31] = True, True
    u[0, 29], u[1, 30] = torch.inf, torch.nan
    y, state = long_convolution(u, kernel, resets=resets, backend=backend)
    assert y[0, 30:].isfinite().all()
    assert y[1, 31:].isfinite().all()
    assert y[2].isfinite().all()
    assert state[:2, -59:].isfinite().all()


@pytest.mark.parametrize("often", [0.02, 0.3, 1.0])
def test_gradients_with_many_resets(backend, often):
    resets = torch.rand(4, 70, generator=torch.Generator().manual_seed(0)) < often
    gradients = []
    for dtype, form in ((torch.float32, backend), (torch.float64, "reference")):
        tensors = [normal(4, 70, 5), fading(33, 5), normal(5, seed=2), normal(4, 32, 5, seed=3)]
        u, kernel, skip, state = tensors = [x.to(dtype).requires_grad_() for x in tensors]
        y, last = long_convolution(u, kernel, skip, initial_state=state, resets=resets, backend=form)
        total = y.square().sum() + last.square().sum()
        gradients.append(torch.autograd.grad(total, tensors, materialize_grads=True))
    for got, expected in zip(*gradients):
        torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-4)


def test_gradients_equal_those_of_the_loop(backend):
    gradients = []
    for dtype, form in ((torch.float32, backend), (torch.float64, "reference")):
        tensors = [normal(3, 257, 18), fading(40, 18), normal(18, seed=2), normal(3, 39, 18, seed=3)]
        u, kernel, skip, state = tensors = [x.to(dtype).requires_grad_() for x in tensors]
        y, last = long_convolution(u, kernel, skip, initial_state=state, backend=form)
        gradients.append(torch.autograd.grad(y.square().sum() + last.square().sum(), tensors))
    for got, expected in zip(*gradients):
        assert off(got, expected) < 1e-5


def test_transforms_of_few_series_and_channels_at_once_give_the_same(monkeypatch):
    monkeypatch.setattr(cpu, "PRODUCTS", 0)
    u, kernel = normal(5, 130, 7).requires_grad_(), fading(20, 7).requires_grad_()
    results = []
    for numbers in (2**18, 1000, 1):
        monkeypatch.setattr(cpu_transforms, "NUMBERS", numbers)
        y, _ = long_convolution(u, kernel, backend="cpu")
        results.append([y.detach(), *torch.autograd.grad(y.square().sum(), (u, kernel))])
    for result in results[1:]:
        torch.testing.assert_close(result, results[0])


@pytest.mark.parametrize("block", [1, 16, 64, 200])
def test_a_stream_of_blocks_equals_the_whole(backend, block):
    u, kernel, skip = normal(2, 200, 3), fading(50, 3), normal(3, seed=2)
    whole, last = long_convolution(u, kernel, skip, backend=backend)
    state, outputs = None, []
    for part in u.split(block, dim=1):
        y, state = long_convolution(part, kernel, skip, initial_state=state, backend=backend)
        outputs.append(y)
    torch.testing.assert_close(torch.cat(outputs, dim=1), whole, rtol=1e-5, atol=1e-5)
    assert torch.equal(state, last)


def test_steps_and_blocks_in_turn_equal_the_whole():
    u, kernel = normal(2, 60, 3), fading(25, 3)
    whole, last = long_convolution(u, kernel)
    first, state = long_convolution(u[:, :20], kernel)
    outputs = [first]
    for t in range(20, 30):
        y, state = long_convolution_step(u[:, t], kernel, state=state)
        outputs.append(y.unsqueeze(1))
    rest, state = long_convolution(u[:, 30:], kernel, initial_state=state)
    torch.testing.assert_close(torch.cat([*outputs, rest], dim=1), whole, rtol=1e-5, atol=1e-5)
    assert torch.equal(state, last)


def test_transforms_on_the_cpu_stay_one_node_when_traced(monkeypatch):
    monkeypatch.setattr(cpu, "PRODUCTS", 0)
    kernel = fading(20, 3)

    class Convolution(torch.nn.Module):
        def forward(self, u):
            return long_convolution(u, kernel)[0]

    program = torch.export.export(Convolution(), (normal(2, 30, 3),))
    assert any("long_convolution" in str(node.target) for node in program.graph.nodes)


@pytest.mark.parametrize(("length", "taps"), [(1, 1), (7, 3), (100, 100), (1000, 64), (1023, 5000)])
def test_transforms_are_long_enough_and_fast(length, taps):
    size = fft_size(length, taps)
    assert taps <= size
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    assert size == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kernel": torch.ones(0, 5)}, r"kernel must have shape \(taps, channels\), at least one tap; got \(0, 5\)"),
        ({"kernel": torch.ones(4, 6)}, r"kernel must have shape \(4, 5\) for u of shape \(2, 7, 5\); got \(4, 6\)"),
        ({"skip": torch.ones(1)}, r"skip must have shape \(5,\) for u of shape \(2, 7, 5\); got \(1,\)"),
        ({"initial_state": torch.ones(2, 4, 5)}, r"initial_state must have shape \(2, 3, 5\) .* got \(2, 4, 5\)"),
        ({"resets": torch.ones(2, 7)}, "resets must be a bool tensor; got torch.float32"),
        ({"u": torch.ones(0, 7, 5)}, r"u must have shape \(batch, length, channels\), none of them 0; got \(0, 7, 5\)"),
        ({"backend": "fft"}, r"backend is 'fft'; this operator has \['chunked', 'cpu', 'reference'\]"),
    ],
)
def test_refuses_in_words(changed, message):
    inputs = {"u": torch.ones(2, 7, 5), "kernel": torch.ones(4, 5)} | changed
    with pytest.raises(ValueError, match=message):
        long_convolution(**inputs)


def test_a_step_refuses_a_state_that_does_not_fit():
    with pytest.raises(
        ValueError, match=r"long_convolution_step: state must have shape \(2, 3, 5\) .* got \(2, 4, 5\)"
    ):
        long_convolution_step(torch.ones(2, 5), torch.ones(4, 5), state=torch.ones(2, 4, 5))
