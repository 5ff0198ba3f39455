"""The causal convolution against torch's own, and what it refuses."""

import pytest
import torch
from torch.nn.functional import conv1d, pad, silu

from tsssm_kernels import causal_conv1d, causal_conv1d_step

BACKENDS = ["reference", "chunked", "cpu"]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("width", "channels"), [(1, 3), (2, 16), (4, 33), (7, 48), (64, 5)])
@pytest.mark.parametrize("length", [1, 3, 8, 9, 100])
def test_equals_a_left_padded_depthwise_convolution(backend, width, channels, length):
    x, weight, bias = normal(2, length, channels), normal(width, channels, seed=1), normal(channels, seed=2)
    y, state = causal_conv1d(x, weight, bias, activation="silu", backend=backend)
    padded = pad(x.double().transpose(1, 2), (width - 1, 0))
    kernel = weight.double().t().unsqueeze(1)  # (width, channels) -> (channels, 1, width)
    expected = silu(conv1d(padded, kernel, bias.double(), groups=channels)).transpose(1, 2)
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(state, padded.transpose(1, 2)[:, length:].float())


def test_takes_the_weight_of_a_layer_of_torch_transposed():
    layer, x = torch.nn.Conv1d(6, 6, 4, groups=6, padding=3), normal(2, 10, 6)
    expected = layer(x.transpose(1, 2))[..., :10].transpose(1, 2)
    torch.testing.assert_close(causal_conv1d(x, layer.weight[:, 0].t(), layer.bias)[0], expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_unknown_number_before_a_reset_does_not_reach_later_steps(backend):
    x = normal(2, 40, 18)
    x[:, 11] = torch.inf
    resets = torch.zeros(2, 40, dtype=torch.bool)
    resets[:, 12] = True
    y, state = causal_conv1d(x, normal(4, 18, seed=1), activation="silu", resets=resets, backend=backend)
    assert y[:, 12:].isfinite().all()
    assert state.isfinite().all()


@pytest.mark.parametrize("every", [1, 2, 5])
def test_resets_at_many_steps(every):
    x, weight = normal(3, 41, 20).requires_grad_(), normal(4, 20, seed=1).requires_grad_()
    state = normal(3, 3, 20, seed=2).requires_grad_()
    resets = (torch.arange(41) % every == every // 2).expand(3, 41)
    gradients = {}
    for backend in BACKENDS:
        y, last = causal_conv1d(x, weight, initial_state=state, resets=resets, backend=backend)
        gradients[backend] = torch.autograd.grad(y.square().sum() + last.square().sum(), (x, weight, state))
    for backend in BACKENDS[1:]:
        torch.testing.assert_close(gradients[backend], gradients["reference"], rtol=1e-4, atol=1e-4)


def test_groups_of_channels_on_several_threads_equal_one_thread():
    x, weight, bias = normal(1, 5000, 100), normal(4, 100, seed=1), normal(100, seed=2)
    tensors = [tensor.requires_grad_() for tensor in (x, weight, bias)]
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            y, _ = causal_conv1d(x, weight, bias, activation="silu", backend="cpu")
            results.append([y.detach(), *torch.autograd.grad(y.square().sum(), tensors)])
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(*results)


def test_many_shares_of_series_equal_the_loop():
    x, weight = normal(64, 200, 40).requires_grad_(), normal(4, 40, seed=1).requires_grad_()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        y, _ = causal_conv1d(x, weight, activation="silu", backend="cpu")
        got = torch.autograd.grad(y.square().sum(), (x, weight))
    finally:
        torch.set_num_threads(before)
    double = [tensor.detach().double().requires_grad_() for tensor in (x, weight)]
    y, _ = causal_conv1d(*double, activation="silu", backend="reference")
    for value, expected in zip(got, torch.autograd.grad(y.square().sum(), double)):
        assert (value - expected).norm() < 1e-5 * expected.norm()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weight": torch.ones(0, 5)}, r"weight must have shape \(width, channels\), at least one tap; got \(0, 5\)"),
        ({"weight": torch.ones(4, 6)}, r"weight must have shape \(4, 5\) for x of shape \(2, 7, 5\); got \(4, 6\)"),
        ({"bias": torch.ones(1)}, r"bias must have shape \(5,\) for x of shape \(2, 7, 5\); got \(1,\)"),
        ({"activation": "gelu"}, "activation is 'gelu'; use 'silu', or None"),
        ({"initial_state": torch.ones(2, 4, 5)}, r"initial_state must have shape \(2, 3, 5\) .* got \(2, 4, 5\)"),
        ({"resets": torch.ones(2, 7)}, "resets must be a bool tensor; got torch.float32"),
        ({"resets": torch.ones(2, 6, dtype=torch.bool)}, r"resets must have shape \(2, 7\)"),
        ({"x": torch.ones(2, 7, 0)}, r"x must have shape \(batch, length, channels\), none of them 0; got \(2, 7, 0\)"),
        ({"x": torch.ones(2, 7, 5, dtype=torch.int64)}, r"x must be floating point; got torch.int64. Pass x.float\(\)"),
        ({"backend": "fft"}, r"backend is 'fft'; this operator has \['chunked', 'cpu', 'reference', 'triton'\]"),
    ],
)
def test_refuses_in_words(changed, message):
    inputs = {"x": torch.ones(2, 7, 5), "weight": torch.ones(4, 5)} | changed
    with pytest.raises(ValueError, match=message):
        causal_conv1d(**inputs)


def test_a_step_refuses_a_state_that_does_not_fit():
    with pytest.raises(ValueError, match=r"causal_conv1d_step: state must have shape \(2, 3, 5\) .* got \(2, 4, 5\)"):
        causal_conv1d_step(torch.ones(2, 5), torch.ones(4, 5), state=torch.ones(2, 4, 5))
