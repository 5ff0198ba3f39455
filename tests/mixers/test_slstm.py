"""sLSTM against a loop over its definition, and its initialisation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tsssm.errors import ConfigError
from tsssm.mixers import SLSTM, SwiGLU, check_mixer


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


@torch.no_grad()
def loop(mixer: SLSTM, u: Tensor, heads: int) -> Tensor:
    """One series, token by token and head by head, without a stabilizer: numbers of float64 hold the exponentials."""
    D, taps = u.shape[1], mixer.convolution.weight
    size = D // heads
    c, n, y = (torch.zeros(D, dtype=u.dtype) for _ in range(3))
    past = [torch.zeros(D, dtype=u.dtype)] * (len(taps) - 1)
    outputs = []
    for token in u:
        past.append(token)
        x = mixer.convolution.bias + sum(w * v for w, v in zip(taps, past[-len(taps) :]))
        x = x * sigmoid(x)
        out, before = torch.zeros(D, dtype=u.dtype), y.clone()
        for h in range(heads):
            head = slice(h * size, (h + 1) * size)
            i, f, z, o = (
                source[head] @ mixer.weight[h, g] + before[head] @ mixer.recurrent[h, g] + mixer.bias[h, g]
                for g, source in enumerate((x, x, token, token))
            )
            c[head] = sigmoid(f) * c[head] + torch.exp(i) * torch.tanh(z)
            n[head] = sigmoid(f) * n[head] + torch.exp(i)
            y[head] = sigmoid(o) * c[head] / n[head]
            out[head] = (y[head] - y[head].mean()) / (y[head].var(unbiased=False) + 1e-5).sqrt()
        outputs.append(out * mixer.norm_weight)
    return torch.stack(outputs)


@pytest.mark.parametrize("settings", [{}, {"n_heads": 1, "conv_width": 2}, {"n_heads": 2, "conv_width": 5}], ids=str)
def test_equals_a_loop_over_the_definition(settings):
    torch.manual_seed(0)
    mixer = SLSTM(16, **settings).double()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=0.7)
    x = torch.randn(2, 30, 16, dtype=torch.float64)
    y, _ = mixer(x)
    for series in range(2):
        expected = loop(mixer, x[series], settings.get("n_heads", 4))
        torch.testing.assert_close(y[series], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("settings", [{"n_heads": 1, "conv_width": 2}, {"n_heads": 2, "mlp_width": 7}], ids=str)
def test_promises_with_other_settings(settings):
    check_mixer(SLSTM, **settings)


@torch.no_grad()
def test_gates_of_any_size_give_finite_outputs():
    torch.manual_seed(0)
    mixer = SLSTM(16)
    for parameter in mixer.parameters():
        parameter.normal_(std=20.0)
    y, state = mixer(10 * torch.randn(2, 200, 16))
    assert all(tensor.isfinite().all() for tensor in (y, *state))


def test_number_of_parameters_and_of_state():
    D, H, J = 64, 4, 4
    mixer = SLSTM(D)
    assert sum(parameter.numel() for parameter in mixer.parameters()) == 8 * D * D // H + 4 * D + D * (J + 1) + D
    assert mixer.state_bytes() == 4 * (4 * D + D * (J - 1))
    channel = mixer.channel_mixer()
    assert isinstance(channel, SwiGLU)
    assert 1.2 < channel.contract.in_features / D < 1.4


@pytest.mark.parametrize(("layer", "exponent"), [(0, 0.3), (1, 0.95), (2, 1.6)])
def test_initialisation(layer, exponent):
    torch.manual_seed(0)
    mixer = SLSTM(512, layer_index=layer, n_layers=3)
    bias = mixer.bias.detach()
    assert bool((bias[:, [0, 2, 3]] == 0).all() and (mixer.recurrent == 0).all())
    torch.testing.assert_close(bias[:, 1, [0, 127]], torch.tensor([[5.0, -7.0]]).expand(4, 2))
    torch.testing.assert_close(bias[0, 1, 40], torch.tensor(5 - 12 * (40 / 127) ** exponent))
    deviation = (2 / 5 / 512) ** 0.5
    assert abs(float(mixer.weight.detach().std()) / deviation - 1) < 0.01
    exempt = {name for name, value in mixer.named_parameters() if getattr(value, "_no_weight_decay", False)}
    assert exempt == {"bias", "norm_weight", "convolution.bias"}


def test_bfloat16_module():
    torch.manual_seed(0)
    mixer, x = SLSTM(16, n_heads=1), torch.randn(2, 30, 16)
    y, _ = mixer(x)
    y_half, state = mixer.bfloat16()(x.bfloat16())
    assert [part.dtype for part in (y_half, *state)] == [torch.bfloat16, *[torch.float32] * 4, torch.bfloat16]
    # rounding of weights and activations through the gates, magnified by the norm
    assert float(((y_half.float() - y).norm() / y.norm()).detach()) < 4e-2


@pytest.mark.parametrize(("d_model", "n_heads"), [(18, 4), (4, 4), (8, 0)])
def test_heads_that_do_not_fit_are_refused(d_model, n_heads):
    with pytest.raises(ConfigError, match=f"(d_model={d_model} over|at least 1; got) n_heads={n_heads}"):
        SLSTM(d_model, n_heads=n_heads)
