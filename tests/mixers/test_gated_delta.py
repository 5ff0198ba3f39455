"""Gated DeltaNet and DeltaNet against a loop over their definition; the state stays bounded."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tsssm.errors import ConfigError
from tsssm.mixers import GatedDelta, check_mixer

SETTINGS = {
    "default": {},
    "DeltaNet": {"gated": False, "n_heads": 3, "key_size": 4},
    "sizes": {"n_heads": 2, "key_size": 5, "value_size": 3, "conv_width": 2},
}


def silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


@torch.no_grad()
def loop(mixer: GatedDelta, u: Tensor, gaps: Tensor, heads: int, K: int, V: int) -> Tensor:
    """One series, token by token and head by head."""
    taps = mixer.convolution.weight
    S = torch.zeros(heads, K, V, dtype=u.dtype)
    past = [torch.zeros(taps.shape[1], dtype=u.dtype)] * (len(taps) - 1)
    outputs = []
    for token, gap in zip(u, gaps):
        row = mixer.in_projection.weight @ token
        past.append(row[: taps.shape[1]])
        convolved = silu(sum(w * x for w, x in zip(taps, past[-len(taps) :])))
        rest = row[taps.shape[1] :]
        y = torch.zeros(heads * V, dtype=u.dtype)
        for h in range(heads):
            q, k = convolved[h * K :][:K], convolved[(heads + h) * K :][:K]
            v = convolved[2 * heads * K + h * V :][:V]
            q, k = q / (q @ q + 1e-6).sqrt(), k / (k @ k + 1e-6).sqrt()
            beta = 1 / (1 + torch.exp(-rest[h]))
            if mixer.gated:
                rate = torch.exp(mixer.A_log[h]) * torch.log1p(torch.exp(rest[heads + h] + mixer.dt_bias[h]))
                S[h] = torch.exp(-rate * gap) * S[h]
            S[h] = S[h] + beta * torch.outer(k, v - k @ S[h])
            o = q @ S[h] / K**0.5
            o = o / (o.square().mean() + 1e-5).sqrt() * mixer.norm_weight
            y[h * V : (h + 1) * V] = o * silu(rest[2 * heads + h * V :][:V]) if mixer.gated else o
        outputs.append(mixer.out_projection.weight @ y)
    return torch.stack(outputs)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_equals_a_loop_over_the_definition(settings):
    torch.manual_seed(0)
    mixer = GatedDelta(16, **settings).double()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=0.4)
    x, gaps = torch.randn(2, 30, 16, dtype=torch.float64), torch.rand(2, 30, dtype=torch.float64) + 0.5
    K = settings.get("key_size", 3)
    sizes = settings.get("n_heads", 4), K, settings.get("value_size", 2 * K)
    for time_gaps in (None, gaps):
        y, _ = mixer(x, time_gaps=time_gaps)
        for series in range(2):
            scale = torch.ones(30) if time_gaps is None else gaps[series]
            torch.testing.assert_close(y[series], loop(mixer, x[series], scale, *sizes), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("settings", list(SETTINGS.values())[1:], ids=list(SETTINGS)[1:])
def test_promises_with_other_settings(settings):
    check_mixer(GatedDelta, **settings)


def test_number_of_parameters_and_of_state():
    D, H, Kt, Vt, J = 64, 4, 48, 96, 4
    for gated in (True, False):
        mixer = GatedDelta(D, gated=gated)
        expected = D * (2 * Kt + Vt + H) + J * (2 * Kt + Vt) + Vt // H + Vt * D
        expected += D * (Vt + H) + 2 * H if gated else 0
        assert sum(parameter.numel() for parameter in mixer.parameters()) == expected
        assert mixer.state_bytes() == 4 * (Kt * Vt // H + (2 * Kt + Vt) * (J - 1))
        assert mixer.channel_mixer() is None


@torch.no_grad()
def test_a_state_is_bounded_over_ten_thousand_steps():
    """With keys of length 1 each transition has a norm of at most 1, and what decays stays below a bound."""
    torch.manual_seed(0)
    mixer = GatedDelta(16)
    for parameter in mixer.parameters():
        parameter.normal_()
    x = 10 * torch.randn(2, 10_000, 16)
    _, early = mixer(x[:, :1000])
    y, late = mixer(x)
    assert y.isfinite().all()
    assert late.memory.norm() < 3 * early.memory.norm()


def test_initialisation():
    torch.manual_seed(0)
    mixer = GatedDelta(512, n_heads=384, n_layers=4, value_size=2)
    rates, steps = mixer.A_log.detach().exp(), torch.nn.functional.softplus(mixer.dt_bias.detach())
    assert 0.0099 <= rates.min() < 0.5 < 15.5 < rates.max() <= 16
    assert 0.999e-3 < steps.min() < steps.max() < 1.001e-1
    exempt = {name for name, value in mixer.named_parameters() if getattr(value, "_no_weight_decay", False)}
    assert exempt == {"A_log", "dt_bias", "norm_weight"}


def test_bfloat16_module():
    torch.manual_seed(0)
    mixer, x = GatedDelta(16), torch.randn(2, 30, 16)
    y, _ = mixer(x)
    y_half, state = mixer.bfloat16()(x.bfloat16())
    assert (y_half.dtype, state.memory.dtype, state.tail.dtype) == (torch.bfloat16, torch.float32, torch.bfloat16)
    # rounding of weights and activations through four projections: a few times bfloat16's 4e-3
    assert float(((y_half.float() - y).norm() / y.norm()).detach()) < 4e-2


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="gives n_heads=8, key_size=0"):
        GatedDelta(8, n_heads=8)
    with pytest.raises(ConfigError, match="n_heads=0"):
        GatedDelta(8, n_heads=0)
    with pytest.raises(ConfigError, match="value_size=0"):
        GatedDelta(8, value_size=0)
