"""mLSTM against a loop over its definition, and what its exponential gate is for: one step outweighs the past."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tsssm.errors import ConfigError
from tsssm.mixers import MLSTM, SwiGLU, check_mixer


def cap(x: Tensor) -> Tensor:
    return 15 * torch.tanh(x / 15)


@torch.no_grad()
def loop(mixer: MLSTM, u: Tensor, gaps: Tensor, heads: int) -> Tensor:
    """One series, token by token and head by head."""
    D = u.shape[1]
    V, K = D // heads, D // heads // 2
    C, n, m = torch.zeros(heads, K, V, dtype=u.dtype), torch.zeros(heads, K, dtype=u.dtype), [0.0] * heads
    outputs = []
    for token, gap in zip(u, gaps):
        row = mixer.in_projection.weight @ token
        raw = cap(mixer.gates.weight @ token + mixer.gates.bias)
        y = torch.zeros(D, dtype=u.dtype)
        for h in range(heads):
            q, k = row[h * K :][:K], row[D // 2 + h * K :][:K] / math.sqrt(K)
            v = row[D + h * V :][:V]
            log_forget = -math.log1p(math.exp(-float(raw[heads + h]))) * float(gap)
            largest = max(log_forget + m[h], float(raw[h]))
            keep, enter = math.exp(log_forget + m[h] - largest), math.exp(float(raw[h]) - largest)
            C[h], n[h], m[h] = keep * C[h] + enter * torch.outer(k, v), keep * n[h] + enter * k, largest
            value = q @ C[h] / (max(abs(float(q @ n[h])), math.exp(-largest)) + 1e-6)
            value = (value - value.mean()) / (value.var(unbiased=False) + 1e-6).sqrt()
            y[h * V : (h + 1) * V] = value * mixer.norm_weight[h * V :][:V]
        outputs.append(mixer.out_projection.weight @ (y / (1 + torch.exp(-row[2 * D :]))))
    return torch.stack(outputs)


def randomised(mixer: MLSTM) -> MLSTM:
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=0.5)
    return mixer


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_equals_a_loop_over_the_definition(heads):
    torch.manual_seed(0)
    mixer = randomised(MLSTM(16, n_heads=heads).double())
    x, gaps = 2 * torch.randn(2, 30, 16, dtype=torch.float64), torch.rand(2, 30, dtype=torch.float64) + 0.5
    for time_gaps in (None, gaps):
        y, _ = mixer(x, time_gaps=time_gaps)
        for series in range(2):
            scale = torch.ones(30) if time_gaps is None else gaps[series]
            torch.testing.assert_close(y[series], loop(mixer, x[series], scale, heads), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("settings", [{"n_heads": 1}, {"n_heads": 2, "mlp_width": 7}], ids=str)
def test_promises_with_other_settings(settings):
    check_mixer(MLSTM, **settings)


@torch.no_grad()
def test_one_step_can_outweigh_all_before():
    """With a raw input gate of 15 at one step and of 0 elsewhere, that step is read, whatever came before."""
    torch.manual_seed(0)
    mixer = MLSTM(16, n_heads=1).double()
    mixer.gates.weight[0, 0] = 1.0
    mixer.gates.bias[0] = 0.0
    x = torch.randn(2, 40, 16, dtype=torch.float64)
    x[..., 0] = 0.0
    other = torch.cat([torch.randn(2, 20, 16, dtype=torch.float64), x[:, 20:]], dim=1)
    other[..., 0] = 0.0

    def past_matters() -> float:
        return float((mixer(x)[0][:, 20:] - mixer(other)[0][:, 20:]).abs().mean())

    before = past_matters()
    x[:, 20, 0] = other[:, 20, 0] = 40.0
    assert past_matters() < 1e-3 * before


def test_number_of_parameters_and_of_state():
    D, H = 64, 4
    mixer = MLSTM(D)
    assert sum(parameter.numel() for parameter in mixer.parameters()) == 4 * D * D + 2 * H * (D + 1) + D
    assert mixer.state_bytes() == 4 * H * (8 * 16 + 8 + 1)
    assert isinstance(mixer.channel_mixer(), SwiGLU)


def test_initialisation():
    torch.manual_seed(0)
    mixer = MLSTM(512, n_heads=256)
    enter, forget = mixer.gates.bias.detach().chunk(2)
    assert bool((mixer.gates.weight == 0).all() and (mixer.norm_weight == 1).all())
    assert abs(float(enter.std()) - 0.1) < 0.025  # five standard errors
    torch.testing.assert_close(forget, torch.linspace(3, 6, 256))
    exempt = {name for name, value in mixer.named_parameters() if getattr(value, "_no_weight_decay", False)}
    assert exempt == {"gates.bias", "norm_weight"}


def test_bfloat16_module():
    torch.manual_seed(0)
    mixer, x = MLSTM(16), torch.randn(2, 30, 16)
    y, _ = mixer(x)
    y_half, state = mixer.bfloat16()(x.bfloat16())
    assert y_half.dtype == torch.bfloat16
    assert all(part.dtype == torch.float32 for part in state)
    # rounding through projections and a norm of four numbers, of which some are near to one another
    assert float(((y_half.float() - y).norm() / y.norm()).detach()) < 1e-1


def test_heads_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="d_model=12 over n_heads=4 is not"):
        MLSTM(12)
