"""RWKV-6 and RWKV-7 against loops over their definitions, and RWKV-7 on inputs that make the published form grow."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tsssm.errors import ConfigError
from tsssm.mixers import RWKV6, RWKV7, Mamba, RWKVChannelMix, check_mixer
from tsssm.network import ForecastNetwork

EXP_HALF = math.exp(-0.5)


def randomised(mixer, std=0.4):
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.normal_(std=std)
    return mixer


def group_norm(o: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Of one token, (heads, size): each head by itself."""
    mean, variance = o.mean(1, keepdim=True), o.var(1, keepdim=True, unbiased=False)
    return ((o - mean) / (variance + 64e-5).sqrt()).flatten() * weight + bias


@torch.no_grad()
def rwkv7_loop(mixer: RWKV7, x: Tensor, first_values: Tensor | None) -> tuple[Tensor, Tensor]:
    """One series, token by token and head by head; the outputs and the layer's own values."""
    heads, size = mixer.r_k.shape
    state, before = torch.zeros(heads, size, size, dtype=x.dtype), torch.zeros_like(x[0])
    outputs, values = [], []
    for t, token in enumerate(x):
        x_r, x_w, x_k, x_v, x_a, x_g = (token + mu * (before - token) for mu in mixer.mu)
        r, k, v = mixer.receptance.weight @ x_r, mixer.key.weight @ x_k, mixer.value.weight @ x_v
        values.append(v)
        decay = torch.exp(-EXP_HALF / (1 + torch.exp(-(mixer.w_0 + mixer.w_out(torch.tanh(mixer.w_in(x_w)))))))
        alpha = 1 / (1 + torch.exp(-(mixer.a_0 + mixer.a_out(mixer.a_in(x_a)))))
        if first_values is not None:
            share = 1 / (1 + torch.exp(-(mixer.v_0 + mixer.v_out(mixer.v_in(x_v)))))
            v = v + (first_values[t] - v) * share
        kappa = k * mixer.k_k
        k = k * (1 + (alpha - 1) * mixer.k_a)
        o, own = torch.zeros(heads, size, dtype=x.dtype), torch.zeros(heads, size, dtype=x.dtype)
        for h in range(heads):
            head = slice(h * size, (h + 1) * size)
            direction, rate = kappa[head] / kappa[head].norm(), alpha[head]
            read, written = direction, direction * rate
            if mixer.bounded:
                read = written = direction * rate.sqrt()
            state[h] = (
                decay[head, None] * state[h] - torch.outer(written, read @ state[h]) + torch.outer(k[head], v[head])
            )
            o[h] = r[head] @ state[h]
            own[h] = (r[head] * k[head] * mixer.r_k[h]).sum() * v[head]
        gate = mixer.g_out.weight @ torch.sigmoid(mixer.g_in.weight @ x_g)
        normed = group_norm(o, mixer.norm_weight, mixer.norm_bias)
        outputs.append(mixer.output.weight @ ((normed + own.flatten()) * gate))
        before = token
    return torch.stack(outputs), torch.stack(values)


