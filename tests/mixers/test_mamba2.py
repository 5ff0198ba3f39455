"""Mamba-2 against a loop over its definition, and its initialisation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tsssm.errors import ConfigError
from tsssm.mixers import Mamba2, check_mixer

SETTINGS = {
    "default": {},
    "groups": {"state_size": 5, "head_size": 4, "n_groups": 2, "conv_width": 3},
    "one head": {"state_size": 1, "head_size": 16, "expand": 1, "conv_width": 2},
}


def silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


@torch.no_grad()
def loop(mixer: Mamba2, u: Tensor, gaps: Tensor, state_size: int, head_size: int, groups: int) -> Tensor:
    """One series, token by token and head by head."""
    inner, heads = len(mixer.norm_weight), len(mixer.norm_weight) // head_size
    taps = mixer.convolution.weight
    S = torch.zeros(heads, head_size, state_size, dtype=u.dtype)
    past = [torch.zeros(taps.shape[1], dtype=u.dtype)] * (len(taps) - 1)
    outputs = []
    for token, gap in zip(u, gaps):
        row = mixer.in_projection.weight @ token
        z, convolved, raw = row[:inner], row[inner : len(row) - heads], row[len(row) - heads :]
        past.append(convolved)
        convolved = silu(mixer.convolution.bias + sum(w * x for w, x in zip(taps, past[-len(taps) :])))
        y = torch.zeros(inner, dtype=u.dtype)
        for h in range(heads):
            group = h // (heads // groups)
            channels = slice(h * head_size, (h + 1) * head_size)
            x = convolved[channels]
            B = convolved[inner + group * state_size :][:state_size]
            C = convolved[inner + (groups + group) * state_size :][:state_size]
            delta = torch.log1p(torch.exp(raw[h] + mixer.delta_bias[h]))
            S[h] = torch.exp(-delta * gap * torch.exp(mixer.A_log[h])) * S[h] + delta * torch.outer(x, B)
            y[channels] = S[h] @ C + mixer.D[h] * x
        y = y * silu(z)
        for part in y.split(inner // groups):
            part /= (part.square().mean() + 1e-5).sqrt()
        outputs.append(mixer.out_projection.weight @ (y * mixer.norm_weight))
    return torch.stack(outputs)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_equals_a_loop_over_the_definition(settings):
    torch.manual_seed(0)
    mixer = Mamba2(16, **settings).double()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=0.4)
    x, gaps = torch.randn(2, 30, 16, dtype=torch.float64), torch.rand(2, 30, dtype=torch.float64) + 0.5
    sizes = settings.get("state_size", 32), settings.get("head_size", 16), settings.get("n_groups", 1)
    for time_gaps in (None, gaps):
        y, _ = mixer(x, time_gaps=time_gaps)
        for series in range(2):
            scale = torch.ones(30) if time_gaps is None else gaps[series]
            torch.testing.assert_close(y[series], loop(mixer, x[series], scale, *sizes), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("settings", list(SETTINGS.values())[1:], ids=list(SETTINGS)[1:])
def test_promises_with_other_settings(settings):
    check_mixer(Mamba2, **settings)


def test_number_of_parameters_and_of_state():
    D, E, N, H, G, J = 64, 128, 32, 8, 2, 4
    mixer = Mamba2(D, n_groups=G)
    expected = D * (2 * E + 2 * G * N + H) + (E + 2 * G * N) * (J + 1) + 3 * H + E + E * D
    assert sum(parameter.numel() for parameter in mixer.parameters()) == expected
    assert mixer.state_bytes() == 4 * (H * N * 16 + (E + 2 * G * N) * (J - 1))
    assert mixer.channel_mixer() is None


def test_initialisation():
    torch.manual_seed(0)
    mixer = Mamba2(512, n_layers=4, head_size=1)
    rates, steps = mixer.A_log.detach().exp(), torch.nn.functional.softplus(mixer.delta_bias.detach())
    assert 1 <= rates.min() < 1.1 < 15.9 < rates.max() <= 16
    assert abs(float(rates.mean()) - 8.5) < 5 * 15 / 12**0.5 / 32  # uniform: five standard errors of 1,024 draws
    assert 0.999e-3 < steps.min() < steps.max() < 1.001e-1
    assert bool((mixer.D == 1).all() and (mixer.norm_weight == 1).all())
    bound = 1024**-0.5 / 2  # torch's own for a linear layer of 1,024 inputs, over the square root of the depth
    assert 0.98 * bound < float(mixer.out_projection.weight.detach().abs().max()) <= bound
    exempt = {name for name, value in mixer.named_parameters() if getattr(value, "_no_weight_decay", False)}
    assert exempt == {"A_log", "D", "delta_bias", "norm_weight"}


def test_bfloat16_module():
    torch.manual_seed(0)
    mixer, x = Mamba2(16), torch.randn(2, 30, 16)
    y, _ = mixer(x)
    y_half, state = mixer.bfloat16()(x.bfloat16())
    assert (y_half.dtype, state.memory.dtype, state.tail.dtype) == (torch.bfloat16, torch.float32, torch.bfloat16)
    assert [part.dtype for part in mixer.step(x[:, 0].bfloat16(), state)[1]] == [part.dtype for part in state]
    # rounding of weights and activations through four projections: a few times bfloat16's 4e-3
    assert float(((y_half.float() - y).norm() / y.norm()).detach()) < 4e-2


def test_sizes_that_do_not_fit_are_refused():
    for setting in ("expand", "head_size", "n_groups"):
        with pytest.raises(ConfigError, match=f"whole numbers of at least 1; got {setting}=0"):
            Mamba2(10, **{setting: 0})
    with pytest.raises(ConfigError, match="n_groups=3 does not divide the 2 heads"):
        Mamba2(16, n_groups=3)
    with pytest.raises(ConfigError, match="at least 2 taps"):
        Mamba2(16, conv_width=1)
