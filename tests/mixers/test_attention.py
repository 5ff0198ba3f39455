"""Attention against a float64 loop over its definition, its window, its positions and its ring."""

import math

import numpy as np
import pytest
import torch

from tsssm.errors import ConfigError
from tsssm.mixers import MLP, Attention, Mamba, check_mixer


def randomised(mixer):
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=0.4)
    return mixer


def loop(mixer, x):
    """One series, head and token at a time, in NumPy: softmax over the window of rotated products."""
    weight, out = (p.detach().double().numpy() for p in (mixer.in_projection.weight, mixer.out_projection.weight))
    d_model = x.shape[-1]
    size = d_model // mixer.n_heads
    frequencies = mixer.rotary_base ** (-2 * np.arange(size // 2) / size)

    def turn(vector, position):
        pairs = (vector[: size // 2] + 1j * vector[size // 2 :]) * np.exp(1j * position * frequencies)
        return np.concatenate([pairs.real, pairs.imag])

    y = np.zeros(x.shape)
    for b, series in enumerate(x):
        q, k, v = np.split(series @ weight.T, 3, axis=1)
        for h in range(mixer.n_heads):
            head = slice(h * size, (h + 1) * size)
            for t in range(len(series)):
                seen = range(max(0, t - mixer.window + 1), t + 1)
                scores = np.array([turn(q[t, head], t) @ turn(k[j, head], j) for j in seen]) / math.sqrt(size)
                weights = np.exp(scores - scores.max())
                y[b, t, head] = weights @ v[list(seen), head] / weights.sum()
    return y @ out.T


@pytest.mark.parametrize(("length", "window"), [(1, 5), (5, 5), (13, 5), (40, 30), (37, 1), (50, 17), (20, 100)])
def test_forward_equals_a_loop_over_the_definition(length, window):
    torch.manual_seed(0)
    mixer = randomised(Attention(12, n_heads=3, window=window).double())
    x = torch.randn(2, length, 12, dtype=torch.float64)
    y, _ = mixer(x)
    torch.testing.assert_close(y, torch.from_numpy(loop(mixer, x.numpy())), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "settings",
    [{"window": 1}, {"window": 2}, {"window": 5}, {"window": 13}, {"n_heads": 1, "window": 20}, {"rotary_base": 7.5}],
    ids=str,
)
def test_promises_with_other_settings(settings):
    check_mixer(Attention, **settings)


@torch.no_grad()
def test_a_token_outside_the_window_changes_nothing_and_the_last_inside_does():
    torch.manual_seed(0)
    mixer = randomised(Attention(8, window=6).double())
    x = torch.randn(1, 30, 8, dtype=torch.float64)
    y, _ = mixer(x)
    changed = x.clone()
    changed[:, 10] += 1.0
    difference = (mixer(changed)[0] - y).abs().amax(dim=(0, 2))
    assert difference[:10].max() == 0
    assert (difference[10:16] > 1e-6).all()  # the token itself and the five after it
    assert difference[16:].max() == 0


@torch.no_grad()
def test_a_hundred_thousand_tokens_later_the_stream_is_as_exact():
    """The same window of tokens, far down a float32 stream: angles are exact, and rounding is all that differs."""
    torch.manual_seed(0)
    mixer = randomised(Attention(16, window=12))
    x = torch.randn(1, 40, 16)
    early, _ = mixer(x)
    state = mixer.initial_state(1)
    _, late = mixer(torch.randn(1, 30, 16), state._replace(position=state.position + 100_000))
    outputs = []
    for x_t in x.unbind(1):
        y_t, late = mixer.step(x_t, late)
        outputs.append(y_t)
    torch.testing.assert_close(torch.stack(outputs, 1)[:, 11:], early[:, 11:], rtol=2e-5, atol=2e-5)
    assert int(late.position) == 100_070


@torch.no_grad()
def test_the_ring_keeps_its_size_and_holds_the_last_tokens():
    mixer = randomised(Attention(8, n_heads=2, window=5).double())
    x = torch.randn(3, 23, 8, dtype=torch.float64)
    _, state = mixer(x)
    _, longer = mixer(torch.cat([x, x], 1))
    assert [t.shape for t in longer] == [t.shape for t in state] == [(3, 5, 2, 4), (3, 5, 2, 4), (3,)]
    values = mixer.in_projection(x).unflatten(-1, (3, 2, 4))[:, :, 2]
    for token in range(18, 23):
        torch.testing.assert_close(state.values[:, token % 5], values[:, token])
    assert Attention(64, window=30).state_bytes() == 2 * 30 * 64 * 4 + 8
    assert Attention(64, window=30).double().state_bytes() == 2 * 30 * 64 * 8 + 8


@torch.no_grad()
def test_a_long_sequence_takes_memory_of_length_times_window():
    largest = 0

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                largest = max(largest, result.untyped_storage().nbytes())
            return result

    mixer, x = Attention(8, n_heads=2, window=30), torch.randn(1, 5000, 8)
    with Watch():
        y, _ = mixer(x)
    assert y.isfinite().all()
    assert largest < 5100 * 2 * 30 * 8  # a square of 5000 booleans alone would be 25 MB

    last, _ = mixer(x[:, -31:])  # the last token's window and one more
    torch.testing.assert_close(y[:, -1], last[:, -1], rtol=1e-4, atol=1e-5)


def test_gradient_reaches_the_past_through_the_state():
    torch.manual_seed(0)
    mixer = randomised(Attention(8, window=6).double())
    x = torch.randn(2, 12, 8, dtype=torch.float64, requires_grad=True)
    y, _ = mixer(x)
    (whole,) = torch.autograd.grad(y[:, 9:].square().sum(), x)
    _, state = mixer(x[:, :9])
    y, _ = mixer(x[:, 9:], state)
    (split,) = torch.autograd.grad(y.square().sum(), x)
    torch.testing.assert_close(split, whole, rtol=1e-9, atol=1e-12)
    assert whole[:, 4:9].abs().min() > 0


@torch.no_grad()
def test_autocast_and_bfloat16():
    torch.manual_seed(0)
    mixer = Attention(16, window=7)
    x = torch.randn(2, 30, 16)
    y, _ = mixer(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, state = mixer(x)
        _, again = mixer(x, state)
    assert [t.dtype for t in again] == [torch.float32, torch.float32, torch.int64]
    half, state = mixer.bfloat16()(x.bfloat16())
    step, _ = mixer.step(x[:, 0].bfloat16(), state)
    assert half.dtype == step.dtype == state.keys.dtype == torch.bfloat16
    for rough in (mixed, half):  # a few times bfloat16's 4e-3
        assert float((rough.float() - y).norm() / y.norm()) < 3e-2


@pytest.mark.parametrize("d_model", [16, 32, 64, 96, 128, 256])
def test_a_block_has_about_the_parameters_of_a_mamba_block(d_model):
    attention = Attention(d_model)
    parts = (attention, attention.channel_mixer())
    ours = sum(p.numel() for part in parts for p in part.parameters())
    mamba = sum(p.numel() for p in Mamba(d_model).parameters())
    assert abs(ours / mamba - 1) < 0.03


def test_settings():
    assert Attention.settings_for(17) == {"window": 17}
    assert Attention(64).channel_mixer().expand.out_features == 124
    assert Attention(128).channel_mixer().expand.out_features == 196
    assert Attention(16, mlp_width=5).channel_mixer().expand.out_features == 5
    assert Mamba.settings_for(17) == {}
    assert Mamba(8).channel_mixer() is None


def test_initial_output_weights_shrink_with_depth():
    torch.manual_seed(0)
    bound = 256**-0.5 / math.sqrt(2 * 8)
    attention = Attention(256, n_layers=8)
    mlp = MLP(256, n_layers=8, width=256)
    for weight in (attention.out_projection.weight, mlp.contract.weight):
        assert 0.98 * bound < float(weight.detach().abs().max()) <= bound


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_heads": 5}, "d_model=16 over n_heads=5"),
        ({"n_heads": 16}, "multiple of 32"),
        ({"n_heads": 0}, "n_heads=0"),
        ({"window": 0}, "at least 1 token, itself; got window=0"),
        ({"window": 12.0}, "an integer for window; got window=12.0"),
        ({"n_heads": 2.0}, "an integer for n_heads; got n_heads=2.0"),
        ({"n_heads": True}, "got n_heads=True"),
        ({"rotary_base": 1.0}, "above 1; got 1.0"),
        ({"rotary_base": math.inf}, "above 1; got inf"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(ConfigError, match=message):
        Attention(16, **settings)
    with pytest.raises(ConfigError, match="got width=0"):
        MLP(16, width=0)
