"""Mamba-3 against a loop over its definition, with one and with several inputs, and over long sequences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tsssm.errors import ConfigError
from tsssm.mixers import Mamba3, SwiGLU, check_mixer

SETTINGS = {
    "default": {},
    "groups": {"state_size": 6, "head_size": 4, "n_groups": 2, "n_angles": 3},
    "two inputs": {"state_size": 8, "head_size": 8, "n_groups": 2, "rank": 2},
    "three inputs": {"state_size": 5, "head_size": 16, "expand": 1, "rank": 3, "n_angles": 1},
}


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def normed(x: Tensor, weight: Tensor) -> Tensor:
    return x / (x.square().mean() + 1e-5).sqrt() * weight


@torch.no_grad()
def loop(mixer: Mamba3, u: Tensor, gaps: Tensor, head_size: int, groups: int) -> Tensor:
    """One series, token by token, head by head and input by input."""
    heads, R, N = mixer.key_bias.shape
    inner, P, S = heads * head_size, head_size, mixer.n_angles
    one = torch.ones(heads, R, P, dtype=u.dtype)
    m_x, m_z, m_o = (mixer.value_scale, mixer.gate_scale, mixer.out_scale) if R > 1 else (one, one, one)
    state, phi = torch.zeros(heads, N, P, dtype=u.dtype), torch.zeros(heads, S, dtype=u.dtype)
    before = torch.zeros(heads, N, P, dtype=u.dtype)  # sum of the last step's keys and values
    sizes = [inner, inner, R * groups * N, R * groups * N, heads, heads, heads, S]
    outputs = []
    for token, gap in zip(u, gaps):
        z, x, B, C, r, a, raw_mix, speed = (mixer.in_projection.weight @ token).split(sizes)
        out = torch.zeros(inner, dtype=u.dtype)
        for h in range(heads):
            group, head = h // (heads // groups), slice(h * P, (h + 1) * P)
            delta = torch.log1p(torch.exp(r[h] + mixer.delta_bias[h]))
            rate = 1 + a[h] if a[h] >= 0 else 1 / (1 - a[h])
            mix = sigmoid(raw_mix[h])
            phi[h] += math.pi * torch.tanh(speed) * delta * gap
            turn = torch.eye(N, dtype=u.dtype)
            for i, angle in enumerate(phi[h]):
                turn[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor(
                    [[torch.cos(angle), -torch.sin(angle)], [torch.sin(angle), torch.cos(angle)]], dtype=u.dtype
                )
            now, queries = torch.zeros(N, P, dtype=u.dtype), []
            for i in range(R):
                part = slice((i * groups + group) * N, (i * groups + group + 1) * N)
                k = turn @ (normed(B[part], mixer.key_weight) + mixer.key_bias[h, i])
                queries.append(turn @ (normed(C[part], mixer.query_weight) + mixer.query_bias[h, i]))
                now += torch.outer(k, x[head] * m_x[h, i])
            keep = torch.exp(-rate * delta * gap)
            state[h] = keep * state[h] + keep * (1 - mix) * delta * before[h] + mix * delta * now
            before[h] = now
            for i, q in enumerate(queries):
                gate = z[head] * m_z[h, i]
                out[head] += m_o[h, i] * (q @ state[h] + mixer.D[h] * x[head] * m_x[h, i]) * gate * sigmoid(gate)
        outputs.append(mixer.out_projection.weight @ out)
    return torch.stack(outputs)


def randomised(mixer: Mamba3) -> Mamba3:
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=0.4)
    return mixer


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_equals_a_loop_over_the_definition(settings):
    torch.manual_seed(0)
    mixer = randomised(Mamba3(16, **settings).double())
    x, gaps = torch.randn(2, 20, 16, dtype=torch.float64), torch.rand(2, 20, dtype=torch.float64) + 0.5
    sizes = settings.get("head_size", 16), settings.get("n_groups", 1)
    for time_gaps in (None, gaps):
        y, _ = mixer(x, time_gaps=time_gaps)
        for series in range(2):
            scale = torch.ones(20) if time_gaps is None else gaps[series]
            torch.testing.assert_close(y[series], loop(mixer, x[series], scale, *sizes), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("settings", list(SETTINGS.values())[1:], ids=list(SETTINGS)[1:])
def test_promises_with_other_settings(settings):
    check_mixer(Mamba3, **settings)


@torch.no_grad()
def test_angles_are_kept_over_long_sequences():
    """Thousands of turns later, single precision still gives the outputs of double precision."""
    torch.manual_seed(0)
    mixer = randomised(Mamba3(16))
    mixer.delta_bias.fill_(2.0)  # some 3 radians a step
    x = torch.randn(1, 8000, 16)
    y, state = mixer(x)
    exact, _ = mixer.double()(x.double())
    # with the turns summed in float32 it would be 7e-5
    assert float((y[:, -500:] - exact[:, -500:]).norm() / exact[:, -500:].norm()) < 2e-6
    assert 0 <= float(state.angles.min()) < float(state.angles.max()) < 2 * math.pi + 1e-6


def test_number_of_parameters_and_of_state():
    D, E, N, P, H, G, S = 64, 128, 32, 16, 8, 2, 8
    for R in (1, 3):
        mixer = Mamba3(D, n_groups=G, rank=R)
        expected = D * (2 * E + 2 * G * N * R + 3 * H + S) + 2 * H + 2 * H * R * N + 2 * N + E * D
        expected += 3 * R * E if R > 1 else 0
        assert sum(parameter.numel() for parameter in mixer.parameters()) == expected
        assert mixer.state_bytes() == 4 * (H * N * P + H * S + R * H * N + H * P)
        assert isinstance(mixer.channel_mixer(), SwiGLU)


def test_initialisation():
    torch.manual_seed(0)
    mixer = Mamba3(512, head_size=1, rank=4)
    ones = mixer.key_bias, mixer.key_weight, mixer.D, mixer.gate_scale
    assert all(bool((parameter == 1).all()) for parameter in ones)
    read = mixer.query_bias, mixer.query_weight
    assert all(bool((parameter == 32**-0.5).all()) for parameter in read)
    assert bool((mixer.value_scale == 0.25).all() and (mixer.out_scale == 0.25).all())
    steps = torch.nn.functional.softplus(mixer.delta_bias.detach())
    assert 0.999e-2 < steps.min() < steps.max() < 1.001
    decayed = {name for name, value in mixer.named_parameters() if not getattr(value, "_no_weight_decay", False)}
    assert decayed == {"in_projection.weight", "out_projection.weight"}


def test_bfloat16_module():
    torch.manual_seed(0)
    mixer, x = Mamba3(16, rank=2), torch.randn(2, 30, 16)
    y, _ = mixer(x)
    y_half, state = mixer.bfloat16()(x.bfloat16())
    assert [part.dtype for part in (y_half, *state)] == [torch.bfloat16, *[torch.float32] * 4]
    assert [part.dtype for part in mixer.step(x[:, 0].bfloat16(), state)[1]] == [torch.float32] * 4
    # rounding of weights and activations through two projections and the turns
    assert float(((y_half.float() - y).norm() / y.norm()).detach()) < 6e-2


def test_sizes_that_do_not_fit_are_refused():
    for setting in ("expand", "head_size", "n_groups"):
        with pytest.raises(ConfigError, match=f"whole numbers of at least 1; got {setting}=0"):
            Mamba3(10, **{setting: 0})
    with pytest.raises(ConfigError, match="n_groups=3 does not divide the 2 heads"):
        Mamba3(16, n_groups=3)
    with pytest.raises(ConfigError, match="rank=0"):
        Mamba3(16, rank=0)
    for settings in ({"state_size": 3}, {"n_angles": 17}):
        with pytest.raises(ConfigError, match="at least one pair of keys, and no more than there are"):
            Mamba3(16, **settings)