@pytest.mark.parametrize("bounded", [True, False])
def test_rwkv7_equals_a_loop_over_the_definition(bounded):
    torch.manual_seed(0)
    layers = [randomised(RWKV7(12, layer_index=i, n_layers=2, n_heads=3, bounded=bounded).double()) for i in range(2)]
    x, shared = torch.randn(2, 21, 12, dtype=torch.float64), {}
    got = [layer(x, shared=shared)[0] for layer in layers]
    for series in range(2):
        first, values = rwkv7_loop(layers[0], x[series], None)
        second, _ = rwkv7_loop(layers[1], x[series], values)
        torch.testing.assert_close(got[0][series], first, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(got[1][series], second, rtol=1e-9, atol=1e-10)


@torch.no_grad()
def rwkv6_loop(mixer: RWKV6, x: Tensor) -> Tensor:
    heads, size = mixer.bonus.shape
    state, before = torch.zeros(heads, size, size, dtype=x.dtype), torch.zeros_like(x[0])
    rank = mixer.mix_out.shape[1]
    outputs = []
    for token in x:
        change = before - token
        shares = torch.tanh(mixer.mix_in.weight @ (token + change * mixer.mu_x))
        inputs = [
            token + change * (mixer.mu[i] + shares[i * rank : (i + 1) * rank] @ mixer.mix_out[i]) for i in range(5)
        ]
        x_w, x_k, x_v, x_r, x_g = inputs
        r, k, v = mixer.receptance.weight @ x_r, mixer.key.weight @ x_k, mixer.value.weight @ x_v
        decay = torch.exp(-torch.exp(mixer.w_0 + mixer.w_out.weight @ torch.tanh(mixer.w_in.weight @ x_w)))
        o = torch.zeros(heads, size, dtype=x.dtype)
        for h in range(heads):
            head = slice(h * size, (h + 1) * size)
            o[h] = r[head] @ (state[h] + torch.outer(mixer.bonus[h] * k[head], v[head]))
            state[h] = decay[head, None] * state[h] + torch.outer(k[head], v[head])
        gate = mixer.gate.weight @ x_g
        normed = group_norm(o, mixer.norm_weight, mixer.norm_bias)
        outputs.append(mixer.output.weight @ (normed * gate / (1 + torch.exp(-gate))))
        before = token
    return torch.stack(outputs)


def test_rwkv6_equals_a_loop_over_the_definition():
    torch.manual_seed(0)
    mixer = randomised(RWKV6(12, n_heads=3, mix_rank=4, decay_rank=5).double())
    x = torch.randn(2, 21, 12, dtype=torch.float64)
    y, _ = mixer(x)
    for series in range(2):
        torch.testing.assert_close(y[series], rwkv6_loop(mixer, x[series]), rtol=1e-9, atol=1e-10)


# directions and rates of four steps, repeated without end: found by ascent on the growth of their product
DIRECTIONS = [[-0.440, 0.714, -0.544], [-0.665, -0.519, -0.537], [-0.436, 0.555, -0.709], [0.672, -0.534, -0.512]]
RATES = [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]


@torch.no_grad()
def growing(bounded: bool) -> RWKV7:
    """A mixer that reads those directions and rates off four tokens, each by itself, and hardly forgets."""
    mixer = RWKV7(12, n_heads=1, bounded=bounded).double()
    for zero in (mixer.mu, mixer.w_in.weight, mixer.a_in.weight, mixer.a_out.weight, mixer.a_0, mixer.k_a):
        zero.zero_()
    mixer.w_0.fill_(-12.0)
    mixer.k_k.fill_(1.0)
    mixer.key.weight.zero_()
    mixer.key.weight[:3, :4] = torch.tensor(DIRECTIONS, dtype=torch.float64).T
    mixer.a_in.weight[:4, :4] = torch.eye(4, dtype=torch.float64)
    mixer.a_out.weight[:3, :4] = 14 * (2 * torch.tensor(RATES, dtype=torch.float64).T - 1)
    torch.nn.init.eye_(mixer.value.weight)
    return mixer


@torch.no_grad()
@pytest.mark.parametrize("steps", [400, 2000])
def test_the_bounded_rwkv7_does_not_grow_where_the_published_one_does(steps):
    x = torch.eye(12, dtype=torch.float64)[torch.arange(steps) % 4].unsqueeze(0)
    _, published = growing(bounded=False)(x)
    _, state = growing(bounded=True)(x)
    assert published.memory.norm() > 1e20
    # each transition has a norm of at most 1, and a step adds no more than |k| |v| = 1
    assert state.memory.norm() < steps
    _, before = growing(bounded=True)(x[:, : steps // 2])
    assert state.memory.norm() < 1.5 * before.memory.norm()


@pytest.mark.parametrize("bounded", [True, False])
def test_rates_of_zero_have_finite_gradients(bounded):
    """One token far from all others drives the rates of correction to zero and one."""
    torch.manual_seed(0)
    mixer, x = RWKV7(16, bounded=bounded), torch.randn(2, 12, 16)
    x[0, 5] *= 1e4
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        change = torch.cat([torch.zeros(2, 1, 16), x[:, :-1]], dim=1) - x
        raw = mixer.a_0 + mixer.a_out(mixer.a_in(x + change * mixer.mu[4]))
        assert raw.min() < -110  # a rate of zero in float32

    def gradients(mixer: RWKV7, x: Tensor) -> list[Tensor]:
        x = x.clone().requires_grad_()
        y, _ = mixer(x)
        return list(torch.autograd.grad(y.asinh().sum(), [x, *mixer.parameters()]))

    single = gradients(mixer, x)
    for one, other in zip(single, gradients(mixer.double(), x.double()), strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one.double(), other, rtol=0, atol=2e-3 * float(other.abs().max()))

    _, state = mixer.float()(x[:, :5])
    x_t = x[:, 5].clone().requires_grad_()
    mixer.step(x_t, state)[0].asinh().sum().backward()
    assert x_t.grad is not None
    assert x_t.grad.isfinite().all()


@pytest.mark.parametrize(
    ("mixer", "settings"),
    [
        (RWKV7, {"n_heads": 2, "bounded": False}),
        (RWKV7, {"n_heads": 1, "channel_width": 9}),
        (RWKV6, {"n_heads": 2, "mix_rank": 3}),
        (RWKVChannelMix, {"gated": True, "width": 5}),
    ],
)
def test_promises_with_other_settings(mixer, settings):
    check_mixer(mixer, **settings)


def test_layers_behind_the_first_use_its_values_only_where_they_are_shared():
    torch.manual_seed(0)
    first, second = (randomised(RWKV7(8, layer_index=i, n_layers=2, n_heads=2)) for i in range(2))
    x, shared = torch.randn(1, 5, 8), {}
    first(x, shared=shared)
    assert not torch.allclose(second(x, shared=shared)[0], second(x)[0])
    torch.testing.assert_close(second(x)[0], second(x, shared={})[0])


def test_behind_another_mixer_the_first_rwkv7_layer_gives_the_values_and_no_weight_is_idle():
    torch.manual_seed(0)
    sizes = {"patch_length": 4, "n_covariates": 0, "horizon": 3, "levels": (0.5,), "d_model": 8}
    network = ForecastNetwork([Mamba, RWKV7, RWKV7], **sizes, mixer_settings={"rwkv7__n_heads": 2}).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    _, second, third = (block.mixer for block in network.blocks if isinstance(block.mixer, Mamba | RWKV7))
    x, shared = torch.randn(1, 5, 8), {}
    alone, _ = second(x, shared=shared)
    torch.testing.assert_close(alone, second(x)[0])  # its own values
    assert not torch.allclose(third(x, shared=shared)[0], third(x)[0])
    hidden, _ = network(torch.randn(2, 6, 8))
    network.head(hidden, None).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("mixer", [RWKV6, RWKV7])
def test_heads_that_do_not_fit_are_refused(mixer):
    with pytest.raises(ConfigError, match="d_model=16 over n_heads=5 is not"):
        mixer(16, n_heads=5)
